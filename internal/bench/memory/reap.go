package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// key is that of the i-th session.
func key(i int) session.StoreKey { return sha256.Sum256(binary.AppendVarint(nil, int64(i))) }

// put stores a session of 300 bytes. It ends when it was idle for so long; 0 is
// the default, 20 minutes.
func put(ctx context.Context, st *memstore.Store, i, writes int, idle time.Duration) error {
	rec := session.Record{
		Data: make([]byte, text), IdleTimeout: 20 * time.Minute, Refresh: time.Minute, Lifetime: 24 * time.Hour,
		Write: session.NewWriteID(),
	}
	if idle > 0 {
		rec.IdleTimeout, rec.Refresh = idle, 0
	}
	if err := st.Create(ctx, key(i), rec, session.Token{}, 0); err != nil {
		return err
	}
	for range writes - 1 {
		before := rec.Write
		rec.Write = session.NewWriteID()
		if err := st.Swap(ctx, key(i), rec, before); err != nil {
			return err
		}
	}
	return nil
}

func fill(ctx context.Context, n, writes int, idle time.Duration) (*memstore.Store, error) {
	st := memstore.New()
	for i := range n {
		if err := put(ctx, st, i, writes, idle); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// reap measures what those who use the store notice while what has expired is
// removed: how long they take to load a session that has not. Beside it stands
// what they notice while somebody else computes, which is the machine's part.
func reap(ctx context.Context, progress io.Writer, p plan, report *figures.Report) error {
	const living = 1000 // that are asked for
	var removing, computing, longest, quiet []float64
	for round := range min(p.Rounds, 3) {
		fmt.Fprintf(progress, "reap: round %d, %d sessions expire\n", round+1, p.many)
		st, err := fill(ctx, p.many, 1, time.Microsecond)
		if err != nil {
			return err
		}
		for i := range living {
			if err := put(ctx, st, -1-i, 1, 0); err != nil {
				return err
			}
		}
		load := func() error {
			_, err := st.Load(ctx, key(-1-rand.IntN(living)), false)
			return err
		}
		var took time.Duration
		var failed error
		removed, err := during(func() {
			begun := time.Now()
			_, failed = st.Reap(ctx, "", -1, session.Token{}, 0)
			took = time.Since(begun)
		}, load)
		if err := errors.Join(err, failed); err != nil {
			return err
		}
		other, err := during(func() {
			var sum session.StoreKey
			for end := time.Now().Add(took); time.Now().Before(end); {
				sum = sha256.Sum256(sum[:])
			}
		}, load)
		if err != nil {
			return err
		}
		removing, computing = append(removing, removed...), append(computing, other...)
		longest = append(longest, figures.Quantile(removed, 1)/1000)

		// And with as many that are not due.
		if st, err = fill(ctx, p.many, 1, 0); err != nil {
			return err
		}
		for range 100 {
			begun := time.Now()
			if _, err := st.Reap(ctx, "", -1, session.Token{}, 0); err != nil {
				return err
			}
			quiet = append(quiet, clients.Microseconds(time.Since(begun)))
		}
	}
	w := report.Block("memory-reap")
	fmt.Fprintln(w, "| a Load of a session that lives on | times | p50 µs | p99.9 µs | longest ms |\n| --- | ---: | ---: | ---: | ---: |")
	row := func(name string, all []float64) {
		fmt.Fprintf(w, "| %s | %d | %.1f | %.1f | %.3f |\n", name, len(all), figures.Quantile(all, 0.5), figures.Quantile(all, 0.999), figures.Quantile(all, 1)/1000)
	}
	row(fmt.Sprintf("while %d expired sessions are removed", p.many), removing)
	row("while a loop computes and uses no store", computing)
	fmt.Fprintf(w, "\nA Reap that finds nothing due among %d sessions: %s µs (quartiles).\n", p.many, figures.SpreadOf(quiet).Text(1))
	report.Target(figures.Target{
		Rank: figures.ReapPause, What: fmt.Sprintf("Memory, a Load while %d sessions expire, 99.9th percentile", p.many),
		Want: 1, Got: figures.Only(figures.Quantile(removing, 0.999) / 1000), Unit: "ms", Digits: 3,
	})
	report.Target(figures.Target{
		Rank: figures.ReapPause, What: fmt.Sprintf("Memory, the longest Load while %d sessions expire", p.many),
		Want: 1, Got: figures.SpreadOf(longest), Unit: "ms", Digits: 3,
	})
	return nil
}

// during returns what each call of probe took, in µs, while work was going on.
func during(work func(), probe func() error) (took []float64, err error) {
	var done atomic.Bool
	go func() { // ends with work
		defer done.Store(true)
		work()
	}()
	for !done.Load() || len(took) == 0 {
		begun := time.Now()
		if err := probe(); err != nil {
			for !done.Load() { // it must not outlive this
				time.Sleep(time.Millisecond)
			}
			return nil, err
		}
		took = append(took, clients.Microseconds(time.Since(begun)))
	}
	return took, nil
}
