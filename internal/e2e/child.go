package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// child is a program that was started in a process group of its own. It does
// not outlive this one.
type child struct {
	cmd    *exec.Cmd
	errors string        // the file that it complains to
	done   chan struct{} // closed when it has ended
	err    error         // how; for readers after done
}

// startChild starts a program that writes its complaints to the file errors and
// everything else to stdout.
func startChild(path string, args, env []string, stdout io.Writer, errorsTo string) (*child, error) {
	stderr, err := os.OpenFile(errorsTo, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	c := &child{cmd: exec.Command(path, args...), errors: errorsTo, done: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stdout, c.cmd.Stderr = stdout, stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(c.cmd.SysProcAttr)
	started := make(chan error)
	go func() { // ends with the child
		defer close(c.done)
		// What Linux calls the parent is the thread that starts the child:
		// it must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if c.err = c.cmd.Start(); c.err != nil {
			started <- c.err
			return
		}
		started <- nil
		c.err = c.cmd.Wait()
	}()
	return c, <-started
}

// startServing starts a program whose first line of output is a URL.
func startServing(ctx context.Context, path string, args, env []string, errorsTo string) (*child, string, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	c, err := startChild(path, args, env, writer, errorsTo)
	writer.Close()
	if err != nil {
		reader.Close()
		return nil, "", err
	}
	line := make(chan string, 1)
	go func() { // ends when the child has said a line, or has ended
		defer reader.Close()
		text, err := bufio.NewReader(reader).ReadString('\n')
		if err != nil {
			text = ""
		}
		line <- text
	}()
	select {
	case text := <-line:
		if url, ok := strings.CutSuffix(text, "\n"); ok {
			return c, url, nil
		}
	case <-ctx.Done():
	}
	c.kill()
	return nil, "", fmt.Errorf("it does not serve: %w; it says:\n%s", errors.Join(context.Cause(ctx), c.err), c.said())
}

// signal sends a signal to the child and what it may have started.
func (c *child) signal(sig syscall.Signal) {
	_ = syscall.Kill(-c.cmd.Process.Pid, sig) // fails if it has ended, which is as well
}

// awaitStopped waits until all of the child's threads stand still, for a second
// at most.
func (c *child) awaitStopped() {
	for range 1000 {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", c.cmd.Process.Pid))
		if err != nil || len(tasks) == 0 {
			return // not Linux, or it has ended
		}
		if !slices.ContainsFunc(tasks, running) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// running reports whether a thread, by its file, runs.
func running(stat string) bool {
	text, err := os.ReadFile(stat)
	if err != nil {
		return false // it has ended
	}
	_, state, _ := strings.Cut(string(text), ") ") // "pid (name) T …"
	return !strings.HasPrefix(state, "T")
}

// kill ends the child at once and waits until it is gone.
func (c *child) kill() {
	select {
	case <-c.done: // its ID may be another's by now
	default:
		c.signal(syscall.SIGKILL)
	}
	<-c.done
}

// end has the child end by itself, and kills it if it takes too long.
func (c *child) end(within time.Duration) error {
	select {
	case <-c.done:
	default:
		c.signal(syscall.SIGTERM)
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.err
	case <-timer.C:
		c.kill()
		return fmt.Errorf("it did not end within %v after SIGTERM", within)
	}
}

// said returns the end of what the child complained of.
func (c *child) said() string {
	text, err := os.ReadFile(c.errors)
	if err != nil {
		return err.Error()
	}
	if len(text) > 4000 {
		text = text[len(text)-4000:]
	}
	return string(text)
}
