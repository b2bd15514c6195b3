package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	session "github.com/sessionstate/sessionstate/core"
)

// combiner sends the statements of callers who come at the same time together:
// in one message, and as one transaction. While fewer statements are under way
// than limit says, a caller's goes out at once and alone. Those that come
// meanwhile wait for one of them to return, and then go as one batch. So under
// load a process makes fewer round trips, and the disk is waited for once for
// many, at no cost when there is no load.
//
// A batch cannot do harm that its statements alone could not:
//
//   - All statements are of the kind that changes one row or none, and those
//     of a batch are ordered by their rows' keys, so that two batches never
//     wait for each other.
//   - They are in a batch what they are alone: what they found is believed
//     when the transaction is committed, and if it fails, each of them is done
//     again alone, as repeats always may be (S6).
//   - Statements that must be durable never travel with those that switch the
//     wait for the disk off.
//   - Who is held up, say by a row that somebody else keeps locked, holds up
//     nobody for long: a statement gives up waiting for a lock after
//     lockPatience, and when nothing returns for queuePatience, one more may
//     be under way.
//   - Should this machine vanish while it sends a batch, the server, which has
//     begun with what it got, finds out soon: see the statement missPeer.
type combiner struct {
	st    *Store
	limit int    // statements and batches under way, before others wait
	first string // what a batch begins with; may be empty

	mu      sync.Mutex
	running int
	extra   int // by how many limit is exceeded, for those that do not return
	queue   []*errand
	hurry   *time.Timer // set while queue is not empty: see overtime
	hurries uint64      // how many there have been: the number of the present one
}

// errand is a statement that may travel in company.
type errand struct {
	key   session.StoreKey
	sql   string
	args  []any
	dest  []any // where its row goes; not to be read before done
	woken *bool // one of dest: somebody waits for the lock that was given up
	big   bool  // too big for company

	done  chan struct{} // closed when it has been tried; nil if it was not queued
	batch *batch        // nil: still in the queue
	found bool          // a row was returned
	err   error         // it is not known to have been done
}

// batch is errands that are under way together.
type batch struct {
	errands []*errand
	waiting int // callers that are still there; the combiner's mu protects it
	ctx     context.Context
	cancel  context.CancelFunc
}

const (
	maxBatch      = 64       // errands
	bigErrand     = 64 << 10 // bytes of data
	queuePatience = 10 * time.Millisecond
)

// newCombiner returns a combiner that lets a process have as many statements
// under way as its processors can be busy with, and enough in any case that
// who waits for one to return does not wait for long.
func newCombiner(st *Store, first string) *combiner {
	return &combiner{st: st, limit: max(4, runtime.GOMAXPROCS(0)), first: first}
}

// do makes the operation op: the errand e at first, perhaps in company, and if
// that has not returned a row, alone, beginning with what is to be done then.
func (b *combiner) do(ctx context.Context, op string, e *errand, alone func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return failed(op, err)
	}
	if e.big || !b.enqueue(e) {
		if !e.big {
			defer b.leave(time.Now())
		}
		return b.st.call(ctx, op, func(c *conn) error {
			found, err := b.st.try(c, e)
			if err != nil || found {
				return err
			}
			return alone(c)
		})
	}
	if err := b.await(ctx, op, e); err != nil {
		return err
	}
	if e.err == nil && e.found {
		return nil
	}
	tried := e.err == nil
	return b.st.callAgain(ctx, op, e.err, func(c *conn) error {
		if !tried {
			found, err := b.st.try(c, e)
			if err != nil || found {
				return err
			}
		}
		tried = false // should this attempt fail, the next one begins anew
		return alone(c)
	})
}

// try sends an errand alone, and wakes those who wait for what it has given up.
func (st *Store) try(c *conn, e *errand) (found bool, err error) {
	found, err = c.row(e.sql, e.args, e.dest...)
	if err == nil && found {
		st.report(e)
	}
	return found, err
}

// report wakes those who wait for what an errand has given up.
func (st *Store) report(e *errand) {
	if e.woken != nil && *e.woken {
		st.wake(e.key)
	}
}

