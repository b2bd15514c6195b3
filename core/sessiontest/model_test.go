package sessiontest_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// maxSize is the most data that a model takes.
const maxSize = 64 << 10

// model is the store contract written down as plainly as it can be: one mutex,
// one map, every rule where it applies. The kit is proved against it, and
// against stores that are a model but for one fault.
type model struct {
	*tables
	ahead time.Duration // of the clock, to break S16
}

// tables is a model's data, which its views share.
type tables struct {
	mu       sync.Mutex
	entries  map[session.StoreKey]*entry
	watchers map[session.StoreKey][]chan struct{}
	aged     atomic.Int64 // by how many nanoseconds, by advance
}

func newModel() *model {
	return &model{tables: &tables{
		entries:  make(map[session.StoreKey]*entry),
		watchers: make(map[session.StoreKey][]chan struct{}),
	}}
}

// begin opens an operation, which ends with m.mu.Unlock.
func (m *model) begin(ctx context.Context) (now time.Time, err error) {
	m.mu.Lock()
	if err := ctx.Err(); err != nil {
		return now, fmt.Errorf("model: %w: %w", session.ErrUnavailable, err)
	}
	return m.now(), nil
}

func (m *model) now() time.Time { return time.Now().Add(m.ahead + time.Duration(m.aged.Load())) }

// advance makes all data older by d, where no bubble does it.
func (m *model) advance(d time.Duration) { m.aged.Add(int64(d)) }

// live returns the live entry under key, or nil.
func (m *model) live(key session.StoreKey, now time.Time) *entry {
	if e := m.entries[key]; e != nil && e.live(now) {
		return e
	}
	return nil
}

// find returns the live entry under key, or why there is none.
func (m *model) find(key session.StoreKey, now time.Time) (*entry, error) {
	e := m.entries[key]
	switch {
	case e == nil:
		return nil, session.ErrNotFound
	case now.Before(e.graceEnds):
		return nil, session.ErrRenewed
	case !e.live(now):
		return nil, session.ErrNotFound
	}
	return e, nil
}

func (m *model) wake(key session.StoreKey) {
	for _, c := range m.watchers[key] {
		select {
		case c <- struct{}{}:
		default: // a hint is waiting there already
		}
	}
}

func (m *model) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return session.Record{}, err
	}
	e, err := m.find(key, now)
	if err != nil {
		return session.Record{}, err
	}
	if e.leased(now) && !e.holds(token) {
		return session.Record{}, &session.LockedError{LockInfo: *e.lockInfo(now)}
	}
	e.lock(token, now, lease)
	e.extend(now)
	return e.record(now), nil
}

func (m *model) Load(ctx context.Context, key session.StoreKey, _ bool) (session.Record, error) {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return session.Record{}, err
	}
	e, err := m.find(key, now)
	if err != nil {
		return session.Record{}, err
	}
	rec := e.record(now)
	rec.Lock = e.lockInfo(now)
	return rec, nil
}

func (m *model) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if len(rec.Data) > maxSize {
		return session.ErrTooLarge
	}
	if e := m.entries[key]; e != nil {
		switch {
		case e.live(now):
			return e.refuse(rec, session.ErrExists)
		case now.Before(e.graceEnds), e.reported():
			return session.ErrExists
		}
	}
	e := new(entry)
	e.write(rec, now)
	if token != (session.Token{}) {
		e.lock(token, now, lease)
	}
	m.entries[key] = e
	return nil
}

