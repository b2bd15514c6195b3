package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// server is one kind of server that tests need. Each has a file of its own, and
// a place in servers.
type server struct {
	name     string   // of its flag
	title    string   // as people call it
	variable string   // the environment variable with its address
	needs    []string // names of servers before it in the list
	optional bool     // tests can do without it

	// refuses, if there is one, says why a server of somebody's own, which
	// the variable names, is not the one that was asked for.
	refuses func() error

	// start starts it and returns its address, a word on what was started,
	// and what stops it. The variables of the servers before it are in vars,
	// to which it may add what the command must know besides its address.
	// Progress of what takes long goes to w.
	start func(ctx context.Context, w io.Writer, vars map[string]string) (address, what string, stop func() error, err error)
}

// servers returns all there are, in the order in which they start. PostgreSQL is
// of the major version if that is not zero when it starts.
func servers(major *int) []server {
	return []server{postgresServer(major), pgbouncerServer(), cosmosServer()}
}

// running is the servers that were started.
type running struct {
	vars   map[string]string // for the command
	stops  []func() error
	stderr io.Writer
}

// start starts servers, except those whose variable is set. It ends early with
// a signal, which it then returns.
func (r *running) start(signals <-chan os.Signal, list []server) (os.Signal, error) {
	ctx, stop := interruptible(signals)
	err := r.startAll(ctx, list)
	if sig := stop(); sig != nil {
		return sig, nil
	}
	return nil, err
}

func (r *running) startAll(ctx context.Context, list []server) error {
	for _, s := range list {
		if address := os.Getenv(s.variable); address != "" {
			if s.refuses != nil {
				if err := s.refuses(); err != nil {
					return err
				}
			}
			r.vars[s.variable] = address
			fmt.Fprintf(r.stderr, "servers: %s is the one that %s names\n", s.title, s.variable)
			continue
		}
		address, what, stop, err := s.start(ctx, r.stderr, r.vars)
		if err != nil && s.optional && ctx.Err() == nil {
			fmt.Fprintf(r.stderr, "servers: WITHOUT %s, so its tests are skipped: %v\n", s.title, err)
			continue
		}
		if err != nil {
			return err
		}
		r.stops = append(r.stops, stop)
		r.vars[s.variable] = address
		fmt.Fprintf(r.stderr, "servers: %s runs\n", what)
	}
	return nil
}

// stop stops the servers, the last one first.
func (r *running) stop() (err error) {
	for _, stop := range slices.Backward(r.stops) {
		err = errors.Join(err, stop())
	}
	return err
}

// exports returns the variables as lines for a shell.
func (r *running) exports() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.vars)) {
		fmt.Fprintf(&b, "export %s=%s\n", name, quoted(r.vars[name]))
	}
	return b.String()
}
