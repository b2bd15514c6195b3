package cosmosstore

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	session "github.com/sessionstate/sessionstate/core"
)

// MaxData is the most that a record's Data may have, in bytes. The service
// takes documents of up to 2 MB of JSON, in which four bytes stand for three.
const MaxData = 1_500_000

var errLostSwap = errors.New("an answer was lost, and the record is locked now: make the call again, as a repeat")

var errNextWithoutKeep = errors.New("a lock that is handed on needs a lease: Commit.Next without Commit.Keep")

var errText = errors.New("Record.Owner and Record.Namespace have to be UTF-8: the service would change them")

// fits says whether the service keeps rec as it is.
func (s *Store) fits(rec session.Record) error {
	if !utf8.ValidString(rec.Owner) || !utf8.ValidString(rec.Namespace) {
		return errText
	}
	if len(rec.Data) > s.most {
		return fmt.Errorf("%w: %d bytes, and a document holds %d", session.ErrTooLarge, len(rec.Data), s.most)
	}
	return nil
}

// Create implements session.Store: one round trip. A key whose former record
// has Events and has not been reported yet is ErrExists until it has.
func (s *Store) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	a := s.begin(ctx, "create")
	if err := s.fits(rec); err != nil {
		return a.fail(err)
	}
	for {
		now := s.clock.now()
		l := freed(now)
		if token != (session.Token{}) {
			l = lock{hexToken(token), now, now + millis(lease)}
		}
		d := newDocument(key, rec, l, now)
		err := a.create(d)
		if errors.Is(err, errPresent) {
			err = a.createOver(d, rec)
		}
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errRefused) && !errors.Is(err, errAbsent):
			return a.fail(err)
		}
		if err := a.again(); err != nil {
			return a.fail(err)
		}
	}
}

// createOver creates d where there is a document already, if that is dead or
// d itself. errRefused and errAbsent: it has changed meanwhile.
func (a *attempt) createOver(d *document, rec session.Record) error {
	old, err := a.find(d.ID, func(old *document) bool {
		return !a.doubts(rec) || old.knows(rec.Write) || !old.live(a.s.clock.now())
	})
	if err != nil {
		return err
	}
	now := a.s.clock.now()
	switch {
	case old.knows(rec.Write):
		return nil
	case old.live(now), old.renewed(now):
		if a.doubts(rec) && !old.knowsAll() {
			return session.ErrOutcomeUnknown
		}
		return session.ErrExists
	}
	return a.replaceDead(d, old, now)
}

// doubts says whether the write of rec may have been made before.
func (a *attempt) doubts(rec session.Record) bool { return rec.Repeat || a.unsure }

// replaceDead puts d in the place of a document that is not live.
func (a *attempt) replaceDead(d, old *document, now int64) error {
	switch {
	case old.reportable(now), old.State == statePending:
		return session.ErrExists
	case old.State == stateMoved:
		// Where it has moved to may still need it to tell that it has.
		if _, err := a.find(old.Move.To, anything); err != nil && !errors.Is(err, errAbsent) {
			return err
		}
	}
	return a.replace(d, old.ETag)
}

// Save implements session.Store: one patch, except that a move costs four round
// trips, and three are needed where the record's timeouts or Events change.
func (s *Store) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	a := s.begin(ctx, "save")
	if how.Next != (session.Token{}) && how.Keep <= 0 {
		return a.fail(errNextWithoutKeep)
	}
	if err := s.fits(rec); err != nil {
		return a.fail(err)
	}
	var err error
	if how.MoveTo != (session.StoreKey{}) {
		err = a.move(hexKey(key), rec, token, how)
	} else {
		err = a.save(hexKey(key), rec, token, how)
	}
	if err != nil {
		return a.fail(err)
	}
	return nil
}

func (a *attempt) save(id string, rec session.Record, token session.Token, how session.Commit) error {
	var read *document // as it was found, if the first patch was refused
	for {
		if token != (session.Token{}) {
			now := a.s.clock.now()
			p := a.rewrite(rec, read, now, how.Keep, isLive(now), isHeldBy(token))
			switch {
			case how.Next != session.Token{}:
				p.set("/lock", lock{hexToken(how.Next), now, now + millis(how.Keep)})
			case how.Keep > 0:
				p.set("/lock/until", now+millis(how.Keep))
			default:
				p.set("/lock", freed(now))
			}
			if _, err := a.patch(id, p, false); err == nil {
				return nil
			} else if !errors.Is(err, errRefused) && !errors.Is(err, errAbsent) {
				return err
			}
		}
		d, err := a.find(id, a.s.savable(rec, token))
		if errors.Is(err, errAbsent) {
			return a.lost(rec, nil)
		}
		if err != nil {
			return err
		}
		switch now := a.s.clock.now(); {
		case d.knows(rec.Write):
			return nil
		case !d.live(now) || !d.holds(token):
			return a.lost(rec, d)
		}
		read = d
		if err := a.again(); err != nil {
			return err
		}
	}
}

