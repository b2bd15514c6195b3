package session

import (
	"context"
	"errors"
)

// Passive has the request of ctx not count as a use of its session: for what a
// page asks by itself, in the background, which says nothing of whether its user
// is still there. Adapters have a middleware of that name, for such routes.
//
// A passive request leaves the session's expiry and its cookie as they are if
// it acquires nothing, or acquires ReadOnly or Snapshot, or Concurrent without
// changing anything (M14). Saving is a use, and so is acquiring Exclusive, by
// which the store extends the expiry: then the log warns, once. All else is as
// ever; so who only polls sees the session end when its idle timeout has passed.
//
// It is for all Managers whose middleware the request has passed, and must come
// before the request acquires: else it is an error, and the request counts as a
// use. Without a Manager it is ErrNoSession. It is safe for concurrent use.
func Passive(ctx context.Context) error {
	rq, _ := ctx.Value(innermostKey{}).(*Request)
	if rq == nil {
		return ErrNoSession
	}
	var errs []error
	for ; rq != nil; rq = rq.outer() {
		errs = append(errs, rq.becomePassive())
	}
	return errors.Join(errs...)
}

var errPassiveTooLate = errors.New("session: Passive: the session is acquired already: put Passive before Require, and call it before Acquire")

func (rq *Request) becomePassive() error {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	switch {
	case rq.ended:
		return ErrNoSession
	case rq.passive.Load():
		return nil
	case rq.session != nil || rq.acquiring:
		return errPassiveTooLate
	}
	rq.passive.Store(true)
	return nil
}

// outer returns the Request of the Manager whose middleware stands around that
// of rq's; nil if there is none.
func (rq *Request) outer() *Request {
	c, ok := rq.ctx.(*requestContext)
	if !ok {
		return nil
	}
	around, _ := c.Context.Value(innermostKey{}).(*Request)
	return around
}

// warnPassive says once that passive requests acquire Exclusive.
func (m *Manager) warnPassive() {
	if m.warnedPassive.CompareAndSwap(false, true) {
		m.cfg.Logger.Warn("session: a passive request has acquired its session Exclusive, which extends its idle time all the same; " +
			"acquire ReadOnly, Snapshot or Concurrent there")
	}
}
