package process

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Process is a server that was started. It is safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	log  string
	from int64         // where its part of the log begins
	done chan struct{} // closed when it has ended
	err  error         // how; for readers after done
}

// start starts a program that gets the signal end when this process dies, where
// the system can do that. Its goroutine lives as long as the program does, and
// reports the process ID when there is one and "" when there is none any more.
func start(cmd *exec.Cmd, end syscall.Signal, report func(pid string) error) *Process {
	dieWithParent(cmd.SysProcAttr, end)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan struct{})
	go func() {
		defer close(p.done)
		// What Linux calls the parent is the thread that started the
		// program, so that thread must not end before it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if p.err = cmd.Start(); p.err != nil {
			close(started)
			return
		}
		unguarded := report(strconv.Itoa(cmd.Process.Pid))
		if unguarded != nil {
			_ = cmd.Process.Kill() // Wait tells
		}
		close(started)
		p.err = errors.Join(unguarded, cmd.Wait())
		_ = report("") // fails if the folder is being removed, which is as well
	}()
	<-started
	return p
}

// Done returns a channel that is closed when the server has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Context returns a context that ends with the server, or with ctx.
func (p *Process) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // until one of the two has ended
		defer cancel()
		select {
		case <-p.done:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Stop sends a signal and waits until the server has ended. If that does not
// happen before ctx ends, or within 30 seconds, it is killed, and Stop returns
// an error.
func (p *Process) Stop(ctx context.Context, sig syscall.Signal) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("it did not stop within 30 seconds"))
	defer cancel()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		_ = p.cmd.Process.Kill() // fails if it has just ended, which is as well
		<-p.done
		return context.Cause(ctx)
	}
}

// Log returns the last lines that the server wrote since it was started.
func (p *Process) Log() string {
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, p.from, 1<<20))
	if err != nil {
		return ""
	}
	return lastLines(text)
}
