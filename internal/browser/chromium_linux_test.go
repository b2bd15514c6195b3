package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOpen_EndsAllOfABrowserThatHangs: neither the program nor what it has
// started lives longer than the context.
func TestOpen_EndsAllOfABrowserThatHangs(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "chromium")
	// Both shells hold the pipe open for writing. They ignore what they can.
	const script = `#!/bin/sh
trap '' TERM INT HUP
exec 9>"${0%/*}/alive"
( echo up >&9; while :; do sleep 60; done ) &
wait
`
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	alive := filepath.Join(folder, "alive")
	if err := syscall.Mkfifo(alive, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(alive, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	pipe, err := os.OpenFile(alive, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if err := pipe.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opened := make(chan error, 1)
	go func() { // ends with ctx
		_, err := open(ctx, program, patience)
		opened <- err
	}()
	lines := bufio.NewReader(pipe)
	if line, err := lines.ReadString('\n'); line != "up\n" {
		t.Fatalf("the program says %q, %v", line, err)
	}
	fifo.Close() // from now on only the program has it
	cancel()
	if err := <-opened; err == nil {
		t.Error("a browser that says nothing has opened")
	}
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("something of the program is alive still: %q, %v", rest, err)
	}
}

// TestOpen_DoesNotStart: the error says what the browser has said.
func TestOpen_DoesNotStart(t *testing.T) {
	for name, c := range map[string]struct {
		script, want string
		patience     time.Duration
	}{
		"it hangs": {"exec sleep 60", "did not start within 100ms", 100 * time.Millisecond},
		"it ends":  {"echo out of luck >&2; exit 1", "out of luck", patience},
	} {
		program := filepath.Join(t.TempDir(), "chromium")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t.Context(), program, c.patience); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}
