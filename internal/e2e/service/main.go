// Service is a small service with sessions, for the program above it to start
// several times, to load and to maltreat. It counts in its clients' sessions, and
// keeps a journal of who holds which session when.
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
)

// options are the flags.
type options struct {
	store   string
	table   string
	journal string
	broken  string
	clocks  string
	faults  bool
	version int
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
	flag.StringVar(&o.store, "store", "", "`where` the sessions are, one of wire's names; its address is in the environment")
	flag.StringVar(&o.table, "table", "", "`name` of the table or container")
	flag.StringVar(&o.journal, "journal", "", "`file` of the journal")
	flag.StringVar(&o.broken, "break", "", "`how` to break the store")
	flag.StringVar(&o.clocks, "clocks", "", "`file` with what is added to the clocks")
	flag.BoolVar(&o.faults, "faults", false, "have some of the store's calls fail, before or after their effect, hang, or take their time")
	flag.IntVar(&o.version, "version", 0, "`number` of the version: it decides on codec and keys")
	flag.IntVar(&o.retries, "retries", 0, "how often the store repeats what fails; 0: its default, negative: never")
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
	if err := useClocks(o.clocks); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	journal, err := openJournal(o.journal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.close()) }()

	real, err := openStore(ctx, o)
	if err != nil {
		return err
	}
	defer real.close()
	store, err := breakStore(real.Store, o.broken)
	if err != nil {
		return err
	}
	noted, notes := observe(store, real.Store, journal)
	notes.OwnerIndex = breakOwners(notes.OwnerIndex, o.broken)
	sessions, err := session.New(noted, configure(session.Config{
		ID:             session.Cookie{Insecure: true},
		LockLease:      o.lease,
		AcquireTimeout: o.patient,
		StoreTimeout:   o.call,
		SaveTimeout:    o.save,
		ReapInterval:   5 * time.Second,

		MaxSessionsPerOwner: o.most,
		RefuseMoreSessions:  o.refuse,

		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}, o.version, o.broken == "unprepared"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(sessions, real, notes), ReadHeaderTimeout: time.Minute}
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
