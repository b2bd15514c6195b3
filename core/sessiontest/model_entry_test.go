package sessiontest_test

import (
	"bytes"
	"slices"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

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

// reported says that the entry's end must be reported before it goes.
func (e *entry) reported() bool { return e.graceEnds.IsZero() && e.rec.Events }
