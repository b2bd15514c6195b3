// E2e proves what the library promises, from end to end: real processes of a
// small service, many clients, one hot session and many cool ones, with the
// sessions in memory, in PostgreSQL or in Cosmos DB, while processes are killed,
// stopped, paused and replaced, their clocks are wrong, the database crashes, runs
// out of disk or refuses work, and connections break.
//
//	go run ./internal/e2e [-time 60s] [-seed N] [-store all|memory|postgres|cosmos] [-fault all|none|kill|…]
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

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
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
	store := flags.String("store", "all", "where the sessions are: all, memory, postgres or cosmos")
	mode := flags.String("fault", "all", "what goes wrong: all, one `fault` of the table, or soak: nothing, for long")
	race := flags.Bool("race", false, "have the race detector watch the service")
	noSync := flags.Bool("nosync", false, "run PostgreSQL without fsync")
	flags.Uint64Var(&set.seed, "seed", rand.Uint64(), "what decides on all that is random")
	flags.DurationVar(&set.time, "time", 60*time.Second, "how `long` each line of the table takes")
	total := flags.Duration("total", 0, "how `long` all lines take together, in place of -time")
	flags.DurationVar(&set.lease, "lease", 2*time.Second, "Config.LockLease of the service; other timeouts are in proportion")
	flags.DurationVar(&set.hold, "hold", 2*time.Millisecond, "how `long` an ordinary request holds its session at most")
	flags.DurationVar(&set.think, "think", 20*time.Millisecond, "how `long` a client waits between two requests at most")
	flags.IntVar(&set.clients, "clients", 64, "number of clients; a quarter of it with Cosmos DB, whose server is slow")
	flags.IntVar(&set.processes, "processes", 4, "number of processes; one of them with the sessions in memory")
	flags.IntVar(&set.cool, "cool", 200, "number of sessions beside the hot one; a quarter of it with Cosmos DB")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2 // the flags have said why
	}
	if flags.NArg() > 0 || set.clients < 1 || set.processes < 1 || set.cool < 1 || set.time <= 0 || set.lease < 100*time.Millisecond || set.hold < 0 || set.think < 0 {
		fmt.Fprintln(stderr, "e2e: every number must be at least 1, a lease at least 100ms, and there are no arguments beside flags")
		return 2
	}
	rows := rowsOf(*store, *mode)
	if rows == nil {
		fmt.Fprintf(stderr, "e2e: there is no fault %q of store %q\n", *mode, *store)
		return 2
	}
	if *total > 0 {
		set.time = max(*total/time.Duration(len(rows))-overhead, time.Second)
	}
	t := &torture{set: set, race: *race, noSync: *noSync}
	ok, err := t.run(ctx, rows, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "e2e: %v\n", err)
	}
	if err != nil || !ok {
		return 1
	}
	return 0
}

// overhead is what a line takes beside its time, about: processes start and end,
// and answer those who still wait.
const overhead = 5 * time.Second

// row is a line of the table.
type row struct {
	store string
	fault fault
}

// rowsOf returns the lines that were asked for.
func rowsOf(store, mode string) (rows []row) {
	for _, s := range []string{wire.Memory, wire.PostgreSQL, wire.Cosmos} {
		list := faults()
		if mode == faultSoak { // which is not among all: it takes long
			list = []fault{soakFault(wire.Memory, wire.PostgreSQL, wire.Cosmos)}
		}
		for _, f := range list {
			if (store == "all" || store == s) && (mode == "all" || mode == f.name) && f.on(s) {
				rows = append(rows, row{s, f})
			}
		}
	}
	return rows
}

// build compiles a program of this repository and returns its path.
func build(ctx context.Context, pkg, dir string, flags ...string) (string, error) {
	path := filepath.Join(dir, filepath.Base(pkg))
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}
