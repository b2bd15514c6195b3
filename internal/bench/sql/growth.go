package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	few, many = 1_000, 1_000_000

	// bareRead is what the server needs by itself.
	bareRead = "a bare SELECT of the same table"
)

// growth compares the store's part of a request with few and with many stored
// sessions, all of which are asked for. No expiry is written in either: with
// many, each session is asked for so seldom that it would be every time. One
// client asks: with more of them than processors the median would be that of
// their queue.
func growth(ctx context.Context, w, progress io.Writer, db *database, p plan, met *verdicts) error {
	small, err := db.stored(ctx, few)
	if err != nil {
		return err
	}
	defer small.close()
	fmt.Fprintf(progress, "growth: stores %d sessions\n", many)
	large, err := db.stored(ctx, many)
	if err != nil {
		return err
	}
	defer large.close()
	for _, s := range []*stored{small, large} {
		if err := s.touchAll(ctx); err != nil {
			return err
		}
	}
	cpu, err := findProcessors(ctx, db.admin)
	if err != nil {
		return err
	}

	fmt.Fprint(w, "\n### Growth: the store's part of a request, 300 B, one client\n\n")
	fmt.Fprintf(w, "| | p50 µs with %d sessions | with %d | many / few (quartiles) | processor time: many / few |\n| --- | ---: | ---: | ---: | ---: |\n", few, many)
	for _, request := range []struct {
		name       string
		do         func(*stored) operation
		checkpoint bool
	}{
		{"Exclusive", func(s *stored) operation { return s.cycle }, false},
		{"read-only", func(s *stored) operation { return s.load }, true},
		{bareRead, func(s *stored) operation { return s.bare }, false},
		{"Exclusive, right after a checkpoint", func(s *stored) operation { return s.cycle }, true},
	} {
		fmt.Fprintln(progress, "growth:", request.name)
		if request.checkpoint {
			// From now on the first change of a page writes all of it, and
			// nobody who reads has to make room by writing what was changed.
			if _, err := db.admin.Exec(ctx, "CHECKPOINT"); err != nil {
				return err
			}
		}
		both := []*series{{name: "few", do: request.do(small)}, {name: "many", do: request.do(large)}}
		of := []int{few, many}
		for range p.rounds {
			for _, i := range rand.Perm(2) {
				o, err := load(ctx, cpu, 1, of[i], p.long, both[i].do)
				if err != nil {
					return err
				}
				both[i].rounds = append(both[i].rounds, o)
			}
		}
		p50 := func(o outcome) float64 { return o.p50 }
		ratio := both[1].ratio(both[0], p50)
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %s | %s |\n", request.name,
			both[0].spread(p50).Median, both[1].spread(p50).Median, ratio.Text(2), both[1].ratio(both[0], processor).Text(2))
		if request.name == bareRead {
			continue
		}
		met.add("p50 with many stored sessions × few: "+request.name, ratio.Median, 1.2, false)
	}
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
