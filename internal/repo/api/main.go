// Api says what has changed in the API of each published module since its last
// version, and which version may be the next:
//
//	go run ./internal/repo/api [core adapters/gin …]
//
// It fails if something has changed that no further version of the module may
// change. Tags say what is released; without any there is nothing to compare.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/sessionstate/sessionstate/internal/repo/apicheck"
	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"github.com/sessionstate/sessionstate/internal/repo/rehearsal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, ".", os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	limit := flags.Duration("time", 20*time.Minute, "give up after this time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("api: it took more than %s, see -time", *limit))
	defer cancel()
	root, err := publish.Root(dir)
	if err != nil {
		return err
	}
	copied, err := os.MkdirTemp("", "api-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(copied)
	cfg, err := rehearsal.Tree(ctx, root, copied, nil)
	if err != nil {
		return err
	}
	var failed []error
	compared := 0
	for _, m := range cfg.Modules {
		if flags.NArg() > 0 && !slices.Contains(flags.Args(), m.Dir) {
			continue
		}
		released, err := publish.Released(ctx, root, m.Dir)
		if err != nil {
			return err
		}
		base := publish.Latest(released)
		if base == "" {
			fmt.Fprintf(out, "%s: no release yet\n", m.Dir)
			continue
		}
		compared++
		report, err := apicheck.Suggest(ctx, apicheck.Config{Root: root, Dir: m.Dir, Base: base, Modules: cfg.Modules})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintf(out, "\n== %s since %s\n\n%s\n", m.Dir, base, report.Text)
		if report.Suggested == "" {
			failed = append(failed, fmt.Errorf("api: %s: no version may follow %s with these changes", m.Dir, base))
		}
	}
	if compared == 0 {
		fmt.Fprintln(out, "There is no release to compare with.")
	}
	return errors.Join(failed...)
}
