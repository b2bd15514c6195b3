package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// target is a service in a process of its own.
type target struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
	http    *http.Client
}

// startTarget starts the service. It ends with stop, and with this process, since
// that closes its input.
func startTarget(ctx context.Context, set *settings, adapter string) (*target, error) {
	cmd := exec.CommandContext(ctx, set.self, "-serve", adapter)
	cmd.Env = append(os.Environ(), serveVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	cmd.Stderr = set.progress
	cmd.WaitDelay = 10 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill() // Wait tells
		return nil, errors.Join(errors.New("it does not serve"), cmd.Wait())
	}
	return &target{cmd: cmd, stdin: stdin, address: strings.TrimSpace(line), http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 2 * time.Minute, // what an attack leaves to be done may take a busy machine that long
	}}, nil
}

// serveVariable tells a test's binary that it is to serve.
const serveVariable = "E2E_HOSTILE_SERVE"

func (t *target) stop() error {
	t.http.CloseIdleConnections()
	t.stdin.Close()
	return t.cmd.Wait()
}

func (t *target) url(path string) string { return "http://" + t.address + path }

// usage asks the service what it has used.
func (t *target) usage(ctx context.Context) (u usage, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url("/usage"), nil)
	if err != nil {
		return u, err
	}
	res, err := t.http.Do(req)
	if err != nil {
		return u, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&u); err != nil {
		return u, fmt.Errorf("usage: status %d: %w", res.StatusCode, err)
	}
	return u, nil
}

// step counts in a session, a new one without a cookie, and returns the status and
// the cookie that the reply sets.
func (t *target) step(ctx context.Context, cookie string) (status int, set string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url("/step"), nil)
	if err != nil {
		return 0, "", err
	}
	if cookie != "" {
		req.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	res, err := t.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if c.Name == "session" {
			set = c.Value
		}
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, set, err
}

// newSession makes a session and returns its cookie.
func (t *target) newSession(ctx context.Context) (string, error) {
	status, cookie, err := t.step(ctx, "")
	if err == nil && (status != http.StatusOK || cookie == "") {
		err = fmt.Errorf("a new session: status %d", status)
	}
	return cookie, err
}
