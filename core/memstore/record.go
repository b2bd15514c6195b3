package memstore

import (
	"math"
	"slices"
	"time"
	"unique"

	session "github.com/sessionstate/sessionstate/core"
)

// instant is a time by the store's clock: nanoseconds since New, by the
// monotonic clock, so that a jump of the wall clock ends no lease and no
// session.
type instant int64

const (
	always instant = math.MinInt64 // long ago
	never  instant = math.MaxInt64
)

// add returns t+d, or never if that is too far away to be told.
func (t instant) add(d time.Duration) instant {
	if d > 0 && t > never-instant(d) {
		return never
	}
	return t + instant(d)
}

// sub returns t-u.
func (t instant) sub(u instant) time.Duration { return time.Duration(t - u) }

// policy is what the records of one kind have in common. Records share it as
// a unique.Handle: 8 bytes each, and the collector frees what nobody uses any
// more, however many timeouts a service thinks of.
type policy struct {
	namespace               string
	idle, refresh, lifetime time.Duration
}

// hold is a lock, or a claim of an ended record (S12). Its end does not clear
// it: a lapsed token holds until somebody else takes the record (S5).
type hold struct {
	token session.Token // never zero
	at    instant       // when the token took it
	until instant
}

// remembered is how many writes of a record are known by name (S6).
const remembered = 8

// record is a session, live or dead, or the tombstone of one that has moved.
// A million of them are kept in memory: mind the size class, 176 bytes.
type record struct {
	// key never changes, so that it can be read without a lock: a move makes
	// a new record and leaves this one as the tombstone.
	key session.StoreKey

	data    []byte
	policy  unique.Handle[policy]
	owner   *ownerSet // nil: nobody's
	created instant
	expires instant // of a tombstone: the end of its Grace
	lock    *hold   // nil: neither locked nor claimed

	ring [remembered]session.WriteID // the last writes, newest first

	pos      int32             // in its queue; -1: not filed
	gen      uint32            // the store's generation when it came under its key
	attempts uint16            // how often its end was claimed
	writes   uint8             // since Create; remembered+1 stands for more than remembered
	reason   session.EndReason // not zero: ended
	events   bool
	moved    bool // a tombstone
	reaped   bool // the claim in lock is Reap's, not Remove's
	awaited  bool // somebody was told that it is locked, and waits for that to end
}

// live says whether operations see r as a session (S1). A live lease keeps
// a record from expiring.
func (r *record) live(now instant) bool {
	return r != nil && r.reason == 0 && !r.moved && r.due() > now
}

// renewed says whether r is a tombstone within its Grace (S11).
func (r *record) renewed(now instant) bool {
	return r != nil && r.moved && r.expires > now
}

// due is when Reap may take r, unless something happens to it before.
func (r *record) due() instant {
	until := always
	if r.lock != nil {
		until = r.lock.until
	}
	if r.reason != 0 {
		return until
	}
	return max(r.expires, until)
}

// holds says whether token holds r, lapsed or not.
func (r *record) holds(token session.Token) bool {
	return r.lock != nil && r.lock.token == token
}

// locked says whether a live lock is held.
func (r *record) locked(now instant) bool {
	return r.lock != nil && r.lock.until > now
}

// lockInfo describes the live lock of r.
func (r *record) lockInfo(now instant) session.LockInfo {
	return session.LockInfo{
		Holder: r.lock.token.Holder(),
		Age:    now.sub(r.lock.at),
		Left:   r.lock.until.sub(now),
	}
}

// knows says whether w is among the writes that are remembered of r.
func (r *record) knows(w session.WriteID) bool {
	return r != nil && slices.Contains(r.ring[:min(r.writes, remembered)], w)
}

// knowsAll says whether all writes of r since its creation are remembered.
func (r *record) knowsAll() bool { return r.writes <= remembered }

// note remembers the write w as the last one.
func (r *record) note(w session.WriteID) {
	copy(r.ring[1:], r.ring[:])
	r.ring[0] = w
	r.writes = min(r.writes+1, remembered+1)
}

// fresh returns the expiry of a record that is used now (M14).
func (r *record) fresh(now instant) instant {
	p := r.policy.Value()
	at := never
	if p.idle > 0 {
		at = now.add(p.idle).add(max(p.refresh, 0))
	}
	if p.lifetime > 0 {
		at = min(at, r.created.add(p.lifetime))
	}
	return at
}

// slide extends the expiry if due.
func (r *record) slide(now instant) {
	if idle := r.policy.Value().idle; r.expires.sub(now) < idle {
		r.expires = max(r.expires, r.fresh(now))
	}
}

// expiresIn is what callers are told of the expiry. Under a lease that
// outlives the expiry it is what is left of the lease, since the record lives
// at least that long.
func (r *record) expiresIn(now instant) time.Duration {
	switch {
	case r.expires == never:
		return 0
	case r.expires > now:
		return r.expires.sub(now)
	}
	return r.due().sub(now)
}

// ownerName returns whose record it is.
func (r *record) ownerName() string {
	if r.owner == nil {
		return ""
	}
	return r.owner.id.owner
}
