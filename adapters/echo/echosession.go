package echosession

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// Options changes what New does. The zero Options is a good one.
type Options struct {
	// Skip names the requests that pass the middleware untouched, as if it
	// were not there: Acquire says session.ErrNoSession in them. It is hardly
	// ever needed, because a request that does not acquire costs next to
	// nothing. Default: none.
	Skip func(c echo.Context) bool

	// ErrorHandler answers the requests whose session could not be acquired
	// (Require, Fail) or stored (A2), or returns the error from which Echo's
	// HTTPErrorHandler makes the answer. session.HTTPStatus(err) is the status
	// that fits err; err itself is for logs, not for clients. If it does
	// neither, the default answers. Default: an *echo.HTTPError of that status,
	// or err itself if that is 500; with Retry-After where that helps.
	ErrorHandler func(c echo.Context, err error) error
}

// New returns the middleware that makes mgr's sessions available below it. A
// request that never acquires its session never touches the store, and its
// reply is not held back.
//
// The middleware may be nested: with different Managers each serves its own
// sessions (A7); with the same Manager the outer one counts, its Options
// included.
//
// Options is variadic only so that New(mgr) is enough. Of several the last one
// counts.
func New(mgr *session.Manager, opts ...Options) echo.MiddlewareFunc {
	o := new(Options)
	if len(opts) > 0 {
		*o = opts[len(opts)-1]
	}
	fail := o.fail // once, not in each request
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if o.Skip != nil && o.Skip(c) {
				return next(c)
			}
			res := c.Response()
			x := &exchange{ResponseWriter: res.Writer, c: c, res: res}
			r := x.session.Begin(mgr, x, c.Request(), fail)
			if r == nil {
				return next(c) // this is inside of another New(mgr)
			}
			c.SetRequest(r)
			res.Writer = &x.session
			return x.serve(o, next)
		}
	}
}

// fail is called by httpsession.
func (o *Options) fail(w http.ResponseWriter, _ *http.Request, err error) {
	switch w := w.(type) {
	case *exchange: // the session could not be stored: serve answers, when the chain has returned
		w.refused = w.Header().Clone()
	case *failing: // Fail was called
		w.err = o.answer(w.c, err)
	default: // httpsession.Fail was called, below echo.WrapHandler for instance
		httpsession.Answer(w, err)
	}
}

func (o *Options) answer(c echo.Context, err error) error {
	if o.ErrorHandler != nil && !errors.Is(err, session.ErrRedirect) {
		answered := o.ErrorHandler(c, err)
		switch {
		case answered != nil:
			return understood(c, answered)
		case c.Response().Committed:
			return nil
		}
	}
	// A client must not take silence, which is an empty 200, for success.
	return refusal(c, err)
}

// Rewrite returns the middleware that takes session IDs out of paths, for a
// Manager whose Config.ID is session.URI or session.AutoDetect; for others it
// does nothing at no cost. Only what runs before the router can do that:
//
//	e.Pre(echosession.Rewrite(sessions)) // the first of them
//
// Then loggers do not see the ID either. See httpsession.Rewrite.
func Rewrite(mgr *session.Manager) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		if !mgr.InPath() {
			return next
		}
		return func(c echo.Context) error {
			r, res := c.Request(), c.Response()
			w, below := httpsession.BeginPath(mgr, res.Writer, r)
			if w == nil {
				return next(c)
			}
			r.URL, r.RequestURI = below.URL, below.RequestURI // Echo routes by the request that it got
			c.SetRequest(below)
			defer w.HandBack()
			res.Writer = w // and leaves it there: Echo's HTTPErrorHandler comes later
			err := next(c)
			if err == nil && !res.Committed {
				w.End()
			}
			return err
		}
	}
}

// Require returns the middleware that acquires the session in this mode before
// the handler runs, so that From need not be checked in it. If that fails, the
// error handler answers and the handler does not run.
//
// It acquires from the innermost Manager. Where several serve one request,
// name those that are meant; in the handler, mgr.Acquire(ctx) and
// mgr.From(ctx) with the request's context are Acquire and From of that one.
// Acquire from several in the same order everywhere, or two requests may wait
// for each other.
func Require(mode session.Mode, of ...*session.Manager) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if len(of) == 0 {
				if _, err := session.Acquire(c.Request().Context(), mode); err != nil {
					return Fail(c, err)
				}
			}
			for _, mgr := range of {
				if _, err := mgr.Acquire(c.Request().Context(), mode); err != nil {
					return Fail(c, err)
				}
			}
			return next(c)
		}
	}
}

// Passive returns the middleware for routes that pages ask by themselves, in the
// background: such a request does not extend the session's idle time, unless it
// saves something or acquires Exclusive. It stands inside of New and before
// Require. See session.Passive.
func Passive() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := session.Passive(c.Request().Context()); err != nil {
				return Fail(c, err)
			}
			return next(c)
		}
	}
}

// Acquire waits until this request may use its session and returns it. It is
// session.Acquire(c.Request().Context(), mode...), but for the error: if there
// is a status that fits better than 500, it is wrapped in an *echo.HTTPError,
// so that the handler can return it.
func Acquire(c echo.Context, mode ...session.Mode) (*session.Session, error) {
	s, err := session.Acquire(c.Request().Context(), mode...)
	if err != nil {
		return nil, refusal(c, err)
	}
	return s, nil
}

// From returns the session that this request has acquired, or nil. It is
// session.From(c.Request().Context()).
func From(c echo.Context) *session.Session {
	return session.From(c.Request().Context())
}

// Fail lets the ErrorHandler that New was given answer err, one of this
// project's errors; without one it returns err, in an *echo.HTTPError if there
// is a status that fits better than 500. The handler must return what Fail
// returns. If the client is gone, nobody reads the reply, which is harmless.
func Fail(c echo.Context, err error) error {
	f := &failing{ResponseWriter: c.Response(), c: c}
	httpsession.Fail(f, c.Request(), err)
	return f.err
}

// failing carries the context of Fail to Options.fail, and the result back.
type failing struct {
	http.ResponseWriter
	c   echo.Context
	err error
}