func (m *model) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	moves := how.MoveTo != session.StoreKey{}
	e := m.live(key, now)
	if to := m.live(how.MoveTo, now); moves && to != nil && slices.Contains(to.writes, rec.Write) {
		return nil
	}
	switch old := m.entries[key]; {
	case e == nil && old != nil && now.Before(old.graceEnds):
		return old.refuse(rec, session.ErrLockLost)
	case e == nil && rec.Repeat:
		return session.ErrOutcomeUnknown
	case e == nil:
		return session.ErrLockLost
	case !e.holds(token), slices.Contains(e.writes, rec.Write):
		return e.refuse(rec, session.ErrLockLost)
	case len(rec.Data) > maxSize:
		return session.ErrTooLarge
	case moves:
		if _, err := m.find(how.MoveTo, now); err != session.ErrNotFound {
			return session.ErrExists
		}
	}
	e.write(rec, now)
	switch {
	case how.Next != session.Token{}:
		e.lock(how.Next, now, how.Keep)
	case how.Keep > 0:
		e.lock(token, now, how.Keep)
	default:
		e.unlock()
	}
	if moves {
		m.entries[how.MoveTo] = e
		m.entries[key] = &entry{
			rec:       session.Record{Namespace: e.rec.Namespace},
			writes:    slices.Clone(e.writes),
			many:      e.many,
			graceEnds: now.Add(how.Grace),
		}
	}
	m.wake(key)
	return nil
}

func (m *model) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	e := m.live(key, now)
	switch {
	case e == nil:
		return session.ErrNotFound
	case slices.Contains(e.writes, rec.Write):
		return nil
	}
	// While old is remembered, a Swap that followed it would be too.
	if slices.Contains(e.writes, old) {
		rec.Repeat = false
	}
	switch {
	case e.leased(now):
		return e.refuse(rec, &session.LockedError{LockInfo: *e.lockInfo(now)})
	case e.rec.Write != old:
		return e.refuse(rec, session.ErrConflict)
	case len(rec.Data) > maxSize:
		return session.ErrTooLarge
	}
	e.unlock()
	e.write(rec, now)
	return nil
}

func (m *model) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if e := m.live(key, now); e != nil && e.holds(token) {
		e.unlock()
		m.wake(key)
	}
	return nil
}

func (m *model) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	e := m.entries[key]
	if e == nil || !e.holds(token) || e.reason == session.EndDelete && !e.live(now) {
		return session.ErrLockLost
	}
	e.lock(token, now, lease)
	return nil
}

func (m *model) Touch(ctx context.Context, key session.StoreKey) error {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	e := m.live(key, now)
	if e == nil {
		return session.ErrNotFound
	}
	e.extend(now)
	return nil
}

func (m *model) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	e := m.entries[key]
	switch {
	case e == nil:
		return nil
	case now.Before(e.graceEnds):
		return session.ErrRenewed
	case !e.live(now):
		if e.reason != session.EndDelete && e.holds(token) && reason == session.EndDelete {
			delete(m.entries, key)
		}
		return nil
	case token != session.Token{} && !e.holds(token):
		return session.ErrLockLost
	}
	m.end(key, token, reason, now)
	return nil
}

// end removes a live record.
func (m *model) end(key session.StoreKey, token session.Token, reason session.EndReason, now time.Time) {
	e := m.entries[key]
	switch {
	case reason == session.EndDelete || !e.rec.Events:
		delete(m.entries, key)
	case token == session.Token{}:
		e.reason = reason
		e.unlock()
	default: // the lock becomes the claim
		e.reason, e.attempts = reason, 1
	}
	m.wake(key)
}

func (m *model) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) (got []session.Expired, err error) {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for key, e := range m.entries {
		switch {
		case e.rec.Namespace != namespace || e.live(now) || now.Before(e.graceEnds):
		case limit < 0 && !e.reported():
			delete(m.entries, key)
		case len(got) < limit && e.reported() && !e.leased(now):
			if e.reason == session.EndDelete {
				e.reason = session.EndExpired
			}
			e.attempts++
			e.lock(token, now, lease)
			rec := e.rec
			rec.Data = bytes.Clone(rec.Data)
			got = append(got, session.Expired{Key: key, Record: rec, Reason: e.reason, Attempts: e.attempts})
		}
	}
	return got, nil
}
