package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

const few, many = 1_000, 1_000_000

// growth compares the store's part of a request with few and with many stored
// sessions, all of which are asked for. No expiry is written in either: with
// many, each session is asked for so seldom that it would be every time.
func growth(ctx context.Context, w, progress io.Writer, db *database, p plan) error {
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
	cpu, err := findProcessors(ctx, db.admin)
	if err != nil {
		return err
	}

	fmt.Fprintf(w, "\n### Growth: the store's part of a request, 300 B, %d clients\n\n", conns)
	fmt.Fprintf(w, "| | p50 µs with %d sessions | with %d | many / few (quartiles) | processor time: many / few |\n| --- | ---: | ---: | ---: | ---: |\n", few, many)
	met := newVerdicts()
	for _, request := range []struct {
		name       string
		do         func(*stored) operation
		checkpoint bool
	}{
		{"Exclusive", func(s *stored) operation { return s.cycle }, false},
		{"read-only", func(s *stored) operation { return s.load }, true},
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
				o, err := load(ctx, cpu, conns, of[i], p.long, both[i].do)
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
		met.add("p50 with many stored sessions × few: "+request.name, ratio.Median, 1.2, false)
	}
	met.print(w)
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
