package cosmosstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
)

// Store is a session.Store on a container of Azure Cosmos DB. It is safe for
// concurrent use, by any number of processes that share the container. It
// starts no goroutine of its own.
type Store struct {
	cfg         Config
	client      *azcosmos.Client // made by Open, and closed with the Store; else nil
	closeIdle   func()           // closes idle connections, if they are the Store's
	container   *azcosmos.ContainerClient
	property    string // that holds the partition key; "" where it is the id
	partitions  int    // 0: each document is one of its own
	consistency *azcosmos.ConsistencyLevel
	most        int // bytes of Data: MaxData, except in tests

	clock  *clock
	tokens sessionTokens

	// events says whether the last record that was to be removed had Events,
	// which is mostly the same for all of a service: Remove guesses by it.
	events atomic.Bool

	prepared atomic.Bool // the account and the container are as they have to be
	warned   atomic.Bool // that they are so no more
}

var (
	_ session.Store      = (*Store)(nil)
	_ session.OwnerIndex = (*Store)(nil)
	_ session.Pinger     = (*Store)(nil)
)

var errZeroToken = errors.New("the zero token names nobody")

// Acquire implements session.Store: one patch. A record that is held costs one
// read more, which says by whom.
func (s *Store) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	a := s.begin(ctx, "acquire")
	if token == (session.Token{}) {
		return session.Record{}, a.fail(errZeroToken)
	}
	d, err := a.acquire(hexKey(key), token, lease)
	var locked *session.LockedError
	switch {
	case errors.As(err, &locked):
		return session.Record{}, locked
	case err != nil:
		return session.Record{}, a.fail(err)
	}
	return d.record(s.clock.now()), nil
}

func (a *attempt) acquire(id string, token session.Token, lease time.Duration) (*document, error) {
	// Whether the token's own lock is renewed, whose age goes on, is not known
	// at first; a record that seems free is taken.
	stays := stay(lease)
	for {
		now := a.s.clock.now()
		p := newPatch(append(stays, isLive(now), isFree(now), isUnchangedSince(now))...).
			set("/lock", lock{hexToken(token), now, now + millis(lease)}).
			set("/life/seen", now)
		d, err := a.patch(id, p, true)
		if err == nil || !errors.Is(err, errRefused) {
			return d, absent(err)
		}
		if d, err = a.find(id, a.s.serves); err != nil {
			return nil, absent(err)
		}
		now = a.s.clock.now()
		if err := d.missing(now); err != nil {
			return nil, err
		}
		if d.locked(now) && !d.holds(token) {
			return nil, &session.LockedError{LockInfo: d.lockInfo(now)}
		}
		conditions := []string{isLive(now)}
		ttl := d.staying(lease)
		if ttl != d.TTL { // another write may have given it a longer one
			conditions = append(conditions, isWrittenAs(d))
		}
		if d.locked(now) { // a repeat (S4)
			p = newPatch(append(conditions, isHeldBy(token), endsAsRead(d))...).set("/lock/until", now+millis(lease))
		} else {
			p = newPatch(append(conditions, isFree(now), isLockedAs(d))...).set("/lock", lock{hexToken(token), now, now + millis(lease)})
		}
		if ttl != d.TTL {
			p.set("/ttl", ttl)
		}
		d, err = a.patch(id, p.set("/life/seen", now), true)
		if err == nil || !errors.Is(err, errRefused) {
			return d, absent(err)
		}
		if err := a.again(); err != nil {
			return nil, err
		}
	}
}

// absent returns err as the Store's callers know it.
func absent(err error) error {
	if errors.Is(err, errAbsent) {
		return session.ErrNotFound
	}
	return err
}

// stay returns the condition that a long lease needs; none for the usual one.
func stay(lease time.Duration) []string {
	if lease <= lingering {
		return nil
	}
	return []string{staysFor(seconds(plus(lease, lingering)))}
}

// staying returns the ttl of a document that is locked for lease from now on.
func (d *document) staying(lease time.Duration) int64 {
	if d.TTL < 0 || lease <= lingering {
		return d.TTL
	}
	return max(d.TTL, seconds(plus(lease, lingering)))
}

