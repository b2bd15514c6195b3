package sqlstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestCombiner_OvertimeAddsNoPlaceForNobody: a place that is added where
// nothing hangs would stay for good, and batches would form later and later.
func TestCombiner_OvertimeAddsNoPlaceForNobody(t *testing.T) {
	full := func(st *Store) *combiner {
		b := newCombiner(st, "")
		for range b.limit {
			if b.enqueue(&errand{}) {
				t.Fatal("a statement waits though there is a place")
			}
		}
		return b
	}
	wantLimit := func(b *combiner, what string) {
		t.Helper()
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.running != b.limit || b.extra != 0 {
			t.Errorf("%s: %d under way and %d places added, want %d and 0", what, b.running, b.extra, b.limit)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		b := full(&Store{})
		e := &errand{}
		if !b.enqueue(e) || !b.withdraw(e) {
			t.Fatal("a statement over the limit does not wait")
		}
		time.Sleep(2 * queuePatience)
		synctest.Wait()
		wantLimit(b, "the queue has gone")
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b := full(&Store{ctx: ctx})
		b.enqueue(&errand{})
		overtaken := b.hurries
		b.next().cancel() // a statement has returned; its place goes to the batch
		b.enqueue(&errand{})
		b.overtime(overtaken)
		wantLimit(b, "the timer was overtaken")
		b.hurry.Stop()
	})
}
