package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestS14_ExhaustedPool: who gets no connection is told so when the time is up,
// whatever the operation and however many there are, and goes on when there is
// one.
func TestS14_ExhaustedPool(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.storeAt(t, with(db.dsn, "pool_max_conns", "1"), sqlstore.Config{})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	taken, err := pool.Acquire(limit(t, 30*time.Second))
	must(t, err)
	release := sync.OnceFunc(taken.Release)
	defer release()

	const patience = 100 * time.Millisecond
	calls := map[string]func(ctx context.Context) error{
		"load":    func(ctx context.Context) error { _, err := st.Load(ctx, key, false); return err },
		"acquire": func(ctx context.Context) error { _, err := st.Acquire(ctx, key, session.NewToken(), lease); return err },
		"release": func(ctx context.Context) error { return st.Release(ctx, key, session.NewToken()) },
		"save": func(ctx context.Context) error {
			return st.Save(ctx, key, newRecord("1"), token, session.Commit{Keep: lease})
		},
		"touch":  func(ctx context.Context) error { return st.Touch(ctx, key) },
		"remove": func(ctx context.Context) error { return st.Remove(ctx, newKey(), session.NewToken(), 0) },
		"ping":   st.Ping,
	}
	var wg sync.WaitGroup
	for op, call := range calls {
		for range 8 { // more than go out alone
			wg.Go(func() {
				begun := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				err := call(ctx)
				late := time.Since(begun) - patience
				if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) ||
					!strings.HasPrefix(err.Error(), "sqlstore: "+op+": ") || !strings.Contains(err.Error(), "all 1 of the pool are in use") {
					t.Errorf("%s: %v", op, err)
				}
				if late < 0 || late > time.Second { // S14 says 100 ms, on a machine that is not busy
					t.Errorf("%s: returned %v after the end of its context", op, late)
				}
			})
		}
	}
	wg.Wait()

	release()
	ctx := limit(t, 30*time.Second)
	for op, call := range calls {
		if err := call(ctx); err != nil && op != "acquire" {
			t.Errorf("%s, with the connection back: %v", op, err)
		}
	}
	if got := data(t, st, key); got != "1" {
		t.Errorf("the session is %q", got)
	}
}

// TestS15_ExhaustedPoolWithoutDeadline: CommandTimeout bounds the wait of those
// who have set no deadline.
func TestS15_ExhaustedPoolWithoutDeadline(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.storeAt(t, with(db.dsn, "pool_max_conns", "1"), sqlstore.Config{CommandTimeout: 3 * time.Second})
	taken, err := pool.Acquire(limit(t, 30*time.Second))
	must(t, err)
	defer taken.Release()
	done := make(chan error, 1)
	go func() { done <- st.Ping(context.Background()) }()
	select {
	case err := <-done:
		if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "all 1 of the pool are in use") {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("hangs")
	}
}

// TestS14_ConnectionThatComesTooLate: who gets a connection when the time is up
// begins nothing with it: that would be cut off soon, and the connection with it,
// just when there are too few.
func TestS14_ConnectionThatComesTooLate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.storeAt(t, with(db.dsn, "pool_max_conns", "1"), sqlstore.Config{})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	for range 5 { // the connection must come within the grace
		taken, err := pool.Acquire(limit(t, 30*time.Second))
		must(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		saved := make(chan error, 1)
		go func() { // ends with ctx
			saved <- st.Save(ctx, key, newRecord("late"), token, session.Commit{Keep: lease})
		}()
		eventually(t, "the save waits for a connection", func() bool { return st.Busy() })
		cancel()
		taken.Release()
		if err := <-saved; !errors.Is(err, context.Canceled) {
			t.Errorf("a save that got its connection too late: %v", err)
		}
		if got := data(t, st, key); got != "0" {
			t.Fatalf("the session is %q", got)
		}
	}
}
