// E2e proves what the library promises, from end to end: real processes of a
// small service on a real PostgreSQL, many clients, one hot session and many
// cool ones, while processes are killed and stopped, the database crashes and
// connections break.
//
//	go run ./internal/e2e [-time 60s] [-seed N] [-mode all|none|kill|stop|crash|network]
//
// Every client keeps a record of what it asked for and what it was told. At the
// end that is compared with what is stored: every increment that was confirmed
// is there, once; none that was refused for certain is; the history of each
// session is linearizable; no two requests have held a session at once, but for
// those whose lease had lapsed, of which nothing was stored; and the session of
// a process that died was free again within a lease. It prints a table and what
// is wrong, and its exit code is 1 if something is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

// servicePackage is the program that is tried.
const servicePackage = "github.com/sessionstate/sessionstate/internal/e2e/service"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from the first signal on, the default applies again
	os.Exit(program(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// program does what the program does and returns its exit code.
func program(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set := settings{table: "e2e", progress: stderr, long: 25}
	flags := flag.NewFlagSet("e2e", flag.ContinueOnError)
	flags.SetOutput(stderr)
	mode := flags.String("mode", "all", "what goes wrong: all, or one `mode` of the table")
	race := flags.Bool("race", false, "have the race detector watch the service")
	noSync := flags.Bool("nosync", false, "run PostgreSQL without fsync")
	flags.Uint64Var(&set.seed, "seed", rand.Uint64(), "what decides on all that is random")
	flags.DurationVar(&set.time, "time", 60*time.Second, "how `long` each mode takes")
	flags.DurationVar(&set.lease, "lease", 2*time.Second, "Config.LockLease of the service; other timeouts are in proportion")
	flags.DurationVar(&set.hold, "hold", 2*time.Millisecond, "how `long` an ordinary request holds its session at most")
	flags.DurationVar(&set.think, "think", 20*time.Millisecond, "how `long` a client waits between two requests at most")
	flags.IntVar(&set.clients, "clients", 64, "number of clients")
	flags.IntVar(&set.processes, "processes", 4, "number of processes")
	flags.IntVar(&set.cool, "cool", 200, "number of sessions beside the hot one")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2 // the flags have said why
	}
	if flags.NArg() > 0 || set.clients < 1 || set.processes < 1 || set.cool < 1 || set.time <= 0 || set.lease < 100*time.Millisecond || set.hold < 0 || set.think < 0 {
		fmt.Fprintln(stderr, "e2e: every number must be at least 1, a lease at least 100ms, and there are no arguments beside flags")
		return 2
	}
	var modes []fault
	for _, f := range faults() {
		if *mode == "all" || *mode == f.name {
			modes = append(modes, f)
		}
	}
	if modes == nil {
		fmt.Fprintf(stderr, "e2e: there is no mode %q\n", *mode)
		return 2
	}
	ok, err := runAll(ctx, set, modes, *race, *noSync, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "e2e: %v\n", err)
	}
	if err != nil || !ok {
		return 1
	}
	return 0
}

// runAll runs the modes one after the other, and prints the table.
func runAll(ctx context.Context, set settings, modes []fault, race, noSync bool, stdout io.Writer) (ok bool, err error) {
	fmt.Fprintf(set.progress, "e2e: seed %d; building the service and starting PostgreSQL\n", set.seed)
	dir, err := os.MkdirTemp("", "sessionstate-e2e-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if set.service, err = build(ctx, servicePackage, dir, race); err != nil {
		return false, err
	}
	server, err := postgres.Start(ctx, postgres.Options{NoSync: noSync})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	var results []*result
	for _, f := range modes {
		fmt.Fprintf(set.progress, "e2e: %s: %s\n", f.name, f.title)
		one := set
		one.mode, one.table = f.name, set.table+"_"+f.name
		res, failed := run(ctx, &one, server)
		if failed != nil {
			err = failed
			break // the table shows how far it got
		}
		results = append(results, res)
	}
	ok = len(results) == len(modes)
	printTable(stdout, &set, server.Version(), results)
	printReasons(stdout, results)
	for _, res := range results {
		if !res.ok() {
			ok = false
			fmt.Fprintf(stdout, "\n%s", res.explain())
		}
	}
	return ok, err
}

// build compiles a program of this repository and returns its path.
func build(ctx context.Context, pkg, dir string, race bool) (string, error) {
	path := filepath.Join(dir, filepath.Base(pkg))
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	if out, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}
