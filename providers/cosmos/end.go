package cosmosstore

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	session "github.com/sessionstate/sessionstate/core"
)

// forgetting is how long an empty document stays where a record was removed. As
// long as it does, the first attempt of a Create that was repeated cannot arrive
// and bring the record back: nothing but a document of its key keeps it out.
const forgetting = 5 * time.Minute

// vanish makes p empty a document and leave it to the database, which deletes
// it within minutes. A patch takes a condition, which a deletion does not.
func (p *patch) vanish() *patch {
	return p.set("/state", stateGone).
		set("/body", body{Data: []byte{}}).
		set("/lock", lock{}).
		set("/writes", make([]string, remembered)).
		set("/ttl", seconds(forgetting))
}

// Remove implements session.Store: one patch. Where a reason is given and it
// has to be found out whether the record has Events, it is three round trips,
// once for a service whose records agree in that.
//
// Under a claim that Reap gave, any reason deletes the record. Under the claim
// that a Remove left behind, only EndDelete does: the same Remove again is a
// repeat, after which the end is still to be reported.
func (s *Store) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	a := s.begin(ctx, "remove")
	_, err := a.remove(hexKey(key), token, reason)
	if err == nil || errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return a.fail(err)
}

// movedError is the error of a remove that finds the record moved: what those who
// ask for it get.
type movedError struct{ error }

func (e movedError) Unwrap() error { return e.error }

// remove says whether it was this call that ended the record.
func (a *attempt) remove(id string, token session.Token, reason session.EndReason) (bool, error) {
	events := a.s.events.Load()
	for {
		_, err := a.patch(id, removal(token, reason, events, a.s.clock.now()), false)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, errAbsent):
			return a.unsure, nil
		case !errors.Is(err, errRefused):
			return false, err
		}
		d, err := a.find(id, func(d *document) bool {
			now := a.s.clock.now()
			return d.State == stateMoved || d.live(now) && token == session.Token{} || d.holding(token, now)
		})
		switch {
		case errors.Is(err, errAbsent):
			return a.unsure, nil
		case err != nil:
			return false, err
		}
		switch now := a.s.clock.now(); {
		case d.State == stateMoved:
			return false, movedError{d.missing(now)}
		case d.live(now) && token != session.Token{} && !d.holds(token):
			return false, session.ErrLockLost
		case d.live(now):
			events = d.Body.Events
			a.s.events.Store(events)
		case d.State == stateEnded && d.holds(token) && (d.Ending.Reaped || reason == session.EndDelete):
			reason = session.EndDelete
		default:
			return a.unsure, nil
		}
		if err := a.again(); err != nil {
			return false, err
		}
	}
}

// removal returns the patch that ends a record, with or without Events.
func removal(token session.Token, reason session.EndReason, events bool, now int64) *patch {
	nobody := token == session.Token{}
	switch {
	case reason == session.EndDelete && nobody:
		return newPatch(isLive(now)).vanish()
	case reason == session.EndDelete:
		return newPatch(isHolding(token, now)).vanish()
	}
	conditions := []string{isLive(now), hasEvents(events)}
	if !nobody {
		conditions = append(conditions, isHeldBy(token))
	}
	p := newPatch(conditions...)
	if !events {
		return p.vanish()
	}
	p.set("/state", stateEnded).set("/report", now).set("/ttl", seconds(reporting+lingering))
	if nobody {
		return p.set("/ending", ending{Reason: reason}).set("/lock", lock{})
	}
	return p.set("/ending", ending{Reason: reason, Attempts: 1}) // the lock becomes the claim
}

// Reap implements session.Store. With limit < 0 there is nothing to do: each
// document has a ttl, by which the database deletes what is left, at no cost.
// With limit > 0 it is one query, and one patch for each record that it claims;
// a record that has been used since it was last written costs a patch as well.
func (s *Store) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	a := s.begin(ctx, "reap")
	if limit > 0 && token == (session.Token{}) {
		return nil, a.fail(errZeroToken)
	}
	if ctx.Err() != nil {
		return nil, a.fail(a.ended())
	}
	if limit <= 0 || !utf8.ValidString(namespace) {
		return nil, nil
	}
	var claims []session.Expired
	err := a.query(reapable, map[string]any{"@ns": namespace, "@now": s.clock.now()}, func(d *document) (bool, error) {
		claim, err := a.claim(d, token, lease)
		if claim != nil {
			claims = append(claims, *claim)
		}
		return len(claims) < limit, err
	})
	if err != nil && len(claims) == 0 {
		return nil, a.fail(err)
	}
	return claims, nil // what was claimed is the caller's, whatever happened then
}

// claim claims what a query has found, unless it is not due or another has
// been faster.
func (a *attempt) claim(d *document, token session.Token, lease time.Duration) (*session.Expired, error) {
	if d.State == statePending {
		var err error
		if d, err = a.find(d.ID, anything); err != nil {
			return nil, passedBy(err)
		}
	}
	now := a.s.clock.now()
	if d.State != stateEnded && d.State != stateLive {
		return nil, nil
	}
	if d.claimable() > now {
		due := d.Lock.Until
		if d.State == stateLive { // a lock may be given up at any time
			due = d.Life.expires()
		}
		if due <= now {
			return nil, nil
		}
		p := newPatch("c.report = "+number(d.Report), "c.state = '"+d.State+"'").set("/report", due)
		_, err := a.patch(d.ID, p, false)
		return nil, passedBy(err)
	}
	p := newPatch("c.state = 'ended'", isFree(now), hasEvents(true))
	if d.State == stateLive {
		p = newPatch("c.state = 'live'", hasExpired(now), hasEvents(true)).
			set("/state", stateEnded).
			set("/ending", ending{Reason: session.EndExpired, Attempts: 1, Reaped: true})
	} else {
		p.set("/ending/reaped", true).AppendIncrement("/ending/attempts", 1)
	}
	until := now + millis(lease)
	p.set("/lock", lock{hexToken(token), now, until}).
		set("/report", until).
		set("/ttl", seconds(plus(max(lease, 0), reporting+lingering)))
	claimed, err := a.patch(d.ID, p, true)
	if errors.Is(err, errRefused) && a.unsure { // by this very claim, perhaps
		claimed, err = a.read(d.ID)
		if err == nil && (claimed.State != stateEnded || !claimed.holds(token)) {
			err = errRefused
		}
	}
	if err != nil {
		return nil, passedBy(err)
	}
	e := &session.Expired{
		Record:   claimed.stored(),
		Reason:   claimed.Ending.Reason,
		Attempts: claimed.Ending.Attempts,
	}
	info, _ := claimed.info(now)
	e.Key = info.Key
	return e, nil
}

// passedBy makes nothing of it that another was faster.
func passedBy(err error) error {
	if errors.Is(err, errRefused) || errors.Is(err, errAbsent) || errors.Is(err, session.ErrCorrupt) {
		return nil
	}
	return err
}
