package sessiontest_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
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
}

// entry is what a model has under a key: a record, live or not, or, with
// graceEnds set, what a move left behind.
type entry struct {
	rec     session.Record
	expires time.Time // zero: never

	token       session.Token // of the lock, or, if reason is set, of the claim
	lockedAt    time.Time
	lockedUntil time.Time

	writes []session.WriteID // the last 8, newest last
	many   bool              // there were more than those

	reason   session.EndReason // set: ended, or expired and claimed
	attempts int

	graceEnds time.Time
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

func (m *model) now() time.Time { return time.Now().Add(m.ahead) }

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

func (e *entry) live(now time.Time) bool {
	return e.graceEnds.IsZero() && e.reason == session.EndDelete && (e.leased(now) || !e.due(now))
}

// due says that the expiry has passed, which a live lease puts off.
func (e *entry) due(now time.Time) bool { return !e.expires.IsZero() && !now.Before(e.expires) }

func (e *entry) leased(now time.Time) bool {
	return e.token != session.Token{} && now.Before(e.lockedUntil)
}

func (e *entry) lock(token session.Token, now time.Time, lease time.Duration) {
	if e.token != token || !e.leased(now) {
		e.lockedAt = now
	}
	e.token, e.lockedUntil = token, now.Add(lease)
}

func (e *entry) unlock() { e.token, e.lockedUntil = session.Token{}, time.Time{} }

// holds says whether token holds the entry's lock or claim, lapsed or not.
func (e *entry) holds(token session.Token) bool {
	return token != session.Token{} && e.token == token
}

func (e *entry) lockInfo(now time.Time) *session.LockInfo {
	if !e.leased(now) {
		return nil
	}
	return &session.LockInfo{Holder: e.token.Holder(), Age: now.Sub(e.lockedAt), Left: e.lockedUntil.Sub(now)}
}

// fullExpiry is the expiry of a record that is used now.
func (e *entry) fullExpiry(now time.Time) (t time.Time) {
	if e.rec.Lifetime > 0 {
		t = e.rec.Created.Add(e.rec.Lifetime)
	}
	if e.rec.IdleTimeout > 0 {
		if idle := now.Add(e.rec.IdleTimeout + e.rec.Refresh); t.IsZero() || idle.Before(t) {
			t = idle
		}
	}
	return t
}

// extend extends the sliding expiry if due (M14).
func (e *entry) extend(now time.Time) {
	full := e.fullExpiry(now)
	if e.rec.IdleTimeout > 0 && e.expires.Sub(now) < e.rec.IdleTimeout && full.After(e.expires) {
		e.expires = full
	}
}

func (e *entry) expiresIn(now time.Time) time.Duration {
	if e.expires.IsZero() {
		return 0
	}
	return max(e.expires.Sub(now), e.lockedUntil.Sub(now), 1)
}

// write stores a record: the first one if there is none yet.
func (e *entry) write(rec session.Record, now time.Time) {
	first := e.rec.Created.IsZero()
	anew := first || rec.IdleTimeout != e.rec.IdleTimeout || rec.Refresh != e.rec.Refresh || rec.Lifetime != e.rec.Lifetime
	rec.Created, rec.ExpiresIn, rec.Lock, rec.Repeat = e.rec.Created, 0, nil, false
	if first {
		rec.Created = now
	} else {
		rec.Namespace = e.rec.Namespace
	}
	rec.Data = bytes.Clone(rec.Data)
	e.rec = rec
	if anew {
		e.expires = e.fullExpiry(now)
	} else {
		e.extend(now)
	}
	e.writes = append(e.writes, rec.Write)
	if len(e.writes) > 8 {
		e.writes, e.many = slices.Clone(e.writes[1:]), true
	}
}

// refuse answers a write that cannot be done with what S6 says: nil if it is
// remembered, else plain, unless that cannot be told.
func (e *entry) refuse(rec session.Record, plain error) error {
	switch {
	case slices.Contains(e.writes, rec.Write):
		return nil
	case rec.Repeat && e.many:
		return session.ErrOutcomeUnknown
	}
	return plain
}

func (e *entry) record(now time.Time) session.Record {
	rec := e.rec
	rec.Data = bytes.Clone(rec.Data)
	rec.ExpiresIn = e.expiresIn(now)
	return rec
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

// reported says that the entry's end must be reported before it goes.
func (e *entry) reported() bool { return e.graceEnds.IsZero() && e.rec.Events }

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

func (m *model) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wake := make(chan struct{}, 1)
	m.watchers[key] = append(m.watchers[key], wake)
	return wake, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.watchers[key] = slices.DeleteFunc(m.watchers[key], func(c chan struct{}) bool { return c == wake })
	}
}

// infos lists the live records of a namespace, oldest first.
func (m *model) infos(namespace string, now time.Time) (infos []session.Info) {
	for key, e := range m.entries {
		if e.rec.Namespace == namespace && e.live(now) {
			infos = append(infos, session.Info{
				Key: key, Owner: e.rec.Owner, Created: e.rec.Created, ExpiresIn: e.expiresIn(now),
				Locked: e.leased(now), Size: len(e.rec.Data),
			})
		}
	}
	slices.SortFunc(infos, func(a, b session.Info) int { return a.Created.Compare(b.Created) })
	return infos
}

func (m *model) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil || owner == "" {
		return nil, err
	}
	return slices.DeleteFunc(m.infos(namespace, now), func(i session.Info) bool { return i.Owner != owner }), nil
}

func (m *model) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, except ...session.StoreKey) (n int, err error) {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil || owner == "" {
		return 0, err
	}
	for _, info := range m.infos(namespace, now) {
		if info.Owner == owner && !slices.Contains(except, info.Key) {
			m.end(info.Key, session.Token{}, reason, now)
			n++
		}
	}
	return n, nil
}

func (m *model) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		now, err := m.begin(ctx)
		infos := m.infos(namespace, now)
		m.mu.Unlock()
		if err != nil {
			yield(session.Info{}, err)
			return
		}
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (m *model) Ping(ctx context.Context) error {
	_, err := m.begin(ctx)
	defer m.mu.Unlock()
	return err
}
