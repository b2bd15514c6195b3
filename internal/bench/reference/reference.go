// Package reference keeps sessions with the algorithm of ASP.NET's
// Microsoft.AspNet.SessionState, on top of any store of this project, so that
// the algorithms can be compared and not the languages and databases:
//
//   - who finds a session locked looks again every 500 ms, readers too, and
//     nobody wakes them; who comes at the right moment goes first;
//   - every request writes: one that only reads sets the timeout anew;
//   - a lock is not renewed, and is free after 110 seconds;
//   - the save of who has lost the lock meanwhile is dropped, and nobody is told.
//
// It is kinder than the original: its writes of the timeout do not wait for the
// disk, and a request that never asks for its session writes nothing.
//
// Requests that contend each need a Manager of their own: those of one Manager
// queue up in it, and never come to look.
package reference

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Poll is how long a request waits before it looks again.
const Poll = 500 * time.Millisecond

// executionTimeout is how long a lock lasts.
const executionTimeout = 110 * time.Second

// Distance says where a store is.
type Distance bool

// A read that sets the timeout anew is one statement in the original. Here it
// is two calls: one after the other where that costs next to nothing, and at
// the same time where each is a round trip.
const (
	Local  Distance = false
	Remote Distance = true
)

// Store is a session.Store that works as the package says.
type Store struct {
	session.Store
	far Distance
}

// New returns the store on top of another.
func New(on session.Store, far Distance) *Store { return &Store{on, far} }

// Config returns what the Manager on top of such a Store is to be configured
// with.
func Config(config session.Config) session.Config {
	config.LockLease, config.ExecutionTimeout = executionTimeout, executionTimeout
	config.StoreTimeout, config.AcquireTimeout = executionTimeout, executionTimeout
	return config
}

// Acquire polls until the session is free.
func (s *Store) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	for {
		rec, err := s.Store.Acquire(ctx, key, token, lease)
		if !errors.Is(err, session.ErrLocked) {
			return rec, err
		}
		if err := pause(ctx); err != nil {
			return session.Record{}, err
		}
	}
}

// Load polls until nobody writes the session, and sets its timeout anew.
func (s *Store) Load(ctx context.Context, key session.StoreKey, _ bool) (session.Record, error) {
	for {
		rec, err := s.loadAndTouch(ctx, key)
		if err != nil || rec.Lock == nil {
			return rec, err
		}
		if err := pause(ctx); err != nil {
			return session.Record{}, err
		}
	}
}

func (s *Store) loadAndTouch(ctx context.Context, key session.StoreKey) (rec session.Record, err error) {
	var failed error
	if s.far == Remote {
		var both sync.WaitGroup
		both.Go(func() { failed = s.Touch(ctx, key) })
		rec, err = s.Store.Load(ctx, key, false)
		both.Wait()
	} else if rec, err = s.Store.Load(ctx, key, false); err == nil {
		failed = s.Touch(ctx, key)
	}
	if err = errors.Join(err, failed); err != nil {
		return session.Record{}, err
	}
	rec.ExpiresIn = rec.IdleTimeout // nothing is left to be extended in the background
	return rec, nil
}

// Create makes a session whose timeout is always due.
func (s *Store) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	rec.Refresh = 0
	return s.Store.Create(ctx, key, rec, token, lease)
}

// Save stores the session, or silently nothing if the lock is lost.
func (s *Store) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	rec.Refresh = 0
	if err := s.Store.Save(ctx, key, rec, token, how); !errors.Is(err, session.ErrLockLost) {
		return err
	}
	return nil
}

// Swap is Save without a lock.
func (s *Store) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	rec.Refresh = 0
	return s.Store.Swap(ctx, key, rec, old)
}

// Extend does nothing: who has lost the lock does not learn it.
func (*Store) Extend(context.Context, session.StoreKey, session.Token, time.Duration) error {
	return nil
}

// pause waits for the next look.
func pause(ctx context.Context) error {
	t := time.NewTimer(Poll)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reference: wait for a lock: %w", context.Cause(ctx))
	}
}