// savable says of a document that a Save of rec under token can go on with it,
// or has been done.
func (s *Store) savable(rec session.Record, token session.Token) func(*document) bool {
	return func(d *document) bool {
		return d.knows(rec.Write) || d.live(s.clock.now()) && d.holds(token)
	}
}

// lost is what a Save returns whose token does not hold d, which may be nil.
func (a *attempt) lost(rec session.Record, d *document) error {
	if a.doubts(rec) && (d == nil || !d.live(a.s.clock.now()) || !d.knowsAll()) {
		return session.ErrOutcomeUnknown
	}
	return session.ErrLockLost
}

// rewrite returns a patch that replaces what a caller may replace, under the
// conditions, if rec has not been written before. Without the document as read
// it works only where rec's times and Events are those of the document.
func (a *attempt) rewrite(rec session.Record, read *document, now int64, keep time.Duration, conditions ...string) *patch {
	conditions = append(conditions, isUnknown(rec.Write))
	if read == nil {
		conditions = append(conditions, hasPolicy(rec))
	} else {
		conditions = append(conditions, isAsRead(read))
	}
	p := newPatch(conditions...).set("/body", newBody(rec)).set("/ttl", ttlOf(rec, keep)).note(rec.Write)
	if read == nil {
		return p.set("/life/seen", now)
	}
	l := read.rewritten(rec, now)
	p.set("/life", l)
	switch {
	case rec.Events:
		p.set("/report", l.expires())
	case read.Report != 0:
		p.AppendRemove("/report")
	}
	return p
}

// rewritten returns the life of d after a write of rec.
func (d *document) rewritten(rec session.Record, now int64) life {
	if d.Body.Idle == nanos(rec.IdleTimeout) && d.Body.Refresh == nanos(rec.Refresh) && d.Body.Lifetime == nanos(rec.Lifetime) {
		return d.Life.use(now)
	}
	return newLife(rec, d.Created, now)
}

// Swap implements session.Store: one patch, three round trips where the
// record's timeouts or Events change.
func (s *Store) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	a := s.begin(ctx, "swap")
	if err := s.fits(rec); err != nil {
		return a.fail(err)
	}
	err := a.swap(hexKey(key), rec, old)
	var locked *session.LockedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &locked):
		return locked
	}
	return a.fail(err)
}

func (a *attempt) swap(id string, rec session.Record, old session.WriteID) error {
	var read *document
	for {
		now := a.s.clock.now()
		p := a.rewrite(rec, read, now, 0, isLive(now), isFree(now), "c.body.write = '"+hexWrite(old)+"'").
			set("/lock", freed(now))
		if _, err := a.patch(id, p, false); err == nil {
			return nil
		} else if !errors.Is(err, errRefused) && !errors.Is(err, errAbsent) {
			return err
		}
		repeat := a.doubts(rec)
		d, err := a.find(id, func(d *document) bool {
			// A conflict that was none is found out by who tries again, unless
			// it is with an earlier attempt of this very call.
			return d.knows(rec.Write) || d.live(a.s.clock.now()) && (d.write() == old || !repeat)
		})
		now = a.s.clock.now()
		switch {
		case err == nil && d.knows(rec.Write):
			return nil
		case errors.Is(err, errAbsent), err == nil && !d.live(now):
			if repeat {
				return session.ErrOutcomeUnknown
			}
			return session.ErrNotFound
		case err != nil:
			return err
		case d.write() != old:
			// Had the first attempt taken effect, it would be newer than old.
			if repeat && !d.knowsAll() && !d.knows(old) {
				return session.ErrOutcomeUnknown
			}
			return session.ErrConflict
		case d.locked(now) && a.unsure && !rec.Repeat:
			// The attempt whose answer was lost may arrive when the lock is
			// gone. Only who says that this is a repeat reckons with that.
			return unavailable(errLostSwap)
		case d.locked(now):
			return &session.LockedError{LockInfo: d.lockInfo(now)}
		}
		read = d
		if err := a.again(); err != nil {
			return err
		}
	}
}
