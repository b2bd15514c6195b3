package reference_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/internal/bench/reference"
)

const idle = 20 * time.Minute

// stored returns a store, what is below it, and a session in it.
func stored(t *testing.T, far reference.Distance) (*reference.Store, session.Store, session.StoreKey) {
	t.Helper()
	below := memstore.New()
	st := reference.New(below, far)
	key := session.StoreKey{1}
	rec := session.Record{Data: []byte("x"), IdleTimeout: idle, Refresh: time.Minute, Write: session.NewWriteID()}
	if err := st.Create(t.Context(), key, rec, session.Token{}, 0); err != nil {
		t.Fatal(err)
	}
	return st, below, key
}

// TestWaitersPoll: a session that is free again is noticed at the next look,
// by who wants to write and by who wants to read.
func TestWaitersPoll(t *testing.T) {
	for name, wait := range map[string]func(context.Context, *reference.Store, session.StoreKey) error{
		"writer": func(ctx context.Context, st *reference.Store, key session.StoreKey) error {
			_, err := st.Acquire(ctx, key, session.NewToken(), time.Hour)
			return err
		},
		"reader": func(ctx context.Context, st *reference.Store, key session.StoreKey) error {
			_, err := st.Load(ctx, key, true)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, _, key := stored(t, reference.Local)
				token := session.NewToken()
				if _, err := st.Acquire(t.Context(), key, token, time.Hour); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				go func() { // ends before the waiter does
					time.Sleep(reference.Poll + time.Millisecond)
					if err := st.Release(t.Context(), key, token); err != nil {
						t.Error(err)
					}
				}()
				if err := wait(t.Context(), st, key); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took != 2*reference.Poll {
					t.Errorf("it had the session after %v", took)
				}
			})
		})
	}
}

// TestWaitEnds: with its context.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, _, key := stored(t, reference.Local)
		if _, err := st.Acquire(t.Context(), key, session.NewToken(), time.Hour); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := st.Acquire(ctx, key, session.NewToken(), time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestEveryReadWrites: a read sets the timeout anew, however short the last one
// is ago.
func TestEveryReadWrites(t *testing.T) {
	for name, far := range map[string]reference.Distance{"local": reference.Local, "remote": reference.Remote} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, below, key := stored(t, far)
				for range 3 {
					time.Sleep(time.Second)
					if _, err := st.Load(t.Context(), key, false); err != nil {
						t.Fatal(err)
					}
					if rec, err := below.Load(t.Context(), key, false); err != nil || rec.ExpiresIn != idle {
						t.Errorf("the session ends in %v, %v", rec.ExpiresIn, err)
					}
				}
			})
		})
	}
}

// TestStaleSaveIsDropped: who has lost the lock is told that all went well.
func TestStaleSaveIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, below, key := stored(t, reference.Local)
		late := session.NewToken()
		rec, err := st.Acquire(t.Context(), key, late, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if err := st.Extend(t.Context(), key, late, time.Hour); err != nil {
			t.Errorf("Extend: %v", err)
		}
		if _, err := st.Acquire(t.Context(), key, session.NewToken(), time.Hour); err != nil {
			t.Fatal(err)
		}
		rec.Data, rec.Write = []byte("late"), session.NewWriteID()
		if err := st.Save(t.Context(), key, rec, late, session.Commit{}); err != nil {
			t.Errorf("Save: %v", err)
		}
		if got, err := below.Load(t.Context(), key, false); err != nil || string(got.Data) != "x" {
			t.Errorf("the session is %q, %v", got.Data, err)
		}
	})
}
