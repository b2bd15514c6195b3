package cosmosstore

import (
	"errors"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// A move takes a record to another key (S11), and so to another document in
// another partition, which no transaction spans. It takes four steps:
//
//  1. read the old document;
//  2. create the new one, complete, but pending: it is nobody's session yet;
//  3. make the old one a tombstone that names the new key and the write. This
//     patch is the commit point: it decides, under the same conditions as a
//     plain Save, whether there was a move at all;
//  4. settle the new one: make it live.
//
// Who finds a pending document looks at the old one, which tells whether the
// move was committed: it settles the document, or takes it for absent. So after
// a crash the record is served under the new key if step 3 was done, and under
// the old one if not:
//
//   - after 1: nothing has happened;
//   - after 2: the old document is a session as before; a repeat finds the
//     pending one, and uses it; else the database deletes it when its ttl ends;
//   - after 3: the first who asks for the new key settles it. The tombstone
//     outlives the session that depends on it, and is not replaced before that
//     is settled;
//   - after 4: all is done.
//
// A pending document is replaced or taken away only when the move that made it
// can no longer be committed, which is when its token has lost the lock.

// move is Save with Commit.MoveTo.
func (a *attempt) move(id string, rec session.Record, token session.Token, how session.Commit) error {
	to := hexKey(how.MoveTo)
	for {
		old, err := a.find(id, a.s.savable(rec, token))
		switch {
		case errors.Is(err, errAbsent):
			return a.lostMove(to, rec, nil)
		case err != nil:
			return err
		}
		now := a.s.clock.now()
		switch {
		case old.knows(rec.Write):
			return nil // and whoever asks for the new key settles it
		case !old.live(now) || !old.holds(token):
			return a.lostMove(to, rec, old)
		}
		next := old.moved(to, rec, how, now)
		err = a.create(next)
		if errors.Is(err, errPresent) {
			var committed bool
			if committed, err = a.moveOver(next, rec); committed {
				return nil
			}
		}
		if err == nil {
			err = a.commit(old, next, rec, token, how, now)
		}
		switch {
		case err == nil:
			// It is done; that the other end knows can wait for who needs it.
			_, _ = a.settled(next)
			return nil
		case !errors.Is(err, errRefused) && !errors.Is(err, errAbsent):
			return err
		}
		if err := a.again(); err != nil {
			return err
		}
	}
}

// moved returns the document that d becomes under another key.
func (d *document) moved(to string, rec session.Record, how session.Commit, now int64) *document {
	next := *d
	next.ID, next.ETag = to, ""
	next.State = statePending
	next.Move = &move{From: d.ID}
	next.Body = newBody(rec)
	next.Life = d.rewritten(rec, now)
	next.TTL = ttlOf(rec, how.Keep)
	next.Report = 0
	if rec.Events {
		next.Report = next.Life.expires()
	}
	switch {
	case how.Next != session.Token{}:
		next.Lock = lock{hexToken(how.Next), now, now + millis(how.Keep)}
	case how.Keep > 0:
		next.Lock.Until = now + millis(how.Keep)
	default:
		next.Lock = freed(now)
	}
	next.note(rec.Write)
	return &next
}

// moveOver makes next take the place of what stands under its key, if that is
// dead, or of an earlier attempt at the same move. It says whether such an
// attempt was committed. errRefused and errAbsent: it has changed meanwhile.
func (a *attempt) moveOver(next *document, rec session.Record) (committed bool, err error) {
	there, err := a.find(next.ID, anything)
	if err != nil {
		return false, err
	}
	now := a.s.clock.now()
	switch {
	case there.knows(rec.Write) && there.State != statePending:
		return true, nil
	case there.knows(rec.Write) && there.Move.From == next.Move.From:
		if there.Written == next.Written && there.Lock == next.Lock && there.Life == next.Life {
			return false, nil // it is what this attempt has made
		}
		return false, a.replace(next, there.ETag)
	case there.live(now), there.renewed(now):
		return false, session.ErrExists
	}
	return false, a.replaceDead(next, there, now)
}

// commit makes old the tombstone of the move to next.
func (a *attempt) commit(old, next *document, rec session.Record, token session.Token, how session.Commit, now int64) error {
	grace := max(how.Grace, 0)
	ttl := next.TTL // as long as the session may need it, see settled
	if ttl >= 0 {
		ttl = seconds(plus(max(time.Duration(ttl)*time.Second, grace), lingering))
	}
	p := newPatch(isLive(now), isHeldBy(token), isUnknown(rec.Write), isAsRead(old)).
		set("/state", stateMoved).
		set("/move", move{To: next.ID, Grace: now + millis(grace)}).
		set("/body", body{Data: []byte{}, Write: hexWrite(rec.Write), Owner: rec.Owner}). // listings follow it
		set("/lock", lock{}).
		set("/ttl", ttl).
		note(rec.Write)
	if old.Report != 0 {
		p.AppendRemove("/report")
	}
	_, err := a.patch(old.ID, p, false)
	return err
}

// lostMove is what a move returns whose token does not hold the old document,
// which may be nil: the error of a Save, unless the move has happened.
func (a *attempt) lostMove(to string, rec session.Record, old *document) error {
	there, err := a.find(to, func(d *document) bool { return d.knows(rec.Write) })
	switch {
	case errors.Is(err, errAbsent):
	case err != nil:
		return err
	case there.State == statePending && there.knows(rec.Write):
		// Nothing can commit it any more. Where this fails its ttl helps.
		_, _ = a.aside(to, newPatch(isPending(rec.Write)).vanish())
	case there.knows(rec.Write):
		return nil
	}
	return a.lost(rec, old)
}

// settle returns a pending document as it is when its move is looked into:
// live if that was committed, and else as it was, which is as good as absent.
func (a *attempt) settle(d *document) (*document, error) {
	old, err := a.fresh(d.Move.From)
	switch {
	case errors.Is(err, errAbsent), errors.Is(err, errRefused):
		return d, nil
	case err != nil:
		return nil, err
	case old.State != stateMoved || old.Move.To != d.ID || !old.knows(d.write()):
		return d, nil
	}
	return a.settled(d)
}

// settled makes a document live whose move was committed. The tombstone, which
// has told so, is not needed any more but for its Grace: where it would stay for
// very long, it is left to the database.
func (a *attempt) settled(d *document) (*document, error) {
	live, err := a.aside(d.ID, newPatch(isPending(d.write())).set("/state", stateLive))
	if errors.Is(err, errRefused) { // somebody else has settled it
		return a.fresh(d.ID)
	}
	if err == nil && (live.TTL < 0 || live.TTL > seconds(reporting)) {
		// Where this fails it is litter, and nothing more.
		_, _ = a.aside(live.Move.From, newPatch(isMovedTo(live.ID), "c.move.grace <= "+number(a.s.clock.now()+millis(reporting))).
			set("/ttl", seconds(reporting)))
	}
	return live, err
}
