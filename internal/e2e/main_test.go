package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	"github.com/sessionstate/sessionstate/internal/servers/cosmos"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests that mostly wait go side by side, however few processors there are.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := common.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// shared is what the tests build and start once.
type shared struct {
	once    sync.Once
	err     error
	dir     string
	reaper  string
	ender   string           // watched by the race detector if the tests are
	set     settings         // with the service
	raced   string           // the service, watched by the race detector if the tests are
	clocked string           // the service whose clocks can be set; "" where that cannot be
	server  *postgres.Server // that nobody crashes
	cosmos  *cosmos.Server   // nil where there is no Node
	turns   chan struct{}    // to run
	single  chan struct{}    // to run on the Cosmos DB server, which is one thread
}

var common shared

// get builds the programs and starts the server.
func (s *shared) get(t *testing.T) *shared {
	t.Helper()
	_, err := postgres.Find()
	if errors.Is(err, postgres.ErrNotFound) && (os.Getenv("SESSION_TEST_REQUIRE") != "1" || os.Getenv("SESSION_TEST_POSTGRES") != "") {
		t.Skip(err)
	}
	s.once.Do(func() { s.err = s.start() })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s
}

func (s *shared) start() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if s.dir, err = os.MkdirTemp("", "sessionstate-e2e-"); err != nil {
		return err
	}
	var service string
	if service, err = build(ctx, servicePackage, s.dir); err != nil {
		return err
	}
	if s.reaper, err = build(ctx, reaperPackage, s.dir); err != nil {
		return err
	}
	var watched []string
	if raceDetector {
		watched = []string{"-race"}
	}
	if s.ender, err = build(ctx, enderPackage, s.dir, watched...); err != nil {
		return err
	}
	s.raced = service
	if raceDetector {
		raced := filepath.Join(s.dir, "raced")
		if err := os.Mkdir(raced, 0o700); err != nil {
			return err
		}
		if s.raced, err = build(ctx, servicePackage, raced, "-race"); err != nil {
			return err
		}
	}
	if runtime.GOOS == "linux" {
		clocked := filepath.Join(s.dir, "clocked")
		if err := os.Mkdir(clocked, 0o700); err != nil {
			return err
		}
		if s.clocked, err = buildClocked(ctx, clocked); err != nil {
			return err
		}
	}
	if err = cosmos.Find(); err == nil {
		s.cosmos, err = cosmos.Start(ctx, os.Stderr)
	} else if os.Getenv("SESSION_TEST_REQUIRE") != "1" {
		err = nil
	}
	if err != nil {
		return err
	}
	s.set = settings{
		store:     wire.PostgreSQL,
		processes: 4, clients: 32, cool: 60, long: 12,
		lease: time.Second, hold: 2 * time.Millisecond, think: 60 * time.Millisecond,
		service: service,
	}
	s.turns, s.single = make(chan struct{}, sideBySide), make(chan struct{}, 1)
	s.server, err = postgres.Start(ctx, postgres.Options{NoSync: true, Settings: map[string]string{"max_connections": "400"}})
	return err
}

func (s *shared) close() (err error) {
	if s.server != nil {
		err = s.server.Close()
	}
	if s.cosmos != nil {
		err = errors.Join(err, s.cosmos.Close())
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// wholeServer names faults that disturb everybody who uses the server.
func wholeServer(fault string) bool {
	return fault == faultCrash || fault == faultThrottle || fault == faultDisk
}

// serversFor returns the servers for a fault: a PostgreSQL of its own for those
// that disturb everybody who uses it.
func (s *shared) serversFor(t *testing.T, fault string) *servers {
	t.Helper()
	on := &servers{postgres: s.server, cosmos: s.cosmos}
	if !wholeServer(fault) {
		return on
	}
	var err error
	if fault == faultDisk {
		if on.disk, err = newDisk(); errors.Is(err, errNoDisk) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := on.disk.close(); err != nil {
				t.Error(err)
			}
		})
		on.postgres, err = on.disk.startOn(t.Context())
	} else {
		on.postgres, err = postgres.Start(t.Context(), postgres.Options{NoSync: true, Settings: map[string]string{"max_connections": "60"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	server := on.postgres
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return on
}

// started is a run that is under way.
type started struct {
	done chan struct{}
	res  *result
	err  error
}

// start starts a run in the background: most of their time is spent waiting, so
// that more of them go side by side than there are processors.
func start(ctx context.Context, set *settings, on *servers, turns chan struct{}) *started {
	s := &started{done: make(chan struct{})}
	go func() { // ends with the run, or with ctx
		defer close(s.done)
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
			s.res, s.err = run(ctx, set, on)
		case <-ctx.Done():
			s.err = ctx.Err()
		}
	}()
	return s
}

// inTurn starts what a run needs and runs it, when it is its turn.
func (s *shared) inTurn(t *testing.T, set *settings) *result {
	t.Helper()
	if set.store == wire.Cosmos {
		s.single <- struct{}{}
		defer func() { <-s.single }()
	}
	s.turns <- struct{}{}
	defer func() { <-s.turns }()
	on := new(servers)
	if set.store != wire.Memory {
		on = s.serversFor(t, set.mode)
	}
	res, err := run(t.Context(), set, on)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// wait returns what has become of the run.
func (s *started) wait(t *testing.T) *result {
	t.Helper()
	<-s.done
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.res
}

// sideBySide is how many runs may be under way at once.
const sideBySide = 5
