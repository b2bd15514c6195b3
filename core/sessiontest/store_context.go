package sessiontest

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

const (
	promptness = 100 * time.Millisecond // how soon a call returns after its context's end (S14)
	patience   = 10 * time.Second       // after which a call that should have returned is given up
)

// contextChecks prove S13 and S14: what calls leave behind, and when they end.
func contextChecks() []check {
	return []check{
		{name: "S13/held locks hold nothing else", run: manyLocks},
		{name: "S13/refused and waiting callers hold nothing", run: manyWaiters},
		{name: "S13/callers that cancel leave nothing behind", run: manyCancels},
		{name: "S14/a call whose context has ended returns at once", run: endedContext, alone: true},
		{name: "S14/a call whose context ends under way returns in time", run: contextEndsUnderWay, alone: true},
		{name: "S14/what a cancelled call did is settled by its repeat", run: settledByRepeat},
	}
}

// call is a call of a store, on a record of its own, that succeeds as often as
// it is repeated.
type call struct {
	name string
	do   func(context.Context, session.Store) error
}

// calls returns one call of each kind.
func (k *kit) calls() []call {
	k.Helper()
	const long = 10 * time.Minute
	rec := k.record("content")
	key := func() session.StoreKey {
		k.Helper()
		rec = next(rec, "content")
		return k.stored(rec)
	}
	held := func() (session.StoreKey, session.Token) {
		k.Helper()
		rec = next(rec, "content")
		key, token := newKey(), session.NewToken()
		k.must(k.here.Create(key, rec, token, long))
		return key, token
	}
	save := func(how session.Commit) func(context.Context, session.Store) error {
		k.Helper()
		key, token := held()
		saved := next(rec, "saved")
		return func(ctx context.Context, s session.Store) error { return s.Save(ctx, key, saved, token, how) }
	}

	token := session.NewToken()
	acquired, loaded, touched, deleted, created := key(), key(), key(), key(), newKey()
	createdAs, swapped := next(rec, "created"), next(rec, "swapped")
	swappedKey := key()
	swappedOld := rec.Write
	releasedKey, released := held()
	extendedKey, extended := held()
	abandonedKey, abandoned := held()
	all := []call{
		{"Acquire", func(ctx context.Context, s session.Store) error {
			_, err := s.Acquire(ctx, acquired, token, long)
			return err
		}},
		{"Load", func(ctx context.Context, s session.Store) error {
			_, err := s.Load(ctx, loaded, false)
			return err
		}},
		{"Load with wait", func(ctx context.Context, s session.Store) error {
			_, err := s.Load(ctx, loaded, true)
			return err
		}},
		{"Create", func(ctx context.Context, s session.Store) error {
			return s.Create(ctx, created, createdAs, token, long)
		}},
		{"Save", save(session.Commit{})},
		{"Save with Keep", save(session.Commit{Keep: long})},
		{"Save with Next", save(session.Commit{Keep: long, Next: token})},
		{"Save with MoveTo", save(session.Commit{MoveTo: newKey(), Grace: grace})},
		{"Swap", func(ctx context.Context, s session.Store) error {
			return s.Swap(ctx, swappedKey, swapped, swappedOld)
		}},
		{"Release", func(ctx context.Context, s session.Store) error {
			return s.Release(ctx, releasedKey, released)
		}},
		{"Extend", func(ctx context.Context, s session.Store) error {
			return s.Extend(ctx, extendedKey, extended, long)
		}},
		{"Touch", func(ctx context.Context, s session.Store) error { return s.Touch(ctx, touched) }},
		{"Remove", func(ctx context.Context, s session.Store) error {
			return s.Remove(ctx, deleted, nobody, session.EndDelete)
		}},
		{"Remove with a token", func(ctx context.Context, s session.Store) error {
			return s.Remove(ctx, abandonedKey, abandoned, session.EndAbandoned)
		}},
		{"Reap", func(ctx context.Context, s session.Store) error {
			_, err := s.Reap(ctx, k.namespace, 10, token, lease)
			return err
		}},
		{"Reap in bulk", func(ctx context.Context, s session.Store) error {
			_, err := s.Reap(ctx, k.namespace, -1, token, lease)
			return err
		}},
	}
	return append(all, k.optionalCalls()...)
}

func (k *kit) wantAllWork() {
	k.Helper()
	for _, s := range k.both() {
		for _, c := range k.calls() {
			ctx, cancel := inTime()
			k.expect(c.do(ctx, s.store), c.name, nil)
			cancel()
		}
	}
}

const many = 200 // more than a pool has connections

func manyLocks(k *kit) {
	type lock struct {
		key   session.StoreKey
		token session.Token
	}
	var locks []lock
	for i := range many {
		l := lock{k.stored(k.record("content")), session.NewToken()}
		_, err := k.both()[i%2].Acquire(l.key, l.token, 10*time.Minute)
		k.must(err)
		locks = append(locks, l)
	}
	k.wantAllWork()
	for _, l := range locks {
		k.expect(k.here.Save(l.key, k.record("saved"), l.token, session.Commit{}), "Save", nil)
	}
}

