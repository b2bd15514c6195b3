// Hostile does to a service what strangers on the Internet do, over real HTTP on
// the loopback interface: it sends requests with random, forged, oversized,
// duplicated and crowded cookies, and it holds sessions up with bodies that do not
// come, replies that nobody reads and connections that vanish.
//
//	go run ./internal/e2e/hostile [-requests 1000000] [-slow 10s] [-adapters chi,gin,echo,fiber]
//
// The service runs in a process of its own, with its sessions in memory. The
// program reports what a hostile request costs beside one without a cookie, in
// processor time of the service; what memory it takes; and how long other users
// wait while somebody holds sessions up. Its exit code is 1 if a session was
// stored or a cookie given out, memory grew, or others were kept from going on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from the first signal on, the default applies again
	os.Exit(program(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings say what the program does.
type settings struct {
	requests int           // with hostile cookies, over all adapters
	slow     time.Duration // how long sessions are held up
	patience time.Duration // what may be added to times that a busy machine makes longer
	adapters []string
	self     string // the program that serves
	progress io.Writer
}

// program does what the program does and returns its exit code.
func program(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("hostile", flag.ContinueOnError)
	flags.SetOutput(stderr)
	set := settings{progress: stderr}
	flags.DurationVar(&set.patience, "patience", 1500*time.Millisecond, "how much `longer` than promised things may take on a busy machine")
	serve := flags.String("serve", "", "serve with that `adapter`, until the standard input ends")
	adapters := flags.String("adapters", strings.Join(adapterNames(), ","), "`names` of the adapters")
	flags.IntVar(&set.requests, "requests", 1_000_000, "number of hostile requests, over all adapters")
	flags.DurationVar(&set.slow, "slow", 10*time.Second, "how `long` slow clients hold sessions of each adapter; 0: not at all")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2 // the flags have said why
	}
	set.adapters = strings.Split(*adapters, ",")
	for _, name := range set.adapters {
		if frameworks()[name] == nil {
			fmt.Fprintf(stderr, "hostile: there is no adapter %q\n", name)
			return 2
		}
	}
	err := func() (err error) {
		if *serve != "" {
			return serveUntil(*serve, os.Stdin, stdout)
		}
		if set.self, err = os.Executable(); err != nil {
			return err
		}
		return attack(ctx, &set, stdout)
	}()
	if err != nil {
		fmt.Fprintf(stderr, "hostile: %v\n", err)
		return 1
	}
	return 0
}

// attack makes both attacks on each adapter, and prints a table of each.
func attack(ctx context.Context, set *settings, stdout io.Writer) error {
	var floods []*flood
	var holds []*holdUp
	for _, name := range set.adapters {
		fmt.Fprintf(set.progress, "hostile: %s: hostile cookies\n", name)
		f, err := floodWith(ctx, set, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		floods = append(floods, f)
		if set.slow <= 0 {
			continue
		}
		fmt.Fprintf(set.progress, "hostile: %s: slow clients\n", name)
		h, err := holdUpFor(ctx, set, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		holds = append(holds, h)
	}
	var errs []error
	printFloods(stdout, floods)
	for _, f := range floods {
		errs = append(errs, f.check())
	}
	if len(holds) > 0 {
		printHoldUps(stdout, holds)
	}
	for _, h := range holds {
		errs = append(errs, h.check())
	}
	return errors.Join(errs...)
}
