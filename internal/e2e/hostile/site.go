package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// The limits that slow clients meet. They are shorter than the defaults, so that
// a short run gets to see them pass.
const (
	queueLimit       = 10
	acquireTimeout   = time.Second
	executionTimeout = 2 * time.Second
	lockLease        = time.Second
)

// site is the service.
type site struct {
	store    *memstore.Store
	sessions *session.Manager
}

// counter counts what a user does.
var counter = session.NewKey[int]("counter")

// hugeReply is more than all buffers between two processes hold, if the one that
// does not read has a small one. Fiber keeps it in memory.
const hugeReply = 6 << 20

// routes returns what the service does. Those of the first attack store nothing.
func (s *site) routes() []route {
	small := func(x *exchange) error {
		_, err := io.WriteString(x.reply, "well\n")
		return err
	}
	with := func(mode session.Mode, do func(*session.Session, *exchange) error) func(*exchange) error {
		return func(x *exchange) error {
			sess, err := x.acquire(mode)
			if err != nil {
				return err
			}
			return do(sess, x)
		}
	}
	look := func(sess *session.Session, x *exchange) error {
		if _, err := counter.Get(sess); err != nil {
			return err
		}
		return small(x)
	}
	step := func(sess *session.Session) error {
		return counter.Update(sess, func(n int) int { return n + 1 })
	}
	return []route{
		{"GET", "/plain", small},
		{"GET", "/read", with(session.ReadOnly, look)},
		{"GET", "/look", with(session.Exclusive, look)},
		{"GET", "/usage", s.usage},
		{"POST", "/step", with(session.Exclusive, func(sess *session.Session, x *exchange) error {
			if err := step(sess); err != nil {
				return err
			}
			return small(x)
		})},
		// What README.md says not to do: acquire, and then read the body.
		{"POST", "/upload", with(session.Exclusive, func(sess *session.Session, x *exchange) error {
			if err := upload(x); err != nil {
				return err
			}
			return step(sess)
		})},
		{"GET", "/download", with(session.Exclusive, func(sess *session.Session, x *exchange) error {
			if err := step(sess); err != nil {
				return err
			}
			return download(x)
		})},
		// The same without a session.
		{"POST", "/bare/upload", upload},
		{"GET", "/bare/download", download},
	}
}

// upload reads the body, which Fiber has done before.
func upload(x *exchange) error {
	if x.body == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, x.body)
	return err
}

// download replies with more than a connection holds.
func download(x *exchange) error {
	block := make([]byte, 64<<10)
	for range hugeReply / len(block) {
		if _, err := x.reply.Write(block); err != nil {
			return err
		}
	}
	return nil
}

// usage is what the service has used up, and what it has.
type usage struct {
	Processor  time.Duration `json:"processor"` // since the start, user's and system's
	Heap       uint64        `json:"heap"`      // bytes after a collection
	Resident   int           `json:"resident"`  // kilobytes; 0 where the system does not tell
	Peak       int           `json:"peak"`      // the most of it since the last time it was asked for
	Goroutines int           `json:"goroutines"`
	Sessions   int           `json:"sessions"` // stored ones
}

func (s *site) usage(x *exchange) error {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{Heap: m.HeapAlloc, Goroutines: runtime.NumGoroutine(), Resident: status("VmRSS"), Peak: status("VmHWM")}
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // a new peak begins, on Linux
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return err
	}
	u.Processor = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	for _, err := range s.store.All(context.Background(), "") {
		if err != nil {
			return err
		}
		u.Sessions++
	}
	return json.NewEncoder(x.reply).Encode(u)
}

// status returns a number of kilobytes that Linux tells of this process.
func status(name string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\n"+name+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(fields[0])
	return n
}

// serveUntil serves until its input ends, and first prints where.
func serveUntil(name string, stdin io.Reader, stdout io.Writer) error {
	s := &site{store: memstore.New()}
	var err error
	s.sessions, err = session.New(s.store, session.Config{
		ID:                session.Cookie{Insecure: true},
		RequestQueueLimit: queueLimit,
		AcquireTimeout:    acquireTimeout,
		ExecutionTimeout:  executionTimeout,
		LockLease:         lockLease,
		Logger:            slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stop := frameworks()[name](s, listener)
	fmt.Fprintln(stdout, listener.Addr())
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return err
	}
	_ = stop() // what hangs is cut off
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.sessions.Close(ctx)
}
