package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	"github.com/sessionstate/sessionstate/internal/servers/cosmos"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

// torture is several runs, one after the other, with what they share.
type torture struct {
	set     settings
	race    bool
	noSync  bool
	clocked string // the service whose clocks can be set
	on      servers
}

// run makes a line for each row, and prints the table.
func (t *torture) run(ctx context.Context, rows []row, stdout io.Writer) (ok bool, err error) {
	fmt.Fprintf(t.set.progress, "e2e: seed %d; building the service and starting servers\n", t.set.seed)
	dir, err := os.MkdirTemp("", "sessionstate-e2e-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	defer func() { err = errors.Join(err, t.on.close()) }()
	if err := t.prepare(ctx, rows, dir); err != nil {
		return false, err
	}
	var results []*result
	var left []string
	for _, r := range rows {
		fmt.Fprintf(t.set.progress, "e2e: %s, %s: %s\n", r.store, r.fault.name, r.fault.title)
		res, failed := t.one(ctx, r)
		if errors.Is(failed, errNoDisk) {
			left = append(left, fmt.Sprintf("%s, %s: %v", r.store, r.fault.name, failed))
			continue
		}
		if failed != nil {
			err = failed
			break // the table shows how far it got
		}
		results = append(results, res)
	}
	ok = len(results)+len(left) == len(rows)
	printTable(stdout, &t.set, t.on.describe(), results)
	printTrends(stdout, results)
	for _, text := range left {
		fmt.Fprintf(stdout, "\nNOT TRIED: %s\n", text)
	}
	printReasons(stdout, results)
	for _, res := range results {
		if !res.ok() {
			ok = false
			fmt.Fprintf(stdout, "\n%s", res.explain())
		}
	}
	return ok, err
}

// prepare builds and starts what the rows need.
func (t *torture) prepare(ctx context.Context, rows []row, dir string) (err error) {
	var flags []string
	if t.race {
		flags = []string{"-race"}
	}
	if t.set.service, err = build(ctx, servicePackage, dir, flags...); err != nil {
		return err
	}
	needs := func(is func(row) bool) bool { return slices.ContainsFunc(rows, is) }
	if needs(func(r row) bool { return r.fault.clocks() }) {
		clocked, err := os.MkdirTemp(dir, "")
		if err != nil {
			return err
		}
		if t.clocked, err = buildClocked(ctx, clocked); err != nil {
			return err
		}
	}
	if needs(func(r row) bool { return r.store == wire.PostgreSQL }) {
		if t.on.postgres, err = postgres.Start(ctx, postgres.Options{NoSync: t.noSync}); err != nil {
			return err
		}
	}
	if needs(func(r row) bool { return r.store == wire.Cosmos }) {
		t.on.cosmos, err = cosmos.Start(ctx, t.set.progress)
	}
	return err
}

// one makes one line.
func (t *torture) one(ctx context.Context, r row) (_ *result, err error) {
	set := t.set.of(r, t.clocked)
	on := t.on
	if r.fault.name == faultDisk {
		if on.disk, err = newDisk(); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, on.disk.close()) }()
		if on.postgres, err = on.disk.startOn(ctx); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, on.postgres.Close()) }()
	}
	return run(ctx, &set, &on)
}

// of returns the settings of a line.
func (s *settings) of(r row, clocked string) settings {
	one := *s
	one.store, one.mode, one.table = r.store, r.fault.name, s.table+"_"+r.fault.name
	if r.fault.clocks() {
		one.clocked = clocked
	}
	switch r.store {
	case wire.Memory:
		one.processes = 1
		one.failing = r.fault.name == faultNetwork
	case wire.Cosmos:
		one.processes = min(s.processes, 3)
		one.clients, one.cool = max(1, s.clients/4), max(1, s.cool/4)
	}
	return one
}

// close stops the servers.
func (s *servers) close() (err error) {
	if s.postgres != nil {
		err = s.postgres.Close()
	}
	if s.cosmos != nil {
		err = errors.Join(err, s.cosmos.Close())
	}
	return err
}

// describe names the servers.
func (s *servers) describe() string {
	text := "Memory"
	if s.postgres != nil {
		text += ", PostgreSQL " + s.postgres.Version()
	}
	if s.cosmos != nil {
		text += ", @vercel/cosmosdb-server"
	}
	return text
}
