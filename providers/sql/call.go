package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
)

const (
	// endGrace is how long a statement that is under way may go on after its
	// caller's context has ended: most are done by then, so that the
	// connection survives and the outcome is known (M20). It leaves time to
	// return within the 100 ms of S14.
	endGrace = 50 * time.Millisecond

	firstPause = time.Millisecond // before the second attempt

	// lockPatience is how long a statement waits for a row that somebody else
	// has locked. Then it gives its connection back and is tried again, after
	// a pause as after a failure: an open transaction that keeps rows locked
	// could else take all connections of the pool, one for each who wants one
	// of them, from everybody else. It is less than endGrace, so that no
	// statement outlasts for long a caller who has left.
	lockPatience = "30ms"
)

// conn is a connection for the statements of one attempt.
type conn struct {
	db    *pgx.Conn
	ctx   context.Context // what statements run under
	asked context.Context // the caller's

	// repeated: an earlier attempt may have taken effect.
	repeated bool
}

// row runs a statement that returns at most one row, and scans it. It returns
// false if there was none.
func (c *conn) row(sql string, args []any, dest ...any) (found bool, err error) {
	err = c.db.QueryRow(c.ctx, sql, args...).Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// ended returns why the caller no longer waits, between two statements.
func (c *conn) ended() error { return c.asked.Err() }

// call makes an operation: it has do run its statements on a connection of the
// pool, and tries again what may pass (S15), until ctx ends. do returns the
// contract's errors as they are to be returned, but for the operation's name.
func (st *Store) call(ctx context.Context, op string, do func(*conn) error) error {
	return st.callAgain(ctx, op, nil, do)
}

// callAgain is call after a first attempt that failed otherwise, with last; nil
// if there was none, or it found nothing.
func (st *Store) callAgain(ctx context.Context, op string, last error, do func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return failed(op, err)
	}
	if st.closed.Load() {
		return unavailable(op, errClosed)
	}
	repeated := last != nil && judge(last).ambiguous
	begun, failures := time.Now(), 0
	for n := 0; ; n++ {
		err := st.attempt(ctx, repeated, do)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, session.ErrLocked):
			return err
		case contractual(err):
			return failed(op, err)
		case ctx.Err() != nil:
			return ended(ctx, op, err, last)
		}
		v := judge(err)
		switch {
		case !v.retry:
			return unavailable(op, err)
		case v.locked: // no failure, but a wait
			if most := st.cfg.CommandTimeout; most > 0 && time.Since(begun) >= most {
				return unavailable(op, err)
			}
		case failures >= st.cfg.MaxRetries:
			return unavailable(op, err)
		default:
			failures++
		}
		repeated = repeated || v.ambiguous
		last = err
		if !pause(ctx, n, st.cfg.RetryInterval) {
			return ended(ctx, op, ctx.Err(), last)
		}
	}
}

// attempt runs do once, on a connection of its own.
func (st *Store) attempt(ctx context.Context, repeated bool, do func(*conn) error) error {
	running, stop := st.running(ctx)
	defer stop()
	db, err := st.connection(running)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := ctx.Err(); err != nil { // too late to begin: it would soon be cut off, and the connection with it
		if short := st.shortage(); short != nil {
			return short
		}
		return err
	}
	err = do(&conn{db: db.Conn(), ctx: running, asked: ctx, repeated: repeated})
	switch {
	case err == nil:
	case errors.Is(context.Cause(running), errCommandTimeout):
		return errCommandTimeout
	case judge(err).broken:
		db.Conn().Close(running) // the pool drops it
	}
	return err
}

// connection takes a connection out of the pool. ctx is a limited one.
func (st *Store) connection(ctx context.Context) (*pgxpool.Conn, error) {
	db, err := st.pool.Acquire(ctx)
	if err == nil || ctx.Err() == nil {
		return db, err
	}
	if short := st.shortage(); short != nil {
		return nil, short
	}
	return nil, &shortageError{"no connection in time"}
}

// shortage returns why there is no connection to be had just now, nil if there
// is one.
func (st *Store) shortage() error {
	switch stat := st.pool.Stat(); {
	case stat.AcquiredConns() >= stat.MaxConns():
		return &shortageError{fmt.Sprintf("no connection became free: all %d of the pool are in use: "+
			"raise the pool's MaxConns", stat.MaxConns())}
	case stat.ConstructingConns() > 0 && stat.IdleConns() == 0:
		return &shortageError{"cannot connect in time: check the address, and that the server behind it answers"}
	}
	return nil
}

// shortageError is the failure of a call that got no connection in time, and
// so has sent nothing.
type shortageError struct{ text string }

// Error says why there was no connection.
func (e *shortageError) Error() string { return e.text }

// running returns the context of an attempt: it ends a little later than the
// caller's, and when CommandTimeout has passed.
func (st *Store) running(ctx context.Context) (context.Context, context.CancelFunc) {
	running, cancel := st.limited(context.WithoutCancel(ctx))
	if ctx.Done() == nil {
		return running, cancel
	}
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(endGrace, cancel) })
	return running, func() { stop(); cancel() }
}

// limited returns a context that ends with ctx or when CommandTimeout has passed.
func (st *Store) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if st.cfg.CommandTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, st.cfg.CommandTimeout, errCommandTimeout)
}

// ended is what a caller gets whose context has ended. What kept the call from
// being done before that is said too.
func ended(ctx context.Context, op string, err, last error) error {
	short := errors.As(err, new(*shortageError))
	switch {
	case short && last != nil:
		return fmt.Errorf("sqlstore: %s: %w: %w, after: %w", op, ctx.Err(), err, unavailable(op, last))
	case short:
		return fmt.Errorf("sqlstore: %s: %w: %w: %w", op, ctx.Err(), session.ErrUnavailable, err)
	case last != nil:
		return fmt.Errorf("sqlstore: %s: %w, after: %w", op, ctx.Err(), unavailable(op, last))
	}
	return failed(op, ctx.Err())
}

// pause waits before attempt n+1: about twice as long each time, up to most,
// and by chance shorter, so that those who failed together do not come back
// together. It returns false if ctx ends first.
func pause(ctx context.Context, n int, most time.Duration) bool {
	d := min(firstPause<<min(n, 20), most)
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
