package boltstore

import (
	"math"
	"slices"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// instant is nanoseconds since 1970, by the store's clock.
type instant int64

const never instant = math.MaxInt64

// add returns t+d, or never if that is too far away to be told.
func (t instant) add(d time.Duration) instant {
	if d > 0 && t > never-instant(d) {
		return never
	}
	return t + instant(d)
}

// remembered is how many writes of a record are known by name (S6).
const remembered = 8

// entry is a session, live or dead, or the tombstone of one that has moved, as
// the file has it. Its methods decide; none of them knows of the file.
type entry struct {
	Data                    []byte
	Namespace, Owner        string
	Events                  bool
	Idle, Refresh, Lifetime time.Duration

	Created, Expires instant // of a tombstone: the end of its Grace

	// The lock, or the claim of an ended record. Its end does not clear it: a
	// lapsed token holds until somebody else takes the record (S5).
	Token        session.Token
	Since, Until instant

	Writes []session.WriteID // the last ones, newest first
	Lost   bool              // there were more

	Reason   session.EndReason // not zero: ended
	Attempts int               // how often its end was claimed
	Reaped   bool              // the claim is Reap's, not Remove's
	Moved    bool              // a tombstone

	Filed instant // where the index of what is due has it; 0: nowhere
}

// live says whether operations see e as a session (S1).
func (e *entry) live(now instant) bool {
	return e != nil && e.Reason == 0 && !e.Moved && e.due() > now
}

// renewed says whether e is a tombstone within its Grace (S11).
func (e *entry) renewed(now instant) bool {
	return e != nil && e.Moved && e.Expires > now
}

// missing is the error of those who ask for a session where none is.
func (e *entry) missing(now instant) error {
	switch {
	case e.live(now):
		return nil
	case e.renewed(now):
		return session.ErrRenewed
	}
	return session.ErrNotFound
}

// due is when Reap may take e. A live lease keeps a record from expiring, and
// a claim keeps others from reporting an end.
func (e *entry) due() instant {
	if e.Reason != 0 {
		return e.Until
	}
	return max(e.Expires, e.Until)
}

// holds says whether token holds e, lapsed or not.
func (e *entry) holds(token session.Token) bool {
	return token != session.Token{} && e.Token == token
}

// locked says whether a live lock is held.
func (e *entry) locked(now instant) bool {
	return e.Token != session.Token{} && e.Until > now
}

// take gives the lock, or the claim, to token.
func (e *entry) take(token session.Token, now instant, lease time.Duration) {
	e.Token, e.Since, e.Until = token, now, now.add(lease)
}

// free takes the lock from whoever has it.
func (e *entry) free() { e.Token, e.Since, e.Until = session.Token{}, 0, 0 }

// lock describes the live lock.
func (e *entry) lock(now instant) session.LockInfo {
	return session.LockInfo{
		Holder: e.Token.Holder(),
		Age:    time.Duration(max(now-e.Since, 0)),
		Left:   time.Duration(e.Until - now),
	}
}

// knows says whether w is among the writes that are remembered of e.
func (e *entry) knows(w session.WriteID) bool { return e != nil && slices.Contains(e.Writes, w) }

// replace stores what a caller may replace, and remembers the write.
func (e *entry) replace(rec session.Record, now instant) {
	e.Data, e.Owner, e.Events = rec.Data, rec.Owner, rec.Events
	if e.Idle == rec.IdleTimeout && e.Refresh == rec.Refresh && e.Lifetime == rec.Lifetime {
		e.slide(now)
	} else {
		e.Idle, e.Refresh, e.Lifetime = rec.IdleTimeout, rec.Refresh, rec.Lifetime
		e.Expires = e.fresh(now)
	}
	e.Lost = e.Lost || len(e.Writes) == remembered
	e.Writes = slices.Insert(e.Writes, 0, rec.Write)
	e.Writes = e.Writes[:min(len(e.Writes), remembered)]
}

// fresh is the expiry of a record that is used now.
func (e *entry) fresh(now instant) instant {
	at := never
	if e.Idle > 0 {
		at = now.add(e.Idle).add(max(e.Refresh, 0))
	}
	if e.Lifetime > 0 {
		at = min(at, e.Created.add(e.Lifetime))
	}
	return at
}

// slide extends the expiry if due (M14): a record that is read all the time has
// its expiry written once per Refresh.
func (e *entry) slide(now instant) {
	if e.Expires < now.add(e.Idle) {
		e.Expires = max(e.Expires, e.fresh(now))
	}
}

// record returns e as callers see it.
func (e *entry) record(now instant) session.Record {
	rec := e.stored()
	if e.Expires != never {
		rec.ExpiresIn = time.Duration(max(e.Expires, e.Until) - now)
		if e.Expires > now {
			rec.ExpiresIn = time.Duration(e.Expires - now)
		}
	}
	return rec
}

// stored is record without what depends on the moment.
func (e *entry) stored() session.Record {
	return session.Record{
		Data: e.Data, Namespace: e.Namespace, Owner: e.Owner, Events: e.Events,
		IdleTimeout: e.Idle, Refresh: e.Refresh, Lifetime: e.Lifetime,
		Write: e.Writes[0], Created: time.Unix(0, int64(e.Created)),
	}
}
