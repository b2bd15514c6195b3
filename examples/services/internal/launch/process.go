package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// launcher is what runs. Its methods are called by one goroutine, but for those
// of out.
type launcher struct {
	out    *output
	getenv func(string) string

	shopStore, accountStore string
	warnings                []string
	reported                atomic.Bool

	listeners []*os.File // of the services, whose addresses they keep

	services []func()       // each ends a service, in the order in which they were started
	servers  []func() error // each ends a database
}

// service is one of the example's.
type service struct {
	name, addr string
	listener   *os.File
	env        []string
}

const (
	// endTime is how long a service may take for its end; it gives the requests
	// that are under way 15 seconds.
	endTime = 20 * time.Second

	// startsOver is how often a service is started again that ends by itself,
	// unless it has run for longTime in between.
	startsOver = 5
	longTime   = time.Minute

	exitUsage = 2 // it was called wrongly: to try again is no use
)

// start keeps a service running until stop, or until it fails for good.
func (l *launcher) start(program string, sv *service, failed chan<- error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		if err := l.supervise(ctx, program, sv); err != nil {
			failed <- err
		}
	}()
	l.services = append(l.services, func() {
		cancel()
		sv.listener.Close() // who comes from now on is refused, and does not wait
		<-ended
	})
}

func (l *launcher) supervise(ctx context.Context, program string, sv *service) error {
	for failures := 1; ; failures++ {
		began := time.Now()
		err := l.runOnce(ctx, program, sv)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end: how it did is in its log
		}
		if time.Since(began) > longTime {
			failures = 1
		}
		exit := (*exec.ExitError)(nil)
		if errors.As(err, &exit) && exit.ExitCode() == exitUsage || failures > startsOver {
			return fmt.Errorf("the service %s cannot be kept running: its log is above", sv.name)
		}
		l.out.say("%s has ended by itself (%v): it is started again", sv.name, err)
		select {
		case <-time.After(time.Duration(failures) * 200 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// runOnce runs a service until it ends or ctx does. It is ended by the end of its
// standard input, not by a signal: so it also ends if this process is killed.
func (l *launcher) runOnce(ctx context.Context, program string, sv *service) error {
	cmd := exec.Command(program, sv.name)
	cmd.Env = sv.env
	cmd.ExtraFiles = []*os.File{sv.listener}              // InheritedFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process alone
	log := l.out.prefixed(sv.name)
	defer log.flush()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	l.out.say("%s is process %d, on http://%s/", sv.name, cmd.Process.Pid, sv.addr)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the process
	select {
	case err := <-ended:
		stdin.Close()
		if err == nil {
			err = errors.New("without a reason")
		}
		return err
	case <-ctx.Done():
	}
	stdin.Close()
	select {
	case err = <-ended:
	case <-time.After(endTime):
		l.out.say("%s does not end: it is killed", sv.name)
		_ = cmd.Process.Kill() // fails if it has just ended, which is as well
		err = <-ended
	}
	return err
}

// stop ends the services, the gateway first, so that no request meets a service
// that has gone, and then the databases.
func (l *launcher) stop() (err error) {
	for _, end := range slices.Backward(l.services) {
		end()
	}
	for _, file := range l.listeners {
		file.Close() // of one that was not started
	}
	for _, end := range slices.Backward(l.servers) {
		err = errors.Join(err, end())
	}
	return err
}

// output is where all write, a line at a time.
type output struct {
	mu sync.Mutex
	w  io.Writer // under mu
}

func (o *output) say(format string, args ...any) {
	o.line("services", fmt.Appendf(nil, format, args...))
}

func (o *output) line(name string, text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(o.w, "%-8s | %s\n", name, text)
}

// prefixed returns a writer that puts the name before each line.
func (o *output) prefixed(name string) *lines { return &lines{out: o, name: name} }

// lines is used by one goroutine at a time.
type lines struct {
	out  *output
	name string
	rest []byte
}

// maxLine is how much of a line without an end is kept.
const maxLine = 64 << 10

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			break
		}
		l.out.line(l.name, line)
		l.rest = rest
	}
	if len(l.rest) > maxLine {
		l.flush()
	}
	return len(p), nil
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.out.line(l.name, l.rest)
		l.rest = nil
	}
}
