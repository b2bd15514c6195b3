// Ender is one of several processes that tell of the ends of the sessions in
// one table. It keeps a journal of what it claims and of what it tells, which
// survives it, and ends with SIGTERM.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// number is what each session holds, and what is told of it.
var number = session.NewKey[int](wire.Number)

// options are the flags.
type options struct {
	table   string
	journal string
	broken  string
	lease   time.Duration
	takes   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.table, "table", "", "`name` of the table")
	flag.StringVar(&o.journal, "journal", "", "`file` of the journal")
	flag.StringVar(&o.broken, "break", "", "`how` to break the store")
	flag.DurationVar(&o.lease, "lease", 0, "Config.LockLease")
	flag.DurationVar(&o.takes, "takes", 0, "how `long` OnEnd takes")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "ender:", err)
		os.Exit(1)
	}
}

// run tells of ends until SIGTERM. Its first line of output says that it begins.
func run(o *options) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	file, err := os.OpenFile(o.journal, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	j := &journal{file: file}
	defer func() { err = errors.Join(err, j.close()) }()
	opening, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	store, err := sqlstore.Open(opening, os.Getenv("E2E_DSN"), sqlstore.Config{Table: o.table, Schema: sqlstore.SchemaVerify})
	if err != nil {
		return err
	}
	defer store.Close()
	broken, err := breakStore(store, o.broken)
	if err != nil {
		return err
	}
	sessions, err := session.New(&observed{broken, j}, session.Config{
		LockLease:    o.lease,
		ReapInterval: 100 * time.Millisecond,
		OnEnd:        func(ctx context.Context, e session.Ended) error { return tell(ctx, j, e, o.takes) },
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return sessions.Close(ending)
}

// tell is OnEnd. What it does besides the journal takes a while, in which its
// process may die.
func tell(ctx context.Context, j *journal, e session.Ended, takes time.Duration) error {
	if e.Err != nil {
		return e.Err
	}
	n, err := number.Get(e.Session)
	if err != nil {
		return err
	}
	end := wire.End{
		Kind: wire.Begun, Key: fmt.Sprintf("%x", e.Key), Token: fmt.Sprintf("%x", e.Token),
		Number: n, Attempt: e.Attempt, Reason: e.Reason.String(), Owner: e.Owner,
	}
	j.write(end)
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	end.Kind = wire.Told
	j.write(end)
	return nil
}

// observed is a store that notes what is claimed.
type observed struct {
	session.Store
	journal *journal
}

func (o *observed) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	ends, err := o.Store.Reap(ctx, namespace, limit, token, lease)
	for _, e := range ends {
		o.journal.write(wire.End{Kind: wire.Claimed, Key: fmt.Sprintf("%x", e.Key), Attempt: e.Attempts})
	}
	return ends, err
}

// journal is a file. A line is one write, so that whatever SIGKILL interrupts,
// all lines but the last are whole.
type journal struct {
	mu   sync.Mutex
	file *os.File
	err  error // the first
}

func (j *journal) write(e wire.End) {
	line, err := json.Marshal(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	j.err = errors.Join(j.err, err)
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.err, j.file.Close())
}
