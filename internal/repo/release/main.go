// Release prepares a release of modules of this repository, on the branch main
// of this clone, and never pushes:
//
//	go run ./internal/repo/release -version v0.1.0 -module core
//	go run ./internal/repo/release -version v0.1.0 -module all -n
//
// It moves what CHANGELOG.md has under Unreleased to the version, has the other
// modules require it, rehearses what users will do with it (package rehearsal),
// compares its API with that of the last version (package apicheck), and only
// then commits to main and tags, core first. With -n it does all but the last.
// RELEASING.md says what to do before and after.
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

	"github.com/sessionstate/sessionstate/internal/repo/apicheck"
	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"github.com/sessionstate/sessionstate/internal/repo/rehearsal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "the version to release, such as v0.1.0")
	modules := flags.String("module", "", "folders of the modules, such as core or \"adapters/chi adapters/gin\", or all")
	dry := flags.Bool("n", false, "do everything but change this clone")
	public := flags.Bool("public", false, "after the push: check that what is public is what was rehearsed, and unpin it in go.work")
	remote := flags.String("remote", "origin", "the remote whose tags count as well; \"\": none")
	limit := flags.Duration("time", 30*time.Minute, "give up after this time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("release: it took more than %s, see -time", *limit))
	defer cancel()
	root, err := publish.Root(".")
	if err != nil {
		return err
	}
	r := &releaser{
		root:     root,
		version:  *version,
		modules:  strings.Fields(strings.ReplaceAll(*modules, ",", " ")),
		dry:      *dry,
		remote:   *remote,
		date:     time.Now().UTC(),
		rehearse: rehearsal.Run,
		suggest:  apicheck.Suggest,
		log:      func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) },
	}
	if *public {
		return r.public(ctx)
	}
	return r.release(ctx)
}
