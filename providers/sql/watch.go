package sqlstore

import (
	"encoding/hex"
	"sync"

	session "github.com/sessionstate/sessionstate/core"
)

// hint is what processes tell each other of a key: its first 8 bytes. Two keys
// that share them wake each other's waiters, who look and wait on.
type hint [8]byte

func hintOf(key session.StoreKey) (h hint) {
	copy(h[:], key[:])
	return h
}

func (h hint) String() string { return hex.EncodeToString(h[:]) }

func parseHint(s string) (h hint, ok bool) {
	if len(s) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

// hub knows who in this process waits for what.
type hub struct {
	mu       sync.Mutex
	up       bool // what happens in other processes is heard of
	watchers map[hint]map[chan struct{}]struct{}
}

// watch returns a channel that gets a value when h is woken, and is closed
// when the hub goes down. It returns nil while the hub is down.
func (b *hub) watch(h hint) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.up {
		return nil
	}
	// One value is enough: it says "try again", not what happened.
	c := make(chan struct{}, 1)
	if b.watchers[h] == nil {
		b.watchers[h] = make(map[chan struct{}]struct{})
	}
	b.watchers[h][c] = struct{}{}
	return c
}

func (b *hub) unwatch(h hint, c chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.watchers[h], c)
	if len(b.watchers[h]) == 0 {
		delete(b.watchers, h)
	}
}

// wake tells those who watch h to try again.
func (b *hub) wake(h hint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.watchers[h] {
		select {
		case c <- struct{}{}:
		default: // it has a value to read already
		}
	}
}

// set says whether what happens in other processes is heard of. When it no
// longer is, all who watch are told.
func (b *hub) set(up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up = up
	if up {
		b.watchers = make(map[hint]map[chan struct{}]struct{})
		return
	}
	for _, cs := range b.watchers {
		for c := range cs {
			close(c)
		}
	}
	b.watchers = nil
}

// Watch implements session.Watcher. It opens the connection to listen on when
// it is first called, and returns no channel before that works.
func (st *Store) Watch(key session.StoreKey) (wake <-chan struct{}, stop func()) {
	if st.cfg.Listen == ListenOff {
		return nil, func() {}
	}
	st.listener.start()
	h := hintOf(key)
	c := st.hub.watch(h)
	if c == nil {
		return nil, func() {}
	}
	return c, func() { st.hub.unwatch(h, c) }
}

// wake wakes those who wait for the keys: in this process at once, in others
// by a notification that is sent in the background. If this process dies
// before that, they look again when the lease would have ended.
func (st *Store) wake(keys ...session.StoreKey) {
	for _, key := range keys {
		h := hintOf(key)
		st.hub.wake(h)
		st.notifier.add(h)
	}
}
