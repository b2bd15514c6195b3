package sqlstore

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	session "github.com/sessionstate/sessionstate/core"
)

// instant is a time by the database's clock, which may be infinity or
// -infinity.
type instant = pgtype.Timestamptz

// after says whether a is later than b, of which b is finite.
func after(a, b instant) bool {
	switch a.InfinityModifier {
	case pgtype.Infinity:
		return true
	case pgtype.NegativeInfinity:
		return false
	}
	return a.Time.After(b.Time)
}

// state is a row as far as rules are concerned: the phrase {state}.
type state struct {
	now               instant
	moved             bool
	reason            int16
	token             pgtype.UUID
	lockAt, lockUntil instant
	expires           instant
}

func (s *state) dest(more ...any) []any {
	return append([]any{&s.now, &s.moved, &s.reason, &s.token, &s.lockAt, &s.lockUntil, &s.expires}, more...)
}

// live says whether operations see the row as a session (S1). A live lease
// keeps it from expiring.
func (s *state) live() bool {
	return s.reason == 0 && !s.moved && (after(s.expires, s.now) || s.locked())
}

// renewed says whether the row is a tombstone within its Grace (S11).
func (s *state) renewed() bool { return s.moved && after(s.expires, s.now) }

// locked says whether a live lease is held.
func (s *state) locked() bool { return after(s.lockUntil, s.now) }

// holds says whether token holds the row, lapsed or not.
func (s *state) holds(token session.Token) bool {
	return token != session.Token{} && s.token.Bytes == token
}

// missing returns the error of those who ask for a session where none is.
func (s *state) missing() error {
	switch {
	case s.live():
		return nil
	case s.renewed():
		return session.ErrRenewed
	}
	return session.ErrNotFound
}

// lockInfo describes the live lock.
func (s *state) lockInfo() session.LockInfo {
	return session.LockInfo{
		Holder: session.Token(s.token.Bytes).Holder(),
		Age:    max(s.now.Time.Sub(s.lockAt.Time), 0),
		Left:   s.lockUntil.Time.Sub(s.now.Time),
	}
}

// expiresIn is what callers are told of the expiry. Under a lease that
// outlives the expiry it is what is left of the lease, since the record lives
// at least that long.
func (s *state) expiresIn() time.Duration { return expiresIn(s.expires, s.lockUntil, s.now) }

func expiresIn(expires, lockUntil, now instant) time.Duration {
	switch {
	case expires.InfinityModifier == pgtype.Infinity:
		return 0
	case after(expires, now):
		return expires.Time.Sub(now.Time)
	case after(lockUntil, now):
		return lockUntil.Time.Sub(now.Time)
	}
	return time.Microsecond // it lived when the statement looked, and now is a little later
}

// content is what a row keeps of a record: the phrase {record}.
type content struct {
	rec                     session.Record
	idle, refresh, lifetime int64
	write                   []byte
	created                 instant
}

func (c *content) dest(more ...any) []any {
	return append([]any{
		&c.rec.Data, &c.rec.Namespace, &c.rec.Owner, &c.rec.Events,
		&c.idle, &c.refresh, &c.lifetime, &c.write, &c.created,
	}, more...)
}

// record returns the record as last stored.
func (c *content) record() session.Record {
	rec := c.rec
	rec.IdleTimeout, rec.Refresh, rec.Lifetime = duration(c.idle), duration(c.refresh), duration(c.lifetime)
	copy(rec.Write[:], c.write)
	rec.Created = c.created.Time
	return rec
}

// microseconds returns d in the database's unit. What is more than nothing
// stays more than nothing, and what comes back is a Duration.
func microseconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return min((int64(d)-1)/int64(time.Microsecond)+1, math.MaxInt64/int64(time.Microsecond))
}

func duration(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// uuid returns a token as the database has it.
func uuid(t session.Token) pgtype.UUID { return pgtype.UUID{Bytes: t, Valid: true} }

// maxSize is the most data that a record may have: PostgreSQL's limit for a
// value is 1 GiB, and some ways to send it need twice the bytes.
const maxSize = 500 << 20

const maxText = 1000 // of a namespace or an owner: they are in indexes

// check returns what the database would refuse in rec.
func check(rec *session.Record) error {
	if len(rec.Data) > maxSize {
		return session.ErrTooLarge
	}
	return checkText(rec.Namespace, rec.Owner)
}

func checkText(texts ...string) error {
	for _, s := range texts {
		if len(s) > maxText || !utf8.ValidString(s) {
			return errBadText
		}
		for i := range len(s) {
			if s[i] == 0 {
				return errBadText
			}
		}
	}
	return nil
}

// args returns rec as the statements that write one take it, followed by more.
func args(key session.StoreKey, token any, rec *session.Record, more ...any) []any {
	data := rec.Data
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	return append([]any{
		key[:], token, data, rec.Owner, rec.Events,
		microseconds(rec.IdleTimeout), microseconds(rec.Refresh), microseconds(rec.Lifetime), rec.Write[:],
	}, more...)
}
