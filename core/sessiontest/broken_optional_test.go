package sessiontest_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// brokenOptional break the optional interfaces.
var brokenOptional = []broken{
	{"Watcher", "is no Watcher though one is wanted", bare},
	{"OwnerIndex", "is no OwnerIndex though one is wanted", bare},
	{"Iterator", "is no Iterator though one is wanted", bare},
	{"Pinger", "is no Pinger though one is wanted", bare},
	{"Watcher", "wakes nobody at Release", doing(opRelease, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.holds(c.token) {
				e.unlock()
			}
		})
	})},
	{"Watcher", "wakes nobody when a record is removed", doing(opRemove, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, c.key)
	})},
	{"Watcher", "wakes one waiter only", func(m *model) (here, there session.Store) {
		s := wakingOne{m}
		return s, s
	}},
	{"Watcher", "wakes waiters of its own process only", func(m *model) (here, there session.Store) {
		s := wakingOwn{m, &tables{watchers: make(map[session.StoreKey][]chan struct{})}}
		return m, s
	}},
	{"Watcher", "stops all that watch a key when one stops", func(m *model) (here, there session.Store) {
		s := stoppingAll{m}
		return s, s
	}},
	{"OwnerIndex", "lists what has ended", func(m *model) (here, there session.Store) {
		s := listingEnded{m}
		return s, s
	}},
	{"OwnerIndex", "lists in no order", func(m *model) (here, there session.Store) {
		s := listingBackwards{m}
		return s, s
	}},
	{"OwnerIndex", "takes nobody for an owner", func(m *model) (here, there session.Store) {
		s := listingNobodys{m}
		return s, s
	}},
	{"OwnerIndex", "goes by the owner from before a Swap", doing(opSwap, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) { c.rec.Owner = e.rec.Owner })
	})},
	{"OwnerIndex", "spares nobody at RemoveOwner", func(m *model) (here, there session.Store) {
		s := sparingNobody{m}
		return s, s
	}},
	{"OwnerIndex", "lists no record that moves", func(m *model) (here, there session.Store) {
		s := losingMoved{m, &moving{keys: make(map[session.StoreKey]session.StoreKey)}}
		return s, s
	}},
	{"OwnerIndex", "lists a record that moves under both keys", func(m *model) (here, there session.Store) {
		s := doublingMoved{losingMoved{m, &moving{keys: make(map[session.StoreKey]session.StoreKey)}}}
		return s, s
	}},
	{"OwnerIndex", "removes no record that moves", func(m *model) (here, there session.Store) {
		s := missingMoved{m, new(atomic.Int64)}
		return s, s
	}},
	{"Iterator", "sees records twice", func(m *model) (here, there session.Store) {
		s := seeingTwice{m}
		return s, s
	}},
	{"Iterator", "goes on after an error", func(m *model) (here, there session.Store) {
		s := goingOn{m}
		return s, s
	}},
	{"Iterator", "holds its lock while it iterates", func(m *model) (here, there session.Store) {
		s := lockingAll{m, make(chan struct{}, 1)}
		return s, s
	}},
	{"Pinger", "fails to ping", func(m *model) (here, there session.Store) {
		s := failingPing{m}
		return s, s
	}},
}

// bare hides a model's optional interfaces.
func bare(m *model) (here, there session.Store) {
	s := struct{ session.Store }{m}
	return s, s
}

type wakingOne struct{ *model }

func (s wakingOne) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	wake, stop := s.model.Watch(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.watchers[key]); n > 1 {
		s.watchers[key] = s.watchers[key][:1]
	}
	return wake, stop
}

type wakingOwn struct {
	*model
	own *tables
}

func (s wakingOwn) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	return (&model{tables: s.own}).Watch(key)
}

type stoppingAll struct{ *model }

func (s stoppingAll) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	wake, _ := s.model.Watch(key)
	return wake, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, key)
	}
}

type listingEnded struct{ *model }

func (s listingEnded) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	infos, err := s.model.ListOwner(ctx, namespace, owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, e := range s.entries {
		if e.rec.Owner == owner && e.rec.Namespace == namespace && !e.live(s.now()) {
			infos = append(infos, session.Info{Key: key, Owner: owner})
		}
	}
	return infos, err
}

type listingBackwards struct{ *model }

