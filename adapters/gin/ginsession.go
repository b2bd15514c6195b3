package ginsession

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// Options changes what New does. The zero Options is a good one.
type Options struct {
	// Skip names the requests that pass the middleware untouched, as if it
	// were not there: Acquire says session.ErrNoSession in them. It is hardly
	// ever needed, because a request that does not acquire costs next to
	// nothing. Default: none.
	Skip func(c *gin.Context) bool

	// ErrorHandler answers the requests whose session could not be acquired
	// (Require, Fail) or stored (A2). session.HTTPStatus(err) is the status
	// that fits err; err itself is for logs, not for clients: it is in
	// c.Errors already. If the handler neither writes a reply nor sets an error
	// status, the default answers. Default: a short text/plain body that names
	// the status, with Retry-After where that helps.
	ErrorHandler func(c *gin.Context, err error)
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
func New(mgr *session.Manager, opts ...Options) gin.HandlerFunc {
	o := new(Options)
	if len(opts) > 0 {
		*o = opts[len(opts)-1]
	}
	fail := o.fail // once, not in each request
	return func(c *gin.Context) {
		if o.Skip != nil && o.Skip(c) {
			again(c)
			return
		}
		w := &writer{outer: c.Writer, c: c, status: c.Writer.Status(), size: c.Writer.Size()}
		r := w.below.Begin(mgr, (*base)(w), c.Request, fail)
		if r == nil {
			again(c) // this is inside of another New(mgr)
			return
		}
		c.Request, c.Writer = r, w
		w.serve()
	}
}

// fail is called by httpsession.
func (o *Options) fail(w http.ResponseWriter, _ *http.Request, err error) {
	switch w := w.(type) {
	case *base: // the session could not be stored
		o.refuse((*writer)(w), err)
	case *failing: // Fail was called
		o.answer(w.c, err)
	case *writer: // httpsession.Fail was called, below gin.WrapH for instance
		o.answer(w.c, err)
	default:
		httpsession.Answer(w, err)
	}
}

// refuse answers in place of a reply that was dropped. Whatever writers there
// are between w and the handler have their part in that one, so that the
// context gets the outer writer meanwhile.
func (o *Options) refuse(w *writer, err error) {
	c := w.c
	inner := c.Writer
	defer func() { c.Writer = inner }()
	c.Writer = w.outer
	note(c, err)
	o.answer(c, err)
	if !w.outer.Written() {
		w.outer.WriteHeaderNow() // or the handler could still set headers
	}
}

func (o *Options) answer(c *gin.Context, err error) {
	if o.ErrorHandler != nil && !errors.Is(err, session.ErrRedirect) {
		before := c.Writer.Status()
		o.ErrorHandler(c, err)
		if status := c.Writer.Status(); c.Writer.Written() || status != before && status >= 400 {
			return
		}
	}
	// A client must not take silence, which is an empty 200, for success.
	httpsession.Answer(c.Writer, err)
}

// Rewrite returns what takes session IDs out of paths, for a Manager whose
// Config.ID is session.URI or session.AutoDetect; for others it does nothing at
// no cost. Gin's middlewares run when it has routed, so Rewrite goes around the
// engine:
//
//	http.ListenAndServe(addr, ginsession.Rewrite(sessions)(r)) // in place of r.Run(addr)
//
// Then Gin's own redirects keep the ID too, and its Logger does not see it. See
// httpsession.Rewrite.
func Rewrite(mgr *session.Manager) func(http.Handler) http.Handler {
	return httpsession.Rewrite(mgr)
}

// Require returns the middleware that acquires the session in this mode before
// the handler runs, so that From need not be checked in it. If that fails, the
// error handler answers and the chain is aborted.
//
// It acquires from the innermost Manager. Where several serve one request,
// name those that are meant; in the handler, mgr.Acquire(ctx) and
// mgr.From(ctx) with the request's context are Acquire and From of that one.
// Acquire from several in the same order everywhere, or two requests may wait
// for each other.
func Require(mode session.Mode, of ...*session.Manager) gin.HandlerFunc {
	return func(c *gin.Context) {
		if len(of) == 0 {
			if _, err := Acquire(c, mode); err != nil {
				Fail(c, err)
			}
			return
		}
		for _, mgr := range of {
			if _, err := mgr.Acquire(c.Request.Context(), mode); err != nil {
				Fail(c, err)
				return
			}
		}
	}
}

// Passive returns the middleware for routes that pages ask by themselves, in the
// background: such a request does not extend the session's idle time, unless it
// saves something or acquires Exclusive. It stands inside of New and before
// Require. See session.Passive.
func Passive() gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := session.Passive(c.Request.Context()); err != nil {
			Fail(c, err)
		}
	}
}

// Acquire waits until this request may use its session and returns it. It is
// session.Acquire(c.Request.Context(), mode...).
func Acquire(c *gin.Context, mode ...session.Mode) (*session.Session, error) {
	return session.Acquire(c.Request.Context(), mode...)
}

// From returns the session that this request has acquired, or nil. It is
// session.From(c.Request.Context()).
func From(c *gin.Context) *session.Session {
	return session.From(c.Request.Context())
}

// Fail aborts the chain, adds err to c.Errors, and answers with the HTTP
// status that fits err, one of this project's errors: through the ErrorHandler
// that New was given, or with a short text/plain body that says nothing of
// err. If the client is gone, nobody reads it, which is harmless.
// session.ErrRedirect is no failure: it gets neither into c.Errors nor to the
// ErrorHandler.
func Fail(c *gin.Context, err error) {
	note(c, err)
	httpsession.Fail(&failing{c.Writer, c}, c.Request, err)
}

// note aborts the chain and leaves err to loggers.
func note(c *gin.Context, err error) {
	if !errors.Is(err, session.ErrRedirect) {
		_ = c.Error(err) // returns it
	}
	c.Abort()
}

// failing carries the context of Fail to Options.fail.
type failing struct {
	http.ResponseWriter
	c *gin.Context
}
