// Package postgres runs a PostgreSQL server of one's own for as long as a test
// or a program needs it: from the machine's binaries, in a temporary folder, on
// a random port of 127.0.0.1, with a random password. It can be crashed, and
// started again with what it had then.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessionstate/sessionstate/internal/servers/process"
)

// Options are what one can ask of a server.
type Options struct {
	// Settings are parameters of postgresql.conf, which go before the
	// package's own: 200 connections, small buffers, a quiet log.
	Settings map[string]string

	// NoSync switches fsync off, for tests that do not care what a commit
	// costs. What was committed still survives Crash, as the system writes
	// it; it does not survive the machine.
	NoSync bool

	// Parent is where the server's folder is made, which the server's user
	// must be able to enter. Default: the folder for temporary files.
	Parent string

	// Bin is the folder of initdb and postgres. Default: what Find finds.
	Bin string
}

// Server is a running PostgreSQL server, or one that was stopped and can be
// started again. It is safe for concurrent use.
type Server struct {
	folder   *process.Folder
	bin      string
	password string

	mu      sync.Mutex
	port    int
	version string
	proc    *process.Process // nil: not running
}

const (
	user     = "postgres"
	database = "postgres"

	// startTime is how long a start may take, recovery included.
	startTime = time.Minute
)

var (
	// errPortTaken: somebody else got the port first.
	errPortTaken = errors.New("the port is taken")

	// errNotGone: the server was killed, and some of its processes have not
	// noticed yet.
	errNotGone = errors.New("some of its old processes still run")
)

// Start makes a server and waits until it answers, at most a minute. The server
// ends with Close, and with this process however that ends.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := newServer(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return s, nil
}

func newServer(ctx context.Context, o Options) (*Server, error) {
	bin := o.Bin
	if bin == "" {
		var err error
		if bin, err = Find(); err != nil {
			return nil, err
		}
	}
	folder, err := process.NewFolderIn(o.Parent, "sessionstate-postgres", syscall.SIGQUIT)
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, bin: bin, password: rand.Text()}
	if err := s.initialize(ctx, o); err != nil {
		return nil, errors.Join(err, folder.Remove())
	}
	for range 10 {
		if s.port, err = process.FreePort(); err != nil {
			break
		}
		if err = s.start(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, folder.Remove())
	}
	return s, nil
}

// DSN returns the URL by which the superuser connects, with the password. It
// stays the same for the server's life.
func (s *Server) DSN() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dsn()
}

// Version returns the server's version, such as "15.18".
func (s *Server) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Stop ends the server in fast mode: it rolls open transactions back, cuts the
// connections and writes everything to disk. A server that does not run is left
// alone.
func (s *Server) Stop(ctx context.Context) error {
	return s.end(ctx, "stop", syscall.SIGINT)
}

// Crash ends the server in immediate mode, as if the machine had lost its power
// after the last write that reached the disk: the next start recovers.
func (s *Server) Crash(ctx context.Context) error {
	return s.end(ctx, "crash", syscall.SIGQUIT)
}

// Restart starts the server again, on the same port and with its data, and
// waits until it answers, at most a minute. One that runs is stopped first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil { // by another call meanwhile
		return nil
	}
	return s.startAgain(ctx)
}

// Revive waits until the server answers again, at most a minute, and starts it if
// it has ended by itself, as it does when it finds no room for its log.
func (s *Server) Revive(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		if s.answers(ctx) {
			return nil
		}
		select {
		case <-s.proc.Done():
		default:
			return errors.New("postgres: revive: it runs, and does not answer")
		}
	}
	s.proc = nil
	return s.startAgain(ctx)
}

// answers waits until the server answers, and returns false if it ends before, or
// the time is over. s.mu is held.
func (s *Server) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	running, ended := s.proc.Context(ctx)
	defer ended()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		if _, err := s.ask(running); err == nil {
			return true
		}
		select {
		case <-running.Done():
			return false
		case <-retry.C:
		}
	}
}

// startAgain starts the server with its data. s.mu is held.
func (s *Server) startAgain(ctx context.Context) error {
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err := s.start(ctx)
	for errors.Is(err, errNotGone) && ctx.Err() == nil {
		<-retry.C
		err = s.start(ctx)
	}
	if err != nil {
		return fmt.Errorf("postgres: start again: %w", err)
	}
	return nil
}

// Close stops the server and deletes what it stored. It cannot be started
// again. Closing it twice does nothing.
func (s *Server) Close() error {
	return errors.Join(s.Stop(context.Background()), s.folder.Remove())
}

// initialize makes the data, with a superuser who has the password.
func (s *Server) initialize(ctx context.Context, o Options) error {
	config, err := configuration(o, s.folder.Path())
	if err != nil {
		return err
	}
	if err := s.folder.WriteFile("password", s.password+"\n"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, errors.New("it did not end within a minute"))
	defer cancel()
	err = s.folder.Run(ctx, filepath.Join(s.bin, "initdb"), "-D", s.folder.Path("data"),
		"--username", user, "--pwfile", s.folder.Path("password"), "--auth", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	if err != nil {
		return s.hide(err)
	}
	// In the place of what initdb thinks right. ALTER SYSTEM overrules it.
	return s.folder.WriteFile(filepath.Join("data", "postgresql.conf"), config)
}

// start starts the server and waits until it answers. s.mu is held, or s not
// yet known to others.
func (s *Server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, errors.New("it does not answer after a minute"))
	defer cancel()
	p, err := s.folder.Start(filepath.Join(s.bin, "postgres"), "-D", s.folder.Path("data"), "-p", strconv.Itoa(s.port))
	if err != nil {
		return err
	}
	running, ended := p.Context(ctx)
	defer ended()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		version, refused := s.ask(running)
		if refused == nil {
			s.proc, s.version = p, version
			return nil
		}
		select {
		case <-p.Done():
			log := p.Log()
			switch {
			case strings.Contains(log, "Address already in use"):
				return fmt.Errorf("port %d: %w", s.port, errPortTaken)
			case strings.Contains(log, "pre-existing shared memory block"):
				return errNotGone
			}
			return s.hide(fmt.Errorf("it ended at once; its log:\n%s", log))
		case <-ctx.Done():
			err := fmt.Errorf("%w: %w; its log:\n%s", context.Cause(ctx), refused, p.Log())
			return s.hide(errors.Join(err, p.Stop(context.WithoutCancel(ctx), syscall.SIGQUIT)))
		case <-retry.C:
		}
	}
}

// ask asks the server for its version, and makes sure that it is this server
// that answers: somebody else's may have the port.
func (s *Server) ask(ctx context.Context) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, s.dsn())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, "SELECT current_setting('server_version'), current_setting('data_directory')").ReadAll()
	if err != nil {
		return "", err
	}
	row := results[0].Rows[0]
	if data := string(row[1]); data != s.folder.Path("data") {
		return "", errors.New("another server answers")
	}
	version, _, _ = strings.Cut(string(row[0]), " ") // "15.18 (Debian …)"
	return version, nil
}

// end ends the server with a signal and waits until all its processes are gone.
func (s *Server) end(ctx context.Context, doing string, sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	p := s.proc
	s.proc = nil
	if err := p.Stop(ctx, sig); err != nil {
		return fmt.Errorf("postgres: %s: %w", doing, err)
	}
	return nil
}

func (s *Server) dsn() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// hide takes the password out of an error that has what a program wrote. None
// has written it yet, and none shall.
func (s *Server) hide(err error) error {
	if text := err.Error(); strings.Contains(text, s.password) {
		return errors.New(strings.ReplaceAll(text, s.password, "…"))
	}
	return err
}
