package sessiontest

import (
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// watcherChecks prove what session.Watcher says (M5).
func watcherChecks() []check {
	return []check{
		{name: "Watcher/is there if wanted", run: func(k *kit) { wanted[session.Watcher](k, "Watcher", k.want.Watcher) }},
		{name: "Watcher/Release wakes", run: watching(func(k *kit, s caller, key session.StoreKey, token session.Token) error {
			return s.Release(key, token)
		})},
		{name: "Watcher/Save wakes", run: watching(func(k *kit, s caller, key session.StoreKey, token session.Token) error {
			return s.Save(key, k.record("saved"), token, session.Commit{})
		})},
		{name: "Watcher/Save with MoveTo wakes", run: watching(func(k *kit, s caller, key session.StoreKey, token session.Token) error {
			return s.Save(key, k.record("moved"), token, session.Commit{MoveTo: newKey(), Grace: grace})
		})},
		{name: "Watcher/Save with Next wakes", run: watching(func(k *kit, s caller, key session.StoreKey, token session.Token) error {
			return s.Save(key, k.record("handed on"), token, session.Commit{Keep: lease, Next: session.NewToken()})
		})},
		{name: "Watcher/Remove wakes", run: watching(func(k *kit, s caller, key session.StoreKey, token session.Token) error {
			return s.Remove(key, token, session.EndDelete)
		})},
		{name: "Watcher/Remove by nobody with a reason wakes", run: watching(func(k *kit, s caller, key session.StoreKey, _ session.Token) error {
			return s.Remove(key, nobody, session.EndRevoked)
		})},
		{name: "Watcher/a waiter registered by Load is woken", run: wokenAfterLoad},
		{name: "Watcher/every waiter is woken", run: everyWaiterWoken},
		{name: "Watcher/no wake is lost that was watched for before the attempt", run: noWakeLost},
		{name: "Watcher/waiters get on by wakes alone", run: getOnByWakes},
		{name: "Watcher/stop may be called twice and beside a wake", run: stopTwice},
	}
}

// wanted returns the optional interface I of both stores. Where it is missing
// the check ends: as failed if it is wanted, else as skipped.
func wanted[I any](k *kit, name string, want bool) [2]I {
	k.Helper()
	here, ok := k.Store.(I)
	there, okThere := k.Second.(I)
	switch {
	case ok != okThere:
		k.Fatalf("one of the two stores is a session.%s and the other is not", name)
	case !ok && want:
		k.Fatalf("the store is no session.%s", name)
	case !ok:
		k.Skipf("the store is no session.%s, and none is wanted", name)
	}
	return [2]I{here, there}
}

func (k *kit) watchers() [2]session.Watcher {
	k.Helper()
	return wanted[session.Watcher](k, "Watcher", k.want.Watcher)
}

// watch begins to watch key at store i.
func (k *kit) watch(i int, key session.StoreKey) (<-chan struct{}, func()) {
	k.Helper()
	wake, stop := k.watchers()[i].Watch(key)
	k.Cleanup(stop)
	if wake == nil {
		k.Fatal("Watch returned no channel: the harness must hand over a store that can watch")
	}
	return wake, stop
}

// wantWake reports a wake that does not come, or a store that stopped watching.
func (k *kit) wantWake(wake <-chan struct{}, what string) bool {
	k.Helper()
	timeout := time.NewTimer(wakeTimeout)
	defer timeout.Stop()
	select {
	case _, ok := <-wake:
		if !ok {
			k.Errorf("%s: the store has stopped watching", what)
		}
		return ok
	case <-timeout.C:
		k.Errorf("%s: no wake in %v", what, wakeTimeout)
		return false
	}
}

// watching makes a check of something that must wake a waiter: at the store
// where it is done, and at the other.
func watching(do func(*kit, caller, session.StoreKey, session.Token) error) func(*kit) {
	return func(k *kit) {
		for i := range k.watchers() {
			for _, s := range k.both() {
				key, token := k.locked(k.record("content"))
				wake, stop := k.watch(i, key)
				_, err := k.both()[i].Acquire(key, session.NewToken(), lease)
				k.wantLocked(err, "Acquire", token)
				drain(wake)
				k.must(do(k, s, key, token))
				k.wantWake(wake, "a waiter")
				stop()
			}
		}
	}
}

// drain takes the hints that have come already, so that the next one counts.
func drain(wake <-chan struct{}) {
	for {
		select {
		case _, ok := <-wake:
			if ok {
				continue
			}
		default:
		}
		return
	}
}

func wokenAfterLoad(k *kit) {
	for i := range k.watchers() {
		key, token := k.locked(k.record("content"))
		wake, stop := k.watch(i, key)
		got, err := k.both()[i].LoadWaiting(key)
		k.must(err)
		k.wantLock("Load", got.Lock, token)
		drain(wake)
		k.must(k.both()[1-i].Save(key, k.record("saved"), token, session.Commit{}))
		k.wantWake(wake, "a reader")
		stop()
	}
}

func everyWaiterWoken(k *kit) {
	k.watchers()
	key, token := k.locked(k.record("content"))
	var wakes []<-chan struct{}
	for i := range 8 {
		wake, _ := k.watch(i%2, key)
		wakes = append(wakes, wake)
		_, err := k.both()[i%2].Acquire(key, session.NewToken(), lease)
		k.wantLocked(err, "Acquire", token)
	}
	// One that is no longer interested does not stand in the others' way.
	_, stop := k.watch(0, key)
	stop()
	k.must(k.there.Release(key, token))
	for _, wake := range wakes {
		k.wantWake(wake, "one of eight waiters")
	}
}

func noWakeLost(k *kit) {
	k.watchers()
	for n := 0; n < 40 && !k.Failed(); n++ {
		i := n % 2
		key, token := k.locked(k.record("content"))
		k.together(2, func(j int) {
			if j == 0 {
				k.expect(k.both()[1-i].Release(key, token), "Release", nil)
				return
			}
			wake, stop := k.watchers()[i].Watch(key)
			defer stop()
			mine := session.NewToken()
			for {
				_, err := k.both()[i].Acquire(key, mine, lease)
				if err == nil {
					return
				}
				k.expect(err, "Acquire", session.ErrLocked)
				if !k.wantWake(wake, "a waiter whose lock was released meanwhile") {
					return
				}
			}
		})
	}
}

// getOnByWakes has callers at both stores take turns without ever polling.
func getOnByWakes(k *kit) {
	k.watchers()
	rec := k.record("content")
	key := k.stored(rec)
	k.together(8, func(i int) {
		s, watcher := k.both()[i%2], k.watchers()[i%2]
		for range 5 {
			mine := session.NewToken()
			wake, stop := watcher.Watch(key)
			_, err := s.Acquire(key, mine, lease)
			for err != nil {
				k.expect(err, "Acquire", session.ErrLocked)
				if !k.wantWake(wake, "one of eight who take turns") {
					stop()
					return
				}
				_, err = s.Acquire(key, mine, lease)
			}
			stop()
			k.expect(s.Save(key, next(rec, "saved"), mine, session.Commit{}), "Save", nil)
		}
	})
}

func stopTwice(k *kit) {
	k.watchers()
	for n := 0; n < 20 && !k.Failed(); n++ {
		key, token := k.locked(k.record("content"))
		wake, stop := k.watch(n%2, key)
		_, other := k.watch(n%2, key)
		_, err := k.both()[n%2].Acquire(key, session.NewToken(), lease)
		k.wantLocked(err, "Acquire", token)
		k.together(3, func(i int) {
			if i == 0 {
				k.expect(k.there.Release(key, token), "Release", nil)
			} else {
				other()
			}
		})
		k.wantWake(wake, "the waiter who has not stopped")
		stop()
		stop()
	}
}
