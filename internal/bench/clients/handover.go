package clients

import (
	"context"
	"errors"
	"time"
)

// Handed is what hand-offs of a session took, in µs.
type Handed struct {
	FromCall   []float64 // from the call of Release to the waiter's Acquire that returned
	FromReturn []float64 // from its return
	Release    []float64 // the call of Release itself, which saves
}

// HandOver holds the session for a while and lets go, and adds how long it took
// until ask, which asks for it meanwhile, had it.
func (h *Handed) HandOver(ctx context.Context, holder Party, ask func(context.Context, string) (time.Time, error), cookie string, held time.Duration) error {
	type answer struct {
		at  time.Time
		err error
	}
	got := make(chan answer, 1)
	var begun, done time.Time
	err := holder.Hold(ctx, cookie, func(release func() error) error {
		go func() { // ends when the waiter has it, or fails
			at, err := ask(ctx, cookie)
			got <- answer{at, err}
		}()
		time.Sleep(held) // the waiter waits by then
		begun = time.Now()
		err := release()
		done = time.Now()
		return err
	})
	a := <-got
	if err := errors.Join(err, a.err); err != nil {
		return err
	}
	h.FromCall = append(h.FromCall, Microseconds(a.at.Sub(begun)))
	h.FromReturn = append(h.FromReturn, Microseconds(a.at.Sub(done)))
	h.Release = append(h.Release, Microseconds(done.Sub(begun)))
	return nil
}

// Add adds others.
func (h *Handed) Add(others *Handed) {
	h.FromCall = append(h.FromCall, others.FromCall...)
	h.FromReturn = append(h.FromReturn, others.FromReturn...)
	h.Release = append(h.Release, others.Release...)
}