// await returns when e has been tried, or with an error when its caller's
// context has ended: at once if it is still in the queue, or else when it had
// endGrace to be done.
func (b *combiner) await(ctx context.Context, op string, e *errand) error {
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
	}
	if !b.withdraw(e) {
		grace := time.NewTimer(endGrace)
		defer grace.Stop()
		select {
		case <-e.done:
			return nil
		case <-grace.C:
			b.abandon(e)
		}
	}
	return ended(ctx, op, b.st.shortage(), nil)
}

// enqueue has e wait for company, unless it can go at once.
func (b *combiner) enqueue(e *errand) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running < b.limit+b.extra {
		b.running++
		return false
	}
	e.done = make(chan struct{})
	if b.queue = append(b.queue, e); len(b.queue) == 1 {
		b.beginHurry()
	}
	return true
}

// beginHurry has overtime called when nothing has returned for queuePatience.
// The caller holds mu.
func (b *combiner) beginHurry() {
	b.hurries++
	n := b.hurries
	b.hurry = time.AfterFunc(queuePatience, func() { b.overtime(n) })
}

// overtime lets the queue go on when nothing that is under way has returned
// for a while. A timer that was overtaken, or whose queue has gone, adds no
// place: nobody would take it back.
func (b *combiner) overtime(n uint64) {
	b.mu.Lock()
	if b.hurries != n || len(b.queue) == 0 {
		b.mu.Unlock()
		return
	}
	b.running++
	b.extra++
	b.mu.Unlock()
	if next := b.next(); next != nil {
		b.run(next) // in the timer's goroutine; ends when nobody waits
	}
}

// leave gives the place of a statement that has returned to those who wait. It
// began at began.
func (b *combiner) leave(began time.Time) {
	b.returned(began)
	if next := b.next(); next != nil {
		go b.run(next) // ends when nobody waits
	}
}

// returned takes the place back that was added for a statement that did not
// return for long.
func (b *combiner) returned(began time.Time) {
	if time.Since(began) < queuePatience {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.extra = max(b.extra-1, 0)
}

func (b *combiner) run(bt *batch) {
	for ; bt != nil; bt = b.next() {
		began := time.Now()
		b.send(bt)
		b.returned(began)
	}
}

// next returns the next batch, or gives up the place if nobody waits.
func (b *combiner) next() *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hurry != nil {
		b.hurry.Stop()
		b.hurry = nil
	}
	n := min(len(b.queue), maxBatch)
	if n == 0 {
		b.running--
		return nil
	}
	bt := &batch{errands: slices.Clone(b.queue[:n]), waiting: n}
	bt.ctx, bt.cancel = b.st.limited(b.st.ctx)
	if b.queue = slices.Delete(b.queue, 0, n); len(b.queue) > 0 {
		b.beginHurry()
	}
	for _, e := range bt.errands {
		e.batch = bt
	}
	return bt
}

// withdraw takes an errand out of the queue. It returns false if it is under
// way.
func (b *combiner) withdraw(e *errand) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.batch != nil {
		return false
	}
	b.queue = slices.DeleteFunc(b.queue, func(q *errand) bool { return q == e })
	return true
}

// abandon is for a caller who no longer waits for an errand that is under way.
// If nobody waits for its batch, that is ended.
func (b *combiner) abandon(e *errand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.batch.waiting--; e.batch.waiting == 0 {
		e.batch.cancel()
	}
}

// send makes the errands of a batch, and tells their callers.
func (b *combiner) send(bt *batch) {
	defer bt.cancel()
	slices.SortStableFunc(bt.errands, func(x, y *errand) int { return bytes.Compare(x.key[:], y.key[:]) })
	err := b.exchange(bt)
	for _, e := range bt.errands {
		e.err = err
		if err == nil && e.found {
			b.st.report(e) // here, since its caller may have gone
		}
		close(e.done)
	}
}

func (b *combiner) exchange(bt *batch) error {
	db, err := b.st.connection(bt.ctx)
	if err != nil {
		return err
	}
	defer db.Release()
	var all pgx.Batch
	if b.first != "" {
		all.Queue(b.first)
	}
	for _, e := range bt.errands {
		all.Queue(e.sql, e.args...).QueryRow(func(row pgx.Row) error {
			err := row.Scan(e.dest...)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			e.found = err == nil
			return err
		})
	}
	err = db.SendBatch(bt.ctx, &all).Close()
	if err != nil && judge(err).broken {
		db.Conn().Close(bt.ctx) // the pool drops it
	}
	return err
}
