package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

const few = 1_000

// bareRead is what the server needs by itself.
const bareRead = "a bare SELECT of the same table"

// growth compares the store's part of a request with few and with many stored
// sessions, all of which are asked for. No expiry is written in either: with
// many, each session is asked for so seldom that it would be every time. One
// client asks: with more of them than processors the median would be that of
// their queue.
func growth(ctx context.Context, progress io.Writer, db *database, p plan, many int, report *figures.Report) error {
	var sizes []int
	for n := few; n < many; n *= 10 {
		sizes = append(sizes, n)
	}
	sizes = append(sizes, many)
	var all []*stored
	for _, n := range sizes {
		fmt.Fprintf(progress, "growth: stores %d sessions\n", n)
		s, err := db.stored(ctx, n)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.touchAll(ctx); err != nil {
			return err
		}
		all = append(all, s)
	}
	cpu, err := findProcessors(ctx, db.admin)
	if err != nil {
		return err
	}

	w := report.Block("sql-growth")
	fmt.Fprint(w, "| the store's part of a request, 300 B, one client: p50 µs with … sessions |")
	for _, n := range sizes {
		fmt.Fprintf(w, " %d |", n)
	}
	fmt.Fprintf(w, " most / fewest (quartiles) | processor time |\n| --- |%s ---: | ---: |\n", strings.Repeat(" ---: |", len(sizes)))
	picture := figures.Plot{
		Name: "growth-sql", Title: "The store's part of a request on PostgreSQL", X: "stored sessions", Y: "p50, µs", LogX: true,
	}
	for _, request := range []struct {
		name       string
		do         func(*stored) clients.Operation
		checkpoint bool
	}{
		{"Exclusive", func(s *stored) clients.Operation { return s.cycle }, false},
		{"read-only", func(s *stored) clients.Operation { return s.load }, true},
		{bareRead, func(s *stored) clients.Operation { return s.bare }, false},
		{"Exclusive, right after a checkpoint", func(s *stored) clients.Operation { return s.cycle }, true},
	} {
		fmt.Fprintln(progress, "growth:", request.name)
		if request.checkpoint {
			// From now on the first change of a page writes all of it, and
			// nobody who reads has to make room by writing what was changed.
			if _, err := db.admin.Exec(ctx, "CHECKPOINT"); err != nil {
				return err
			}
		}
		series := make([]*clients.Series, len(all))
		for i := range all {
			series[i] = new(clients.Series)
		}
		for range p.Rounds {
			for _, i := range rand.Perm(len(all)) {
				o, err := clients.Load(ctx, cpu.read, 1, sizes[i], p.Long, request.do(all[i]))
				if err != nil {
					return err
				}
				series[i].Rounds = append(series[i].Rounds, o)
			}
		}
		line := figures.Series{Name: request.name}
		fmt.Fprintf(w, "| %s |", request.name)
		for i, s := range series {
			fmt.Fprintf(w, " %s |", s.Spread(clients.Middle).Text(0))
			line.Add(float64(sizes[i]), s.Spread(clients.Middle))
		}
		first, last := series[0], series[len(series)-1]
		ratio := last.Ratio(first, clients.Middle)
		fmt.Fprintf(w, " %s | %s |\n", ratio.Text(2), last.Ratio(first, clients.Processor).Text(2))
		picture.Series = append(picture.Series, line)
		if request.name == bareRead {
			continue
		}
		what := fmt.Sprintf("PostgreSQL, p50 with %d stored sessions × with %d: %s", many, few, request.name)
		report.Target(figures.Target{Rank: figures.GrowthSQL, What: what, Want: 1.2, Got: ratio, Digits: 2})
	}
	report.Plot(picture)
	return nil
}

func (db *database) stored(ctx context.Context, n int) (*stored, error) {
	to, err := db.pool(ctx)
	if err != nil {
		return nil, err
	}
	s, err := storeRows(ctx, to, n, 20*time.Minute, time.Hour)
	if err != nil {
		to.Close()
	}
	return s, err
}

func (s *stored) bare(ctx context.Context, _, i int) error {
	key := s.key(i)
	var data []byte
	return s.place.QueryRow(ctx, "SELECT data FROM session_state WHERE id = $1", key[:]).Scan(&data)
}

// touchAll has every connection read the whole table and its key's index: the
// first time that a process of the server uses a page of the shared memory the
// system has to map it, which is over where a server has run for a while.
func (s *stored) touchAll(ctx context.Context) error {
	for _, c := range s.place.AcquireAllIdle(ctx) {
		_, err := c.Exec(ctx, `SELECT count(data) FROM session_state; SET enable_seqscan = off;
			SELECT count(id) FROM session_state WHERE id > ''; RESET enable_seqscan`, pgx.QueryExecModeSimpleProtocol)
		c.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
