package httpsession

import (
	"context"
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

// Options changes what New does. The zero Options is a good one.
type Options struct {
	// Skip names the requests that pass the middleware untouched, as if it
	// were not there: Acquire says session.ErrNoSession in them. It is hardly
	// ever needed, because a request that does not acquire costs next to
	// nothing. Default: none.
	Skip func(r *http.Request) bool

	// ErrorHandler answers the requests whose session could not be acquired
	// (Require, Fail) or stored (A2). session.HTTPStatus(err) is the status
	// that fits err; err itself is for logs, not for clients. Where that
	// helps, Retry-After is set when it is called. If it writes nothing, the
	// default answers. Default: a short text/plain body that names the status.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)
}

// New returns the middleware that makes mgr's sessions available below it. A
// request that never acquires its session never waits for the store (a touch in
// the background may keep the session alive, M14), and its reply is not held
// back.
//
// The middleware may be nested: with different Managers each serves its own
// sessions (A7); with the same Manager the outer one counts, its Options
// included.
//
// Every adapter's New has this form. Options is a struct like every other
// configuration of the project; it is variadic only so that New(mgr) is
// enough. Of several the last one counts.
func New(mgr *session.Manager, opts ...Options) func(http.Handler) http.Handler {
	var o Options
	if len(opts) > 0 {
		o = opts[len(opts)-1]
	}
	var fail func(http.ResponseWriter, *http.Request, error)
	if o.ErrorHandler != nil {
		fail = func(w http.ResponseWriter, r *http.Request, err error) {
			answerWith(o.ErrorHandler, w, r, err)
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if o.Skip != nil && o.Skip(r) {
				next.ServeHTTP(w, r)
				return
			}
			hw, r := Begin(mgr, w, r, fail)
			if hw == nil {
				next.ServeHTTP(w, r)
				return
			}
			// Whoever still writes when ServeHTTP has returned is a goroutine
			// that was left behind, and net/http's writer must not be used then.
			hw.endState = closed
			// What could not be stored has been answered, or can't be any more;
			// the Manager's Observer and Logger have been told either way.
			_ = hw.Run(func() session.Outcome {
				next.ServeHTTP(hw, r)
				return session.Outcome{}
			})
		})
	}
}

// Require returns the middleware that acquires the session in this mode before
// the handler runs, so that From need not be checked in it. If that fails, the
// error handler answers and the handler does not run.
//
// It acquires from the innermost Manager. Where several serve one request,
// name those that are meant; in the handler, mgr.Acquire(ctx) and
// mgr.From(ctx) are Acquire and From of that one. Acquire from several in the
// same order everywhere, or two requests may wait for each other.
func Require(mode session.Mode, of ...*session.Manager) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := require(r.Context(), mode, of); err != nil {
				Fail(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
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
func Passive() func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := session.Passive(r.Context()); err != nil {
				Fail(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Acquire waits until this request may use its session and returns it. It is
// session.Acquire(r.Context(), mode...).
func Acquire(r *http.Request, mode ...session.Mode) (*session.Session, error) {
	return session.Acquire(r.Context(), mode...)
}

// From returns the session that this request has acquired, or nil. It is
// session.From(r.Context()).
func From(r *http.Request) *session.Session {
	return session.From(r.Context())
}
