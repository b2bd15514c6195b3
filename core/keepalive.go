package session

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"
)

// keepAlive extends the life of sessions that are used without being written
// (M14): in the background, and at most once per RefreshInterval and session.
type keepAlive struct {
	m      *Manager
	shards [keepAliveShards]recentKeys
}

const (
	keepAliveShards = 16
	// recentLimit bounds a generation of a shard: 16 × 2 × 4,096 sessions
	// are remembered at most, in a few megabytes. A session that is forgotten
	// too early is touched once too often.
	recentLimit = 4096
)

// seed keys the hashes by which recent sessions are remembered, so that
// clients cannot choose IDs that collide.
var seed = maphash.MakeSeed()

// recentKeys remembers when sessions were last seen, in two generations: what
// is not seen again in the second is forgotten with it.
type recentKeys struct {
	mu      sync.Mutex
	now     map[uint64]time.Time
	before  map[uint64]time.Time
	rotated time.Time
}

func newKeepAlive(m *Manager) *keepAlive { return &keepAlive{m: m} }

// purpose keeps the reasons apart for which a session can be due: it is mixed
// into the hash of the ID.
type purpose uint64

const (
	// blindTouch: it is not known when the session expires.
	blindTouch purpose = 0x9e3779b97f4a7c15
	// dueTouch: the store said that less than the idle timeout is left.
	dueTouch purpose = 0xbf58476d1ce4e5b9
	// slideCookie: the client is told again how long it may keep its cookie.
	slideCookie purpose = 0x94d049bb133111eb
)

// due reports whether the session of that ID was not due for this purpose in
// this process within the last interval, and remembers that it now was. The
// interval is RefreshInterval at most.
func (k *keepAlive) due(id string, why purpose, interval time.Duration) bool {
	h := maphash.String(seed, id) ^ uint64(why)
	now := time.Now()
	r := &k.shards[h%keepAliveShards]
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.now[h]
	if !ok {
		last, ok = r.before[h]
	}
	if ok && now.Sub(last) < interval {
		return false
	}
	if r.now == nil || len(r.now) >= recentLimit || now.Sub(r.rotated) >= k.m.cfg.RefreshInterval {
		r.before, r.now, r.rotated = r.now, make(map[uint64]time.Time), now
	}
	r.now[h] = now
	return true
}

// forget makes the session due again.
func (k *keepAlive) forget(id string, why purpose) {
	h := maphash.String(seed, id) ^ uint64(why)
	r := &k.shards[h%keepAliveShards]
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.now, h)
	delete(r.before, h)
}

// touch extends the expiry of the session of that ID, which is due for this
// purpose, some time soon, off the request's path. If there is no room for it,
// the session stays due.
func (k *keepAlive) touch(id string, why purpose) {
	m, key := k.m, storeKey(k.m.cfg.Namespace, id)
	queued := m.background.do(func(ctx context.Context) {
		err := m.guard(func() error {
			return m.storeCall(ctx, "touch", func(ctx context.Context) error {
				return m.store.Touch(ctx, key)
			})
		})
		if !errors.Is(err, ErrNotFound) {
			m.failedInBackground(ctx, err)
		}
	}, false)
	if !queued {
		k.forget(id, why)
		m.failedInBackground(m.background.ctx, errTouchDropped)
	}
}

var errTouchDropped = errors.New("session: background: too much work is queued, a touch was dropped: sessions that are only read may end early if that goes on")
