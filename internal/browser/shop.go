package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// examples are the folders in examples that have the shop.
var examples = []string{"chi", "gin", "echo", "fiber"}

const prefix = "github.com/sessionstate/sessionstate/examples/"

// shop is an example that runs.
type shop struct {
	url  string // without the slash at its end
	stop func() error
}

// build makes the program of an example in a folder and returns its path.
func build(ctx context.Context, example, folder string) (string, error) {
	binary := filepath.Join(folder, example)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, prefix+example)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", prefix+example, err, out)
	}
	return binary, nil
}

// start runs an example on a free port until stop or until ctx ends. host is
// what it listens on: its cookie is Secure unless that is this machine alone.
// delay is how long one of the lab's updates takes.
func start(ctx context.Context, binary, host string, delay time.Duration) (*shop, error) {
	ctx, kill := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, binary, "-addr", host+":0", "-delay", delay.String())
	cmd.Env = append(os.Environ(), "SESSION_STORE=memory")
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	withUs(cmd)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		kill()
		return nil, err
	}
	started := make(chan error, 1)
	said := make(chan string, 1)
	ended := make(chan error, 1)
	go func() { // ends with the program
		runtime.LockOSThread() // for withUs
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		lines := bufio.NewScanner(stdout)
		lines.Scan()
		said <- lines.Text()
		for lines.Scan() { // what follows is for a person
		}
		ended <- cmd.Wait()
	}()
	if err := <-started; err != nil {
		kill()
		return nil, err
	}
	stop := func() error {
		defer kill()
		late := time.AfterFunc(patience, kill)
		defer late.Stop()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			kill()
		}
		return <-ended
	}

	late := time.AfterFunc(patience, kill)
	line := <-said
	late.Stop()
	var address string
	if _, err := fmt.Sscanf(line, "shop: %s (Ctrl-C ends it)", &address); err != nil {
		return nil, errors.Join(fmt.Errorf("%s says %q instead of its address", filepath.Base(binary), line), stop())
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return &shop{"http://127.0.0.1:" + u.Port(), stop}, nil
}
