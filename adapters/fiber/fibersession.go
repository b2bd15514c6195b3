package fibersession

import (
	"context"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
)

// Options changes what New does. The zero Options is a good one.
type Options struct {
	// Skip names the requests that pass the middleware untouched, as if it
	// were not there: Acquire says session.ErrNoSession in them. It is hardly
	// ever needed, because a request that does not acquire costs next to
	// nothing. Default: none.
	Skip func(c *fiber.Ctx) bool

	// ErrorHandler answers the requests whose session could not be acquired
	// (Require, Fail) or stored (A2). session.HTTPStatus(err) is the status
	// that fits err; err itself is for logs, not for clients. An error that it
	// returns goes to the app's ErrorHandler; if it returns nil and leaves an
	// empty 200, the default answers. Default: an error of that status for the
	// app's ErrorHandler, with Retry-After where that helps.
	ErrorHandler func(c *fiber.Ctx, err error) error
}

// New returns the middleware that makes mgr's sessions available below it. A
// request that never acquires its session never touches the store.
//
// The middleware may be nested: with different Managers each serves its own
// sessions (A7); with the same Manager the outer one counts, its Options
// included.
//
// Every adapter's New has this form. Options is a struct like every other
// configuration of the project; it is variadic only so that New(mgr) is
// enough. Of several the last one counts.
func New(mgr *session.Manager, opts ...Options) fiber.Handler {
	var o Options
	if len(opts) > 0 {
		o = opts[len(opts)-1]
	}
	return func(c *fiber.Ctx) error {
		if o.Skip != nil && o.Skip(c) {
			return c.Next()
		}
		r := begin(mgr, c, o.ErrorHandler)
		if r == nil {
			return c.Next()
		}
		return r.run()
	}
}

// Require returns the middleware that acquires the session in this mode before
// the handler runs, so that From need not be checked in it. If that fails, it
// returns what Fail does, and the handler does not run.
//
// It acquires from the innermost Manager. Where several serve one request,
// name those that are meant; in the handler, mgr.Acquire(c.UserContext()) and
// mgr.From(c.UserContext()) are Acquire and From of that one. Acquire from
// several in the same order everywhere, or two requests may wait for each
// other.
func Require(mode session.Mode, of ...*session.Manager) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if err := require(c.UserContext(), mode, of); err != nil {
			return Fail(c, err)
		}
		return c.Next()
	}
}

func require(ctx context.Context, mode session.Mode, of []*session.Manager) error {
	if len(of) == 0 {
		_, err := session.Acquire(ctx, mode)
		return err
	}
	for _, mgr := range of {
		if _, err := mgr.Acquire(ctx, mode); err != nil {
			return err
		}
	}
	return nil
}

// Passive returns the middleware for routes that pages ask by themselves, in the
// background: such a request does not extend the session's idle time, unless it
// saves something or acquires Exclusive. It stands inside of New and before
// Require. See session.Passive.
func Passive() fiber.Handler {
	return func(c *fiber.Ctx) error {
		if err := session.Passive(c.UserContext()); err != nil {
			return Fail(c, err)
		}
		return c.Next()
	}
}

// Acquire waits until this request may use its session and returns it. It is
// session.Acquire(c.UserContext(), mode...).
func Acquire(c *fiber.Ctx, mode ...session.Mode) (*session.Session, error) {
	return session.Acquire(c.UserContext(), mode...)
}

// From returns the session that this request has acquired, or nil. It is
// session.From(c.UserContext()).
func From(c *fiber.Ctx) *session.Session {
	return session.From(c.UserContext())
}
