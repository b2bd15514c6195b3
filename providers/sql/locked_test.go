package sqlstore_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestLockedRow_KeepsNoConnections: however many callers want a row that
// somebody else keeps locked, whatever they want of it, the pool's connections
// are there for all others; and when the row is free they get it.
func TestLockedRow_KeepsNoConnections(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	quick := sqlstore.Config{RetryInterval: 50 * time.Millisecond, MaxRetries: -1} // to wait is no failure
	for op, call := range map[string]func(st *sqlstore.Store, key, target session.StoreKey, token session.Token) error{
		"Acquire": func(st *sqlstore.Store, key, _ session.StoreKey, _ session.Token) error {
			_, err := st.Acquire(limit(t, lease), key, session.NewToken(), lease)
			if errors.Is(err, session.ErrLocked) {
				return nil
			}
			return err
		},
		"Save": func(st *sqlstore.Store, key, _ session.StoreKey, token session.Token) error {
			return st.Save(limit(t, lease), key, newRecord("1"), token, session.Commit{Keep: lease})
		},
		"Save of much": func(st *sqlstore.Store, key, _ session.StoreKey, token session.Token) error {
			return st.Save(limit(t, lease), key, newRecord(random(100<<10)), token, session.Commit{Keep: lease})
		},
		"Save, MoveTo": func(st *sqlstore.Store, key, target session.StoreKey, token session.Token) error {
			err := st.Save(limit(t, lease), key, newRecord("1"), token, session.Commit{Keep: lease, MoveTo: target})
			if errors.Is(err, session.ErrLockLost) { // one of them moves it
				return nil
			}
			return err
		},
		"Create": func(st *sqlstore.Store, key, _ session.StoreKey, _ session.Token) error {
			err := st.Create(limit(t, lease), key, newRecord("1"), session.Token{}, 0)
			if errors.Is(err, session.ErrExists) {
				return nil
			}
			return err
		},
		"Extend": func(st *sqlstore.Store, key, _ session.StoreKey, token session.Token) error {
			return st.Extend(limit(t, lease), key, token, lease)
		},
		"Release": func(st *sqlstore.Store, key, _ session.StoreKey, token session.Token) error {
			return st.Release(limit(t, lease), key, token)
		},
		"Remove": func(st *sqlstore.Store, key, _ session.StoreKey, _ session.Token) error {
			return st.Remove(limit(t, lease), key, session.Token{}, session.EndDelete)
		},
		"Remove, revoked": func(st *sqlstore.Store, key, _ session.StoreKey, _ session.Token) error {
			return st.Remove(limit(t, lease), key, session.Token{}, session.EndRevoked)
		},
		"Touch": func(st *sqlstore.Store, key, _ session.StoreKey, _ session.Token) error {
			return st.Touch(limit(t, lease), key)
		},
		"Swap": func(st *sqlstore.Store, key, _ session.StoreKey, _ session.Token) error {
			rec, err := st.Load(limit(t, lease), key, false)
			if err == nil {
				err = st.Swap(limit(t, lease), key, newRecord("1"), rec.Write)
			}
			if errors.Is(err, session.ErrConflict) { // one of them wins
				return nil
			}
			return err
		},
	} {
		t.Run(op, func(t *testing.T) {
			st, pool := db.storeAt(t, with(db.dsn, "pool_max_conns", "3"), quick)
			key, other := create(t, st, "0"), create(t, st, "0")
			var token session.Token
			switch op {
			case "Touch", "Swap":
				db.exec(t, "UPDATE "+db.table()+" SET expires = expires - interval '5 min' WHERE id = $1", key[:]) // it is due
			default:
				token = acquire(t, st, key)
			}
			free := db.lockRows(t, key)
			var wg sync.WaitGroup
			target, done := newKey(), make(chan struct{})
			for range 10 {
				wg.Go(func() {
					if err := call(st, key, target, token); err != nil {
						t.Errorf("%s of a row that was locked for a while: %v", op, err)
					}
				})
			}
			go func() { wg.Wait(); close(done) }() // ends with the callers
			eventually(t, "a caller wants the row", func() bool { return db.blocked(t) > 0 })
			const rounds = 5
			for range rounds {
				must(t, increment(limit(t, 10*time.Second), st, other))
			}
			if got := data(t, st, other); got != strconv.Itoa(rounds) {
				t.Errorf("another session counts %s of %d", got, rounds)
			}
			select {
			case <-done:
				t.Error("nobody waits for the row any more: the test shows nothing")
			default:
			}
			free()
			wg.Wait()
			eventually(t, "no connection is kept", func() bool { return pool.Stat().AcquiredConns() == 0 })
		})
	}
}

// TestLockedRow_IsNamed: who has waited in vain for a row is told so, be it that
// his time is up or, where he has set none, CommandTimeout.
func TestLockedRow_IsNamed(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{CommandTimeout: 3 * time.Second})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	db.lockRows(t, key)
	const remedy = "another transaction keeps the session's row locked"
	refused(t, "Save", st.Save(context.Background(), key, newRecord("1"), token, session.Commit{}), remedy)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := st.Save(ctx, key, newRecord("1"), token, session.Commit{})
	refused(t, "Save", err, remedy)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Save does not say that time is up: %v", err)
	}
}