func (s listingBackwards) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	infos, err := s.model.ListOwner(ctx, namespace, owner)
	slices.Reverse(infos)
	return infos, err
}

type listingNobodys struct{ *model }

func (s listingNobodys) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	infos := s.infos(namespace, s.now())
	return slices.DeleteFunc(infos, func(i session.Info) bool { return i.Owner != owner }), ctx.Err()
}

type sparingNobody struct{ *model }

func (s sparingNobody) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, _ ...session.StoreKey) (int, error) {
	return s.model.RemoveOwner(ctx, namespace, owner, reason)
}

type seeingTwice struct{ *model }

func (s seeingTwice) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		for range 2 {
			for info, err := range s.model.All(ctx, namespace) {
				if !yield(info, err) {
					return
				}
			}
		}
	}
}

type goingOn struct{ *model }

func (s goingOn) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		for info := range s.model.All(context.Background(), namespace) {
			if !yield(info, ctx.Err()) {
				return
			}
		}
	}
}

// lockingAll is a store on a single connection, which an iteration holds.
type lockingAll struct {
	*model
	connection chan struct{}
}

func (s lockingAll) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	select {
	case s.connection <- struct{}{}:
		defer func() { <-s.connection }()
		return s.model.Load(ctx, key, wait)
	case <-ctx.Done():
		return session.Record{}, fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
	}
}

func (s lockingAll) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		s.connection <- struct{}{}
		defer func() { <-s.connection }()
		for info, err := range s.model.All(ctx, namespace) {
			if !yield(info, err) {
				return
			}
		}
	}
}

type failingPing struct{ *model }

func (s failingPing) Ping(context.Context) error { return session.ErrUnavailable }

// moving is the records that are on their way, by where they come from, and for
// how long that takes.
type moving struct {
	mu   sync.Mutex
	keys map[session.StoreKey]session.StoreKey
}

func (mv *moving) during(key, to session.StoreKey, move func() error) error {
	const takes = 3 * time.Millisecond
	if to == (session.StoreKey{}) {
		return move()
	}
	set := func(on bool) {
		mv.mu.Lock()
		defer mv.mu.Unlock()
		if delete(mv.keys, key); on {
			mv.keys[key] = to
		}
	}
	set(true)
	time.Sleep(takes)
	err := move()
	time.Sleep(takes)
	set(false)
	return err
}

// losingMoved lists a record that moves under neither key.
type losingMoved struct {
	*model
	moving *moving
}

func (s losingMoved) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	return s.moving.during(key, how.MoveTo, func() error { return s.model.Save(ctx, key, rec, token, how) })
}

func (s losingMoved) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	s.moving.mu.Lock()
	defer s.moving.mu.Unlock()
	infos, err := s.model.ListOwner(ctx, namespace, owner)
	return slices.DeleteFunc(infos, func(i session.Info) bool {
		for from, to := range s.moving.keys {
			if i.Key == from || i.Key == to {
				return true
			}
		}
		return false
	}), err
}

// doublingMoved lists it under both.
type doublingMoved struct{ losingMoved }

func (s doublingMoved) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	s.moving.mu.Lock()
	defer s.moving.mu.Unlock()
	infos, err := s.model.ListOwner(ctx, namespace, owner)
	for _, i := range infos {
		for from, to := range s.moving.keys {
			if i.Key == to {
				i.Key = from
				infos = append(infos, i)
			}
		}
	}
	return infos, err
}

// missingMoved removes what it has listed before, where it was then.
type missingMoved struct {
	*model
	moves *atomic.Int64
}

func (s missingMoved) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	err := s.model.Save(ctx, key, rec, token, how)
	if err == nil && how.MoveTo != (session.StoreKey{}) {
		s.moves.Add(1)
	}
	return err
}

func (s missingMoved) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, except ...session.StoreKey) (int, error) {
	infos, err := s.model.ListOwner(ctx, namespace, owner)
	before := s.moves.Load()
	for range 20 { // until one has got away
		if s.moves.Load() == before {
			time.Sleep(time.Millisecond)
		}
	}
	n := 0
	for _, i := range infos {
		if !slices.Contains(except, i.Key) && s.Remove(ctx, i.Key, session.Token{}, reason) == nil {
			n++
		}
	}
	return n, err
}