func manyWaiters(k *kit) {
	key, token := k.locked(k.record("content"))
	k.must(k.here.Extend(key, token, 10*time.Minute))
	for i := range many {
		s := k.both()[i%2]
		if w, ok := s.store.(session.Watcher); ok {
			_, stop := w.Watch(key)
			defer stop()
		}
		_, err := s.Acquire(key, session.NewToken(), lease)
		k.expect(err, "Acquire", session.ErrLocked)
		_, err = s.LoadWaiting(key)
		k.must(err)
	}
	k.wantAllWork()
	k.expect(k.here.Save(key, k.record("saved"), token, session.Commit{}), "Save", nil)
}

func manyCancels(k *kit) {
	const callers = 16
	key := k.stored(k.record("0"))
	var lists [callers][]call
	for i := range callers {
		lists[i] = k.calls()
	}
	k.together(callers, func(i int) {
		for j, c := range lists[i] {
			ctx, cancel := context.WithCancel(context.Background())
			if j%4 == 0 {
				cancel()
			}
			timer := time.AfterFunc(rand.N(2*time.Millisecond), cancel)
			k.expect(c.do(ctx, k.both()[i%2].store), c.name, cancelled...)
			timer.Stop()
			cancel()
		}
	})
	k.wantAllWork()
	for _, s := range k.both() {
		token := session.NewToken()
		_, err := s.Acquire(key, token, lease)
		k.expect(err, "Acquire", nil)
		k.expect(s.Save(key, k.record("saved"), token, session.Commit{}), "Save", nil)
	}
}

// cancelled are the answers that a call may give whose context has ended: what
// it would have said otherwise, which for kit.calls is nil, or that it could
// not be done in time. Whatever else it said would be untrue.
var cancelled = []error{nil, session.ErrUnavailable, context.Canceled, context.DeadlineExceeded}

// wantPrompt makes a call whose context end ends, and reports it unless it
// returns in time. A machine may pause at any moment, and be so busy that it is
// late with everything: by how much timers are late meanwhile does not count, and
// only a call that is late three times running is reported.
func (k *kit) wantPrompt(c call, s session.Store, start func() (ctx context.Context, end func())) {
	k.Helper()
	for range 3 {
		ctx, end := start()
		done := make(chan error, 1)
		go func() { done <- c.do(ctx, s) }() // ends with the call, or with the test that reports it
		end()
		<-ctx.Done()
		ended := time.Now()
		returned, late := make(chan struct{}), make(chan time.Duration, 1)
		go func() { late <- lateness(returned) }() // ends with this turn
		select {
		case err := <-done:
			k.expect(err, c.name, cancelled...)
		case <-time.After(patience):
			close(returned)
			k.Fatalf("%s has not returned %v after its context's end", c.name, patience)
		}
		took := time.Since(ended)
		close(returned)
		if took-<-late <= promptness {
			return
		}
	}
	k.Errorf("%s returned more than %v after its context's end", c.name, promptness)
}

// lateness returns by how much timers of a millisecond, one after the other,
// are late together until returned is closed: for so long the machine was busy
// with other things.
func lateness(returned <-chan struct{}) (late time.Duration) {
	const step = time.Millisecond
	for {
		begun := time.Now()
		timer := time.NewTimer(step)
		select {
		case <-returned:
			timer.Stop()
			return late
		case <-timer.C:
			late += max(time.Since(begun)-step, 0)
		}
	}
}

func endedContext(k *kit) {
	for _, s := range k.both() {
		for _, c := range k.calls() {
			k.wantPrompt(c, s.store, func() (context.Context, func()) {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				return ctx, cancel
			})
			k.wantPrompt(c, s.store, func() (context.Context, func()) {
				return context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
			})
		}
	}
}

// contextEndsUnderWay keeps the store busy with large saves, so that there is
// something under way when a context ends.
func contextEndsUnderWay(k *kit) {
	var done atomic.Bool
	big := k.record(string(make([]byte, k.largest())))
	var keys [4]session.StoreKey
	var tokens [4]session.Token
	for i := range keys {
		keys[i], tokens[i] = k.locked(big)
	}
	lists := [][]call{k.calls(), k.calls()}
	k.together(1+len(keys), func(i int) {
		if i > 0 {
			for !done.Load() {
				rec := big
				rec.Write = session.NewWriteID()
				err := k.both()[i%2].Save(keys[i-1], rec, tokens[i-1], session.Commit{Keep: 10 * lease})
				k.expect(err, "Save", nil)
				pause()
			}
			return
		}
		defer done.Store(true)
		for j, s := range k.both() {
			for _, c := range lists[j] {
				k.wantPrompt(c, s.store, func() (context.Context, func()) {
					ctx, cancel := context.WithCancel(context.Background())
					return ctx, func() { time.AfterFunc(rand.N(3*time.Millisecond), cancel) }
				})
			}
		}
	})
}

func settledByRepeat(k *kit) {
	for _, s := range k.both() {
		for _, most := range []time.Duration{1, time.Millisecond, time.Millisecond} {
			for _, c := range k.calls() {
				ctx, cancel := context.WithTimeout(context.Background(), rand.N(most))
				k.expect(c.do(ctx, s.store), c.name, cancelled...)
				cancel()
				ctx, cancel = inTime()
				k.expect(c.do(ctx, s.store), c.name+" repeated", nil)
				cancel()
			}
		}
	}
}
