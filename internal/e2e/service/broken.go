package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// breakStore breaks a store on purpose, so that it can be seen whether anybody
// notices. Each way is a mistake that a provider could make.
func breakStore(store session.Store, how string) (session.Store, error) {
	switch how {
	case "", "late-list": // which breakOwners breaks
		return store, nil
	case "no-lock":
		return &noLock{store}, nil
	case "lost-update":
		return &lostUpdate{Store: store}, nil
	case "repeat-applied":
		return &repeatApplied{Store: store}, nil
	case "forgets-writes":
		return &forgetsWrites{store}, nil
	case "lapsed-saves":
		return &lapsedSaves{store}, nil
	case "no-renewal":
		return &noRenewal{store}, nil
	case "long-lease":
		return &longLease{store}, nil
	case "unfenced":
		return &unfenced{Store: store, asked: make(map[session.Token]time.Time)}, nil
	case "wall-clock":
		return &wallClock{store}, nil
	case "unprepared": // that is the versions' mistake: see configure
		return store, nil
	case "stale-reads":
		return &staleReads{Store: store, seen: make(map[session.StoreKey]session.Record)}, nil
	}
	return nil, fmt.Errorf("-break %s: there is no such way", how)
}

// noLock gives the session to everybody at once, and the last one wins.
type noLock struct{ session.Store }

func (s *noLock) Acquire(ctx context.Context, key session.StoreKey, _ session.Token, _ time.Duration) (session.Record, error) {
	rec, err := s.Load(ctx, key, false)
	rec.Lock = nil
	return rec, err
}

func (s *noLock) Save(ctx context.Context, key session.StoreKey, rec session.Record, _ session.Token, _ session.Commit) error {
	return overwrite(ctx, s.Store, key, rec)
}

func (s *noLock) Release(context.Context, session.StoreKey, session.Token) error { return nil }

func (s *noLock) Extend(context.Context, session.StoreKey, session.Token, time.Duration) error {
	return nil
}

// overwrite stores rec, whatever is there and whoever holds it.
func overwrite(ctx context.Context, store session.Store, key session.StoreKey, rec session.Record) error {
	for {
		current, err := store.Load(ctx, key, false)
		if err != nil {
			return err
		}
		if err = store.Swap(ctx, key, rec, current.Write); !errors.Is(err, session.ErrConflict) && !errors.Is(err, session.ErrLocked) {
			return err
		}
	}
}

// lostUpdate says of some saves that they are done, and only unlocks.
type lostUpdate struct {
	session.Store
	n atomic.Int64
}

func (s *lostUpdate) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	if s.n.Add(1)%25 == 0 {
		return s.Release(ctx, key, token)
	}
	return s.Store.Save(ctx, key, rec, token, how)
}

// repeatApplied says of some swaps that they met another's, and has made them.
type repeatApplied struct {
	session.Store
	n atomic.Int64
}

func (s *repeatApplied) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	err := s.Store.Swap(ctx, key, rec, old)
	if err == nil && s.n.Add(1)%10 == 0 {
		return session.ErrConflict
	}
	return err
}

// forgetsWrites does not know a repeat from a new write.
type forgetsWrites struct{ session.Store }

func (s *forgetsWrites) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	rec.Repeat, rec.Write = false, session.NewWriteID()
	return s.Store.Save(ctx, key, rec, token, how)
}

func (s *forgetsWrites) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	rec.Repeat, rec.Write = false, session.NewWriteID()
	return s.Store.Swap(ctx, key, rec, old)
}

// lapsedSaves lets a holder save whose lock another has taken meanwhile.
type lapsedSaves struct{ session.Store }

func (s *lapsedSaves) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	err := s.Store.Save(ctx, key, rec, token, how)
	if errors.Is(err, session.ErrLockLost) {
		return overwrite(ctx, s.Store, key, rec)
	}
	return err
}

// unfenced goes by its own clock: as long as that says that the lease lives, it
// stores without asking whether the token still holds.
type unfenced struct {
	session.Store

	mu    sync.Mutex
	asked map[session.Token]time.Time
}

func (s *unfenced) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	now := time.Now()
	rec, err := s.Store.Acquire(ctx, key, token, lease)
	if err == nil {
		s.mu.Lock()
		s.asked[token] = now.Add(lease)
		s.mu.Unlock()
	}
	return rec, err
}

func (s *unfenced) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	now := time.Now()
	err := s.Store.Extend(ctx, key, token, lease)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.asked[token] = now.Add(lease)
	} else if errors.Is(err, session.ErrLockLost) && time.Now().Before(s.asked[token]) {
		return nil
	}
	return err
}

func (s *unfenced) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	err := s.Store.Save(ctx, key, rec, token, how)
	s.mu.Lock()
	until := s.asked[token]
	s.mu.Unlock()
	if errors.Is(err, session.ErrLockLost) && time.Now().Before(until) {
		return overwrite(ctx, s.Store, key, rec)
	}
	return err
}

// wallClock ends sessions by this process's time of day.
type wallClock struct{ session.Store }

func (s *wallClock) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	rec, err := s.Store.Acquire(ctx, key, token, lease)
	if err == nil && time.Now().Round(0).After(rec.Created.Add(30*time.Minute)) {
		return session.Record{}, errors.Join(session.ErrNotFound, s.Release(ctx, key, token))
	}
	return rec, err
}

// noRenewal says that leases are renewed, and does nothing.
type noRenewal struct{ session.Store }

func (s *noRenewal) Extend(context.Context, session.StoreKey, session.Token, time.Duration) error {
	return nil
}

// longLease has locks outlive their holders.
type longLease struct{ session.Store }

func (s *longLease) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	return s.Store.Acquire(ctx, key, token, 20*lease)
}

func (s *longLease) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	return s.Store.Extend(ctx, key, token, 20*lease)
}

// staleReads answers some reads with what it read before, as a cache or a
// replica would.
type staleReads struct {
	session.Store
	n atomic.Int64

	mu   sync.Mutex
	seen map[session.StoreKey]session.Record
}

func (s *staleReads) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	rec, err := s.Store.Load(ctx, key, wait)
	if err != nil {
		return rec, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, found := s.seen[key]; found && s.n.Add(1)%10 == 0 && rec.Lock == nil {
		old.Data = slices.Clone(old.Data)
		return old, nil
	}
	s.seen[key] = rec
	return rec, nil
}
