package session

import (
	"context"
	"sync"
)

// gates holds one gate for each session that requests of this process use or
// wait for. Exclusive requests pass a session's gate one by one, in order of
// arrival, so that at most one of a process asks the store for the lock, and
// the next goes on the moment that one is done (M5).
type gates struct {
	limit  int // of the waiting requests per session (M6); negative: none
	shards [gateShards]gateShard
}

const gateShards = 64

type gateShard struct {
	mu sync.Mutex
	m  map[StoreKey]*gate // guarded by mu, as are the gates in it
}

// gate is the queue of one session. It exists while somebody has the turn or
// waits.
type gate struct {
	shard *gateShard
	key   StoreKey

	taken   bool // somebody has the turn: asks the store for the lock, or holds it
	holding bool // and holds it
	waiting int  // requests that count towards the limit: in line, readers, and those that wait counts

	first, last *waiter // the line: Exclusive requests, in order of arrival
	came        uint64  // how many ever were in it
	readers     *waiter // ReadOnly requests that wait for the present holder
}

// waiter is one parked request. Its goroutine sleeps on ready.
type waiter struct {
	ready      chan turn // gets its turn, or ErrQueueFull; buffered
	save       bool      // it is a save: not counted, never refused
	number     uint64    // in the line, by arrival, from 1
	prev, next *waiter
}

func newGates(limit int) *gates {
	gs := &gates{limit: limit}
	for i := range gs.shards {
		gs.shards[i].m = make(map[StoreKey]*gate)
	}
	return gs
}

// lock returns the key's gate with its shard locked.
func (gs *gates) lock(key StoreKey) *gate {
	sh := &gs.shards[key[0]%gateShards]
	sh.mu.Lock()
	g := sh.m[key]
	if g == nil {
		g = &gate{shard: sh, key: key}
		sh.m[key] = g
	}
	return g
}

// unlock drops the gate if nobody needs it and unlocks its shard. A waiter
// that was let go may get here when the gate has been dropped already and the
// session has another.
func (g *gate) unlock() {
	if !g.taken && g.waiting == 0 && g.shard.m[g.key] == g {
		delete(g.shard.m, g.key)
	}
	g.shard.mu.Unlock()
}

// enter waits for the turn and returns the gate, to be given back with leave,
// and what comes with the turn. A save passes by the queue limit: a request
// that has done its work must not be refused.
func (gs *gates) enter(ctx context.Context, key StoreKey, save bool, told *waiting) (g *gate, t turn, waited bool, err error) {
	g = gs.lock(key)
	if !g.taken {
		g.taken = true
		g.unlock()
		return g, turn{}, false, nil
	}
	if gs.limit >= 0 && g.waiting >= gs.limit && !save {
		g.unlock()
		return nil, turn{}, false, ErrQueueFull
	}
	w := &waiter{ready: make(chan turn, 1), save: save}
	g.link(w)
	g.unlock()
	told.begin()

	select {
	case t = <-w.ready:
	case <-ctx.Done():
		g.shard.mu.Lock()
		select {
		case t = <-w.ready: // the turn came at the same moment
			g.unlock()
		default:
			g.unlink(w)
			g.unlock()
			return nil, turn{}, true, acquireEnded(ctx)
		}
	}
	switch {
	case t.err != nil:
		return nil, turn{}, true, t.err
	case ctx.Err() != nil: // who is no longer there passes it on
		g.leave(t)
		return nil, turn{}, true, acquireEnded(ctx)
	}
	return g, t, true, nil
}

// inLine returns the number of who came last of those who are in line; 0 if
// nobody is.
func (g *gate) inLine() uint64 {
	g.shard.mu.Lock()
	defer g.shard.mu.Unlock()
	if g.last == nil {
		return 0
	}
	return g.last.number
}

// link puts w at the end of the line. The shard is locked.
func (g *gate) link(w *waiter) {
	g.came++
	w.number = g.came
	if w.prev = g.last; w.prev != nil {
		w.prev.next = w
	} else {
		g.first = w
	}
	g.last = w
	if !w.save {
		g.waiting++
	}
}

// unlink takes w out of the line. The shard is locked.
func (g *gate) unlink(w *waiter) {
	if !w.save {
		g.waiting--
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		g.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		g.last = w.prev
	}
}

// hold notes that who has the turn has the lock: from now on ReadOnly requests
// wait for it here.
func (g *gate) hold() {
	g.shard.mu.Lock()
	g.holding = true
	g.shard.mu.Unlock()
}

// leave gives the turn, as t, to the next in line, and lets the readers go on.
func (g *gate) leave(t turn) {
	g.shard.mu.Lock()
	for w := g.readers; w != nil; w = w.next {
		g.waiting--
		w.ready <- turn{}
	}
	g.readers = nil
	w := g.first
	g.taken, g.holding = w != nil, false
	if w != nil {
		g.unlink(w)
		if h := t.handed; h != nil {
			h.late = w.number > h.last
			g.holding = h.fresh() // else the store is asked first
		}
		w.ready <- t
	}
	g.unlock()
	if w == nil {
		t.drop()
	}
}

// awaitHolder lets a ReadOnly request wait for the request of this process
// that holds the lock, if there is one. It waits for that one only, so that
// later writers cannot starve it (M2).
func (gs *gates) awaitHolder(ctx context.Context, key StoreKey, told *waiting) (waited bool, err error) {
	g := gs.lock(key)
	if !g.holding {
		g.unlock()
		return false, nil
	}
	if gs.limit >= 0 && g.waiting >= gs.limit {
		g.unlock()
		return false, ErrQueueFull
	}
	w := &waiter{ready: make(chan turn, 1), next: g.readers}
	if w.next != nil {
		w.next.prev = w
	}
	g.readers = w
	g.waiting++
	g.unlock()
	told.begin()

	select {
	case <-w.ready:
		return true, nil
	case <-ctx.Done():
	}
	g.shard.mu.Lock()
	select {
	case <-w.ready:
	default:
		if w.prev != nil {
			w.prev.next = w.next
		} else {
			g.readers = w.next
		}
		if w.next != nil {
			w.next.prev = w.prev
		}
		g.waiting--
	}
	g.unlock()
	return true, acquireEnded(ctx)
}

// wait counts a request that waits for another process. For who has the turn
// (first) there is always room, since it came before those in line: if the
// queue is full, the one that came last has to go.
func (gs *gates) wait(key StoreKey, first bool) (done func(), err error) {
	g := gs.lock(key)
	defer g.unlock()
	if gs.limit >= 0 && g.waiting >= gs.limit && (!first || !g.refuseLast()) {
		return nil, ErrQueueFull
	}
	g.waiting++
	return func() {
		g.shard.mu.Lock()
		g.waiting--
		g.unlock()
	}, nil
}

// refuseLast refuses the request that came last and reports whether there was
// one that can be refused. The shard is locked.
func (g *gate) refuseLast() bool {
	for w := g.last; w != nil; w = w.prev {
		if !w.save {
			g.unlink(w)
			w.ready <- turn{err: ErrQueueFull}
			return true
		}
	}
	return false
}
