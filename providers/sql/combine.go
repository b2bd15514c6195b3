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
//     nobody for long: a batch gives up waiting for a lock after lockPatience,
//     and statements that do not return do not count after queuePatience.
type combiner struct {
	st    *Store
	limit int    // statements and batches under way, before others wait
	first string // what a batch begins with; may be empty

	mu      sync.Mutex
	running int
	queue   []*errand
	hurry   *time.Timer // set while queue is not empty: see overtime
}

// errand is a statement that may travel in company.
type errand struct {
	key  session.StoreKey
	sql  string
	args []any
	dest []any // where its row goes; not to be read before done

	done  chan struct{} // closed when it has been tried; nil if it was not queued
	batch *batch        // nil: still in the queue
	found bool          // a row was returned
	err   error         // it is not known to have been done
}

// batch is errands that are under way together.
type batch struct {
	errands []*errand
	waiting int // callers that are still there; the combiner's mu protects it
	cancel  context.CancelFunc
}

const (
	maxBatch      = 64
	queuePatience = 10 * time.Millisecond
	lockPatience  = "50ms"
)

// newCombiner returns a combiner that lets a process have as many statements
// under way as its processors can be busy with.
func newCombiner(st *Store, first string) *combiner {
	return &combiner{st: st, limit: max(2, runtime.GOMAXPROCS(0)), first: first}
}

// do makes the operation op: the errand e at first, perhaps in company, and if
// that has not returned a row, alone, in which conn.tried says that e is done.
func (b *combiner) do(ctx context.Context, op string, e *errand, alone func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return failed(op, err)
	}
	if !b.enqueue(e) {
		defer b.leave()
		return b.st.call(ctx, op, func(c *conn) error {
			found, err := c.row(e.sql, e.args, e.dest...)
			if err != nil || found {
				return err
			}
			return alone(c)
		})
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		b.abandon(e)
		return ended(ctx, op, b.st.shortage(), nil)
	}
	if e.err == nil && e.found {
		return nil
	}
	tried := e.err == nil
	return b.st.callAgain(ctx, op, e.err, func(c *conn) error {
		if !tried {
			found, err := c.row(e.sql, e.args, e.dest...)
			if err != nil || found {
				return err
			}
		}
		tried = false // should this attempt fail, the next one begins anew
		return alone(c)
	})
}

// enqueue has e wait for company, unless it can go at once.
func (b *combiner) enqueue(e *errand) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running < b.limit {
		b.running++
		return false
	}
	e.done = make(chan struct{})
	if b.queue = append(b.queue, e); len(b.queue) == 1 {
		b.hurry = time.AfterFunc(queuePatience, b.overtime)
	}
	return true
}

// overtime lets the queue go on when nothing that is under way has returned
// for a while.
func (b *combiner) overtime() {
	b.mu.Lock()
	b.running++
	b.mu.Unlock()
	b.leave()
}

// leave gives the place of a statement that has returned to those who wait.
func (b *combiner) leave() {
	if next := b.next(); next != nil {
		go b.run(next) // ends when nobody waits
	}
}

func (b *combiner) run(bt *batch) {
	for ; bt != nil; bt = b.next() {
		b.send(bt)
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
	if b.queue = slices.Delete(b.queue, 0, n); len(b.queue) > 0 {
		b.hurry = time.AfterFunc(queuePatience, b.overtime)
	}
	for _, e := range bt.errands {
		e.batch = bt
	}
	return bt
}

// abandon is for a caller who no longer waits: the errand is taken out of the
// queue, or, when nobody else waits for its batch either, that is ended.
func (b *combiner) abandon(e *errand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.batch == nil {
		b.queue = slices.DeleteFunc(b.queue, func(q *errand) bool { return q == e })
		return
	}
	if e.batch.waiting--; e.batch.waiting == 0 && e.batch.cancel != nil {
		time.AfterFunc(endGrace, e.batch.cancel)
	}
}

// send makes the errands of a batch, and tells their callers.
func (b *combiner) send(bt *batch) {
	ctx, cancel := b.st.limited(context.Background())
	defer cancel()
	b.mu.Lock()
	bt.cancel = cancel
	b.mu.Unlock()
	slices.SortStableFunc(bt.errands, func(x, y *errand) int { return bytes.Compare(x.key[:], y.key[:]) })
	err := b.exchange(ctx, bt)
	for _, e := range bt.errands {
		e.err = err
		close(e.done)
	}
}

func (b *combiner) exchange(ctx context.Context, bt *batch) error {
	db, err := b.st.connection(ctx)
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
	err = db.SendBatch(ctx, &all).Close()
	if err != nil && judge(err).broken {
		db.Conn().Close(ctx) // the pool drops it
	}
	return err
}