// Load implements session.Store: one read, which costs a tenth of a patch.
// Nobody is woken by this store, so there is nothing to register.
func (s *Store) Load(ctx context.Context, key session.StoreKey, _ bool) (session.Record, error) {
	a := s.begin(ctx, "load")
	d, err := a.find(hexKey(key), s.serves)
	if err != nil {
		return session.Record{}, a.fail(absent(err))
	}
	now := s.clock.now()
	if err := d.missing(now); err != nil {
		return session.Record{}, a.fail(err)
	}
	rec := d.record(now)
	if d.locked(now) {
		info := d.lockInfo(now)
		rec.Lock = &info
	}
	return rec, nil
}

// serves says whether who asks for d gets a session, or is sent on.
func (s *Store) serves(d *document) bool {
	return !errors.Is(d.missing(s.clock.now()), session.ErrNotFound)
}

// strong says whether a read misses nothing.
func (s *Store) strong() bool {
	return s.consistency != nil && *s.consistency == azcosmos.ConsistencyLevelStrong
}

// Release implements session.Store: one patch.
func (s *Store) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	a := s.begin(ctx, "release")
	if token == (session.Token{}) {
		return nil
	}
	id := hexKey(key)
	for {
		_, err := a.patch(id, newPatch("c.state = 'live'", isHeldBy(token)).set("/lock", freed(s.clock.now())), false)
		switch {
		case err == nil, errors.Is(err, errAbsent):
			return nil
		case !errors.Is(err, errRefused):
			return a.fail(err)
		}
		switch d, err := a.find(id, anything); {
		case errors.Is(err, errAbsent), errors.Is(err, session.ErrCorrupt):
			return nil
		case err != nil:
			return a.fail(err)
		case d.State != stateLive || !d.holds(token):
			return nil
		}
		if err := a.again(); err != nil {
			return a.fail(err)
		}
	}
}

// Extend implements session.Store: one patch.
func (s *Store) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	a := s.begin(ctx, "extend")
	if token == (session.Token{}) {
		return a.fail(session.ErrLockLost)
	}
	id := hexKey(key)
	conditions := stay(lease)
	ttl := int64(0)    // leave it as it is
	var read *document // as it was found, if the first patch was refused
	for {
		now := s.clock.now()
		until := now + millis(lease)
		// A request that is kept back on its way must not take away what a later
		// one has given. To shorten the lease takes knowing it.
		ends := "c.lock.until <= " + number(until)
		if read != nil {
			ends = endsAsRead(read)
		}
		p := newPatch(append(conditions, isHolding(token, now), ends)...).set("/lock/until", until)
		if ttl != 0 {
			p.set("/ttl", ttl)
		}
		_, err := a.patch(id, p, false)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errAbsent):
			return a.fail(session.ErrLockLost)
		case !errors.Is(err, errRefused):
			return a.fail(err)
		}
		d, err := a.find(id, func(d *document) bool { return d.holding(token, s.clock.now()) })
		now = s.clock.now()
		switch {
		case errors.Is(err, errAbsent):
			return a.fail(session.ErrLockLost)
		case err != nil:
			return a.fail(err)
		case !d.holding(token, now):
			return a.fail(session.ErrLockLost)
		}
		read = d
		if conditions, ttl = nil, 0; d.staying(lease) != d.TTL {
			conditions, ttl = []string{isWrittenAs(d)}, d.staying(lease)
		}
		if err := a.again(); err != nil {
			return a.fail(err)
		}
	}
}

// Touch implements session.Store: one patch if the expiry is due. If it is not,
// which the caller mostly knows, nothing is written, and a read tells why.
func (s *Store) Touch(ctx context.Context, key session.StoreKey) error {
	a := s.begin(ctx, "touch")
	id := hexKey(key)
	for {
		now := s.clock.now()
		_, err := a.patch(id, newPatch(isLive(now), isDue(now)).set("/life/seen", now), false)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errRefused):
			return a.fail(absent(err))
		}
		d, err := a.find(id, func(d *document) bool { return d.live(s.clock.now()) })
		now = s.clock.now()
		switch {
		case err != nil:
			return a.fail(absent(err))
		case !d.live(now):
			return a.fail(session.ErrNotFound)
		case !d.Life.due(now):
			return nil
		}
		if err := a.again(); err != nil {
			return a.fail(err)
		}
	}
}

// Ping implements session.Pinger: it reads a document that is not there.
func (s *Store) Ping(ctx context.Context) error {
	a := s.begin(ctx, "ping")
	_, err := a.read("ping")
	if err == nil || errors.Is(err, errAbsent) || errors.Is(err, session.ErrCorrupt) {
		return nil
	}
	return a.fail(err)
}
