// Service is a small service with sessions in PostgreSQL, for the program above
// it to start several times, to load and to maltreat. It counts in its clients'
// sessions, and keeps a journal of who holds which session when.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// dsnVariable is where the DSN is: arguments can be seen by every user.
const dsnVariable = "E2E_DSN"

// options are the flags.
type options struct {
	table   string
	journal string
	broken  string
	retries int
	lease   time.Duration
	patient time.Duration
	call    time.Duration
	save    time.Duration
	most    int
	refuse  bool
}

func main() {
	var o options
	flag.StringVar(&o.table, "table", "", "`name` of the table")
	flag.StringVar(&o.journal, "journal", "", "`file` of the journal")
	flag.StringVar(&o.broken, "break", "", "`how` to break the store")
	flag.IntVar(&o.retries, "retries", 0, "sqlstore.Config.MaxRetries")
	flag.DurationVar(&o.lease, "lease", 0, "Config.LockLease")
	flag.DurationVar(&o.patient, "acquire-timeout", 0, "Config.AcquireTimeout")
	flag.DurationVar(&o.call, "store-timeout", 0, "Config.StoreTimeout")
	flag.DurationVar(&o.save, "save-timeout", 0, "Config.SaveTimeout")
	flag.IntVar(&o.most, "sessions-per-owner", 0, "Config.MaxSessionsPerOwner")
	flag.BoolVar(&o.refuse, "refuse-more", false, "Config.RefuseMoreSessions")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

// run serves until SIGTERM. Its first line of output is its URL.
func run(o *options) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	journal, err := openJournal(o.journal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.close()) }()

	opening, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	real, err := sqlstore.Open(opening, os.Getenv(dsnVariable), sqlstore.Config{Table: o.table, MaxRetries: o.retries})
	if err != nil {
		return err
	}
	defer real.Close()
	store, err := breakStore(real, o.broken)
	if err != nil {
		return err
	}
	sessions, err := session.New(&observed{
		Store: store, Watcher: real, OwnerIndex: breakOwners(real, o.broken), journal: journal, holders: make(map[session.Token]*visit),
	},
		session.Config{
			ID:             session.Cookie{Insecure: true},
			LockLease:      o.lease,
			AcquireTimeout: o.patient,
			StoreTimeout:   o.call,
			SaveTimeout:    o.save,

			MaxSessionsPerOwner: o.most,
			RefuseMoreSessions:  o.refuse,

			Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(sessions, journal), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }() // until Shutdown
	fmt.Printf("http://%s\n", listener.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(ending), sessions.Close(ending))
}
