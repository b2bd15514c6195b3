// Package cosmos runs an Azure Cosmos DB server of one's own: the npm package
// @vercel/cosmosdb-server on Node, in memory, on a random port of 127.0.0.1. It
// is independent of Microsoft's emulators, starts in a second and runs
// everywhere. What it lacks: time to live, keys, real request units, session
// tokens, and the service's indexing.
package cosmos

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What npm needs, and the program that Node runs.
//
//go:embed package.json package-lock.json server.js
var files embed.FS

var names = []string{"package.json", "package-lock.json", "server.js"}

// ErrNotFound is returned where the machine has no Node, or no npm.
var ErrNotFound = errors.New("no node and npm found")

// key opens the server, as any other would.
const key = "c2Vzc2lvbnN0YXRl"

// startTime is how long a start may take, once the package is installed.
const startTime = 30 * time.Second

// Server is a running server. It ends with Close, and with this process however
// that ends, since that closes its standard input.
type Server struct {
	cmd   *exec.Cmd
	stdin io.Closer
	port  int
	log   log
	done  chan struct{} // closed when it has ended

	close sync.Once
	err   error // of Close
}

// Find returns an error unless there are Node and npm.
func Find() error {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			return ErrNotFound
		}
	}
	return nil
}

// Start installs the package, unless that was done before, and says so on w. It
// starts the server and waits until it listens.
func Start(ctx context.Context, w io.Writer) (*Server, error) {
	s, err := start(ctx, w)
	if err != nil {
		return nil, fmt.Errorf("cosmos: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, w io.Writer) (*Server, error) {
	if err := Find(); err != nil {
		return nil, err
	}
	folder, err := install(ctx, w)
	if err != nil {
		return nil, err
	}
	s := &Server{done: make(chan struct{})}
	s.cmd = exec.Command("node", filepath.Join(folder, "server.js"))
	s.cmd.Dir = folder
	s.cmd.Stderr = &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	port := make(chan string, 1)
	go func() { // until the server has ended
		defer close(s.done)
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n')
		port <- strings.TrimSpace(line)
		_, _ = io.Copy(&s.log, lines)
		_ = s.cmd.Wait() // the log tells
	}()
	timeout := time.NewTimer(startTime)
	defer timeout.Stop()
	select {
	case line := <-port:
		if s.port, err = strconv.Atoi(line); err == nil {
			return s, nil
		}
		err = errors.New("it did not start")
	case <-timeout.C:
		err = fmt.Errorf("it does not listen after %v", startTime)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return nil, errors.Join(fmt.Errorf("%w; its log:\n%s", err, s.log.String()), s.Close())
}

// Endpoint returns the server's URI.
func (s *Server) Endpoint() string { return "http://127.0.0.1:" + strconv.Itoa(s.port) + "/" }

// ConnectionString returns the connection string, with a key that is none.
func (s *Server) ConnectionString() string {
	return "AccountEndpoint=" + s.Endpoint() + ";AccountKey=" + key + ";"
}

// Close ends the server. Closing it twice does nothing.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.stdin.Close()
		select {
		case <-s.done:
		case <-time.After(10 * time.Second):
			_ = s.cmd.Process.Kill() // fails if it has just ended, which is as well
			<-s.done
			s.err = errors.New("cosmos: it did not end within 10 seconds")
		}
	})
	return s.err
}

// install returns a folder with the package. It is made once for each version
// of the files, in the user's cache.
func install(ctx context.Context, w io.Writer) (string, error) {
	sum := sha256.New()
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}
		sum.Write(data)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "sessionstate")
	folder := filepath.Join(cache, "cosmosdb-server-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	draft, err := os.MkdirTemp(cache, "draft-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(draft)
	fmt.Fprintln(w, "servers: npm installs @vercel/cosmosdb-server, once")
	if err := fill(ctx, draft); err != nil {
		return "", err
	}
	// Complete, or not there: and if another process has been faster, as well.
	if err := os.Rename(draft, folder); err != nil {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
}

// fill installs the package into a folder.
func fill(ctx context.Context, folder string) error {
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("npm takes longer than ten minutes"))
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir = folder
	npm.WaitDelay = 5 * time.Second
	output, err := npm.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("npm ci: %w", context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("npm ci: %w\n%s", err, bytes.TrimSpace(output))
	}
	return nil
}

// log keeps the end of what the server wrote.
type log struct {
	mu   sync.Mutex
	text []byte
}

const logged = 8 << 10

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - logged; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(p), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.text))
}
