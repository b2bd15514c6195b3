package fibersession

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
)

// request is the middleware's part in one request. It is the Exchange and the
// parent of the session's context too, so that all of it is one allocation.
type request struct {
	context.Context // the user context as the middleware found it

	c       *fiber.Ctx
	rq      *session.Request
	ctx     context.Context               // with the session
	handler func(*fiber.Ctx, error) error // Options.ErrorHandler
	inner   *request                      // of the Manager nested in this one; nil if none
	before  []string                      // the cookies of middlewares outside
	one     [1]string                     // see exchange.RequestHeader
	told    bool                          // the core has set a header of the reply
	ended   bool                          // rq.Finish was called
}

type requestKey struct{} // the request of the innermost Manager

// Value returns the request itself for requestKey.
func (r *request) Value(key any) any {
	if key == (requestKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// requestOf returns the innermost middleware's request, or nil.
func requestOf(c *fiber.Ctx) *request {
	r, _ := c.UserContext().Value(requestKey{}).(*request)
	return r
}

// begin puts the Manager's sessions into the user context. It returns nil if
// they are there already.
func begin(mgr *session.Manager, c *fiber.Ctx, handler func(*fiber.Ctx, error) error) *request {
	r := &request{Context: c.UserContext(), c: c, handler: handler}
	rq, ctx := mgr.Begin(r, (*exchange)(r))
	if rq == nil {
		return nil
	}
	if outer, _ := r.Context.Value(requestKey{}).(*request); outer != nil {
		outer.inner = r
	}
	r.rq, r.ctx = rq, ctx
	r.before = cookies(&reply(c).Header)
	c.SetUserContext(ctx)
	return r
}

// run calls the handlers below and ends the request's use of its session,
// however they end. Fiber sends nothing before, so that whatever they have
// written can be completed by the cookie, or dropped (M12).
func (r *request) run() error {
	// Two defers, of which the one that runs last does one thing only:
	// whatever goes wrong in the work of the other and in the functions of the
	// user that it calls, the lock must not stay.
	defer r.ensureEnded()
	returned := false
	defer func() {
		if !returned {
			r.abandon()
		}
	}()
	err := r.end(r.c.Next())
	returned = true
	return err
}

// end ends the request of a handler that returned.
func (r *request) end(err error) error {
	errStore := r.finish(session.Outcome{Status: r.status(err), Err: err})
	r.leave()
	if timedOut(r.c) {
		if errStore != nil {
			answerTimedOut(reply(r.c), errStore)
			r.restoreCookies()
		}
		return err // whoever answers it writes to a reply that is not sent
	}
	if errStore != nil {
		r.drop()
		err = answer(r.c, errStore, r.handler)
	}
	if !r.hasTold() {
		return err
	}
	if err != nil {
		// The app's ErrorHandler may wipe the reply, and runs after all
		// middlewares. The client must get the ID of a session that was
		// stored, so it runs here, as Fiber's own logger does it.
		if r.c.App().ErrorHandler(r.c, err) != nil {
			_ = r.c.SendStatus(fiber.StatusInternalServerError) // never fails
		}
	}
	r.restoreCookies()
	return nil
}

// abandon ends the request of a handler that panicked or called
// runtime.Goexit, or of one whose end did.
func (r *request) abandon() {
	_ = r.finish(session.Outcome{Panicked: true}) // observed by the core, and the panic is what counts
	r.leave()
	if !timedOut(r.c) {
		r.drop()
		r.restoreCookies() // of what was stored before (M13)
	}
}

func (r *request) ensureEnded() {
	if !r.ended {
		_ = r.finish(session.Outcome{Panicked: true})
	}
}

// finish uses the context that Begin returned. The user context may be that of
// an inner timeout by now, which has been cancelled.
func (r *request) finish(out session.Outcome) error {
	r.ended = true
	return r.rq.Finish(r.ctx, out)
}

// leave puts the user context back, unless a handler has put another one
// there, which may be meant for the middlewares outside.
func (r *request) leave() {
	if !timedOut(r.c) && r.c.UserContext() == r.ctx {
		r.c.SetUserContext(r.Context)
	}
}

// status is the status that the reply has or will get by the handler's error.
func (r *request) status(err error) int {
	if err == nil || timedOut(r.c) {
		return reply(r.c).StatusCode()
	}
	var fe *fiber.Error
	if errors.As(err, &fe) {
		return fe.Code
	}
	return fiber.StatusInternalServerError
}

// hasTold reports whether the reply has to tell the client something of this
// Manager's session, or of one nested in it.
func (r *request) hasTold() bool {
	for ; r != nil; r = r.inner {
		if r.told {
			return true
		}
	}
	return false
}

// restoreCookies tells the client again what it has to know of what was
// stored, after the reply has been wiped.
func (r *request) restoreCookies() {
	for ; r != nil; r = r.inner {
		r.rq.RestoreCookie()
	}
}
