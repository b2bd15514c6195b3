// Package serve starts and ends an example: its flags, its store, its Manager,
// its address, and a shutdown that loses nothing.
package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/internal/telemetry"
)

// Server is what a framework serves with. *http.Server is one.
type Server interface {
	// Serve answers requests until Shutdown is called.
	Serve(l net.Listener) error
	// Shutdown lets no new request in and returns when the last one has been
	// answered, or when ctx ends.
	Shutdown(ctx context.Context) error
}

// Build makes an example's server, with the shop's routes on its framework.
type Build func(sessions *session.Manager, sh *shop.Shop) Server

// Timeouts that a server needs that is open to strangers.
const (
	ReadTimeout = 15 * time.Second // for a whole request
	IdleTimeout = 2 * time.Minute  // between two of them
)

// HTTP returns a net/http server with these timeouts, and a span for each
// request.
func HTTP(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           telemetry.Handler(h),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       ReadTimeout,
		IdleTimeout:       IdleTimeout,
		// No WriteTimeout: a request may wait for its session, and
		// Config.AcquireTimeout says for how long.
	}
}

// Exit codes, as flag's: a mistake in how the program was called is 2.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

// shutdownTimeout is how long the requests that are under way get to end.
const shutdownTimeout = 15 * time.Second

// Main runs an example until SIGINT or SIGTERM and returns its exit code. A
// second signal ends it at once.
func Main(build Build) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from the first signal on, the default applies again
	return Run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr, build)
}

// Run is Main with everything that it takes from its process. It ends when ctx
// does.
func Run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer, build Build) int {
	flags := flag.NewFlagSet("shop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on")
	delay := flags.Duration("delay", 200*time.Millisecond, "how long one update in the lab takes")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: shop [flags]\n\nSESSION_STORE says where the sessions are:"+StoreHelp+"\n\n"+telemetry.Help+"\n\nflags:")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage // Parse has said why
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "shop: %q is not a flag\n", flags.Arg(0))
		flags.Usage()
		return exitUsage
	}

	sh, err := shop.New(shop.Config{Delay: *delay})
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	observer, stopTelemetry, err := telemetry.Start(getenv("SESSION_TELEMETRY"), stdout)
	if err != nil {
		fmt.Fprintln(stderr, "shop:", err)
		return exitUsage
	}
	store, closeStore, err := OpenStore(ctx, "SESSION_STORE", getenv("SESSION_STORE"))
	if err != nil {
		_ = stopTelemetry(ctx) // there is nothing to tell
		fmt.Fprintln(stderr, "shop:", err)
		return exitUsage
	}
	defer closeStore() // after the Manager, which serve closes
	err = serve(ctx, *addr, store, observer, sh, stdout, build)
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := errors.Join(err, ended(stopTelemetry(down), "telemetry")); err != nil {
		fmt.Fprintln(stderr, "shop:", err)
		return exitFailed
	}
	return exitOK
}

func serve(ctx context.Context, addr string, store session.Store, observer session.Observer, sh *shop.Shop, stdout io.Writer, build Build) error {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another program: choose another address with -addr", addr)
	}
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer l.Close()

	// Only plain http on this machine does without Secure. On any other
	// address a proxy with TLS must stand in front.
	loopback := isLoopback(l.Addr())
	sessions, err := session.New(store, session.Config{ID: session.Cookie{Insecure: loopback}, Observer: observer})
	if err != nil {
		return err
	}
	server := build(sessions, sh)

	fmt.Fprintf(stdout, "shop: http://%s/ (Ctrl-C ends it)\n", l.Addr())
	if !loopback {
		fmt.Fprintln(stdout, "shop: others can reach this address, so browsers get a Secure cookie: put a proxy with TLS in front")
	}

	return Until(ctx, l, server, sessions, func() {
		fmt.Fprintln(stdout, "shop: ending, after the requests that are under way")
	})
}

// Until serves until ctx ends, calls ending, and then ends the server and its
// sessions so that nothing is lost of the requests that are under way.
func Until(ctx context.Context, l net.Listener, server Server, sessions *session.Manager, ending func()) (err error) {
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }() // ends with Shutdown, or by itself if it fails
	select {
	case err = <-served:
		err = fmt.Errorf("cannot serve: %w", err)
	case <-ctx.Done():
		ending()
	}

	// First the server, so that every request that was let in is answered and
	// saved; then the Manager that they use. The other way round they would
	// be told that it is closed.
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(err, ended(server.Shutdown(down), "requests"), ended(sessions.Close(down), "sessions"))
}

func ended(err error, what string) error {
	if err != nil {
		return fmt.Errorf("the %s did not end in time: %w", what, err)
	}
	return nil
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
