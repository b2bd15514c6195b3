// Three services with one login: a gateway on chi with its sessions in memory, a
// shop on Gin in PostgreSQL, and account on Fiber in Azure Cosmos DB. From the
// repository's root:
//
//	go run ./examples/services
//
// starts all three, each in a process of its own, and the databases where the
// machine has them. README.md says more.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/launch"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// usage is what -h prints.
const usage = `usage: services [-addr address]   all services, and databases for them
       services gateway|account|shop   one of them, set up by its environment
       services keys                   new keys, as lines for docker-compose.yml's .env
       services health                 asks the service at ADDR whether it is ready

-addr is where the gateway listens: 127.0.0.1:8080 unless it says otherwise.
README.md has the environment variables.
`

// Exit codes, as flag's: a mistake in how the program was called is 2.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("services", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	addr := flags.String("addr", "127.0.0.1:8080", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil || flags.NArg() > 1:
		flags.Usage()
		return exitUsage
	}
	failed := func(err error) int {
		fmt.Fprintln(stderr, "services:", err)
		if errors.Is(err, errSettings) {
			return exitUsage
		}
		return exitFailed
	}
	var err error
	switch command := flags.Arg(0); {
	case command == "":
		var program string
		if program, err = os.Executable(); err == nil {
			err = launch.Run(ctx, launch.Options{Program: program, Addr: *addr, Environ: os.Environ(), Stdout: stdout})
		}
	case slices.Contains([]string{site.Gateway, site.Account, site.Shop}, command):
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if getenv(launch.WithParent) != "" {
			go func() { // until the parent has gone, or this process does
				_, _ = io.Copy(io.Discard, stdin)
				cancel()
			}()
		}
		err = runService(ctx, command, getenv, stdout)
	case command == "keys":
		err = printKeys(stdout)
	case command == "health":
		err = health(ctx, getenv)
	default:
		flags.Usage()
		return exitUsage
	}
	if err != nil {
		return failed(err)
	}
	return exitOK
}

// printKeys prints what docker-compose.yml reads from the file .env.
func printKeys(w io.Writer) error {
	keys, err := launch.NewKeys()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "ACCOUNT_SIGNING_KEY=%s\nACCOUNT_PUBLIC_KEYS=%s\nSHOP_SESSION_KEYS=%s\nPOSTGRES_PASSWORD=%s\n",
		keys.Signing, keys.Public, keys.Session, rand.Text())
	return err
}

// health is for containers, which have no other program to ask with.
func health(ctx context.Context, getenv func(string) string) error {
	_, port, err := net.SplitHostPort(getenv("ADDR"))
	if err != nil {
		return fmt.Errorf("%w: ADDR: %w", errSettings, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort("127.0.0.1", port)+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

// parseKeys is here so that a mistake in keys is one of settings.
func parseKeys(s *settings, name string) handover.Keys {
	keys, err := handover.ParseKeys(s.required(name))
	s.check(name, err)
	return keys
}
