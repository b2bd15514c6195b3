package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// program is a program of a README that can be run.
type program struct {
	snippet
	name string // its folder in the walk's
}

const (
	startTime   = time.Minute // from the start of a program to its first answer
	requestTime = 10 * time.Second
)

var (
	// address finds where a program listens.
	address = regexp.MustCompile(`"(?:localhost|127\.0\.0\.1)?:[0-9]+"`)
	// variable finds the environment variables that a program reads.
	variable = regexp.MustCompile(`os\.Getenv\("([A-Z_]+)"\)`)
)

// try runs a program. If it listens somewhere, it must answer two requests, and
// know at the second one that there was a first; otherwise it must end well. It
// is not run if it needs a server that there is none of.
func (r *run) try(ctx context.Context, dir string, p program) (done bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", p.place, err)
		}
	}()
	env := r.env
	for _, m := range variable.FindAllSubmatch(p.code, -1) {
		name := string(m[1])
		value := r.Servers[name]
		if value == "" {
			return false, r.Missing(p.place, name)
		}
		env = append(slices.Clip(env), name+"="+value)
	}
	port, err := freePort(ctx)
	if err != nil {
		return false, err
	}
	listens := address.Match(p.code)
	code := address.ReplaceAll(p.code, fmt.Appendf(nil, `"127.0.0.1:%d"`, port))
	if err := os.WriteFile(filepath.Join(dir, p.name, "main.go"), code, 0o666); err != nil {
		return false, err
	}
	binary := filepath.Join(dir, p.name, "program.exe") // a name that all systems run
	if _, err := r.goCommand(ctx, dir, "build", "-o", binary, "./"+p.name); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTime+2*requestTime, errors.New("it takes too long"))
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = env
	cmd.WaitDelay = time.Second
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the program, which ends with ctx at the latest
	if !listens {
		if err := <-ended; err != nil {
			return false, fmt.Errorf("the program failed: %w\n%s", err, out.text())
		}
		return true, nil
	}
	err = visit(ctx, fmt.Sprintf("http://127.0.0.1:%d/", port), ended)
	cancel()
	if err != nil {
		return false, fmt.Errorf("%w\n%s", err, out.text())
	}
	<-ended //nolint:errcheck // it was killed
	return true, nil
}

// visit makes two requests of one client, whose visits the program counts.
func visit(ctx context.Context, url string, ended chan error) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: requestTime, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, want := range []string{"1", "2"} {
		body, err := answer(ctx, client, url, ended)
		if err != nil {
			return err
		}
		if !bytes.Contains(body, []byte(want)) {
			return fmt.Errorf("visit %s is answered with %q: is the session's cookie not taken, or the visit not stored", want, body)
		}
	}
	return nil
}

// answer makes a request as soon as the program listens.
func answer(ctx context.Context, client *http.Client, url string, ended chan error) ([]byte, error) {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		body, err := get(ctx, client, url)
		if err == nil || !strings.Contains(err.Error(), "connection refused") {
			return body, err
		}
		select {
		case err := <-ended:
			ended <- err
			return nil, fmt.Errorf("the program has ended before it answered: %w", err)
		case <-ctx.Done():
			return nil, fmt.Errorf("the program does not listen: %w", context.Cause(ctx))
		case <-retry.C:
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, tailSize))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s: %s", resp.Status, body)
	}
	return body, nil
}

// freePort returns a port of the loopback interface that was free just now.
func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
