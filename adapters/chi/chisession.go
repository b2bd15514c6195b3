package chisession

import (
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// Options changes what New does: see httpsession.Options.
type Options = httpsession.Options

// New returns the middleware that makes mgr's sessions available below it. It
// acquires nothing: a request that never acquires its session never touches
// the store (M10). Options is variadic only so that New(mgr) is enough; of
// several the last one counts.
func New(mgr *session.Manager, opts ...Options) func(http.Handler) http.Handler {
	return httpsession.New(mgr, opts...)
}

// Rewrite returns the middleware that takes session IDs out of paths, for a
// Manager whose Config.ID is session.URI or session.AutoDetect; for others it
// does nothing at no cost. It is the first at the root, where chi has not routed
// yet: r.Use(chisession.Rewrite(sessions), middleware.Logger, …).
func Rewrite(mgr *session.Manager) func(http.Handler) http.Handler {
	return httpsession.Rewrite(mgr)
}

// Require returns the middleware, for a route or a group, that acquires the
// session in this mode before the handler runs; From gives it to the handler.
// If that fails, the error handler answers and the handler does not run. It
// acquires from the innermost Manager, or from those that are named (A7).
func Require(mode session.Mode, of ...*session.Manager) func(http.Handler) http.Handler {
	return httpsession.Require(mode, of...)
}

// Passive returns the middleware for routes that pages ask by themselves, in the
// background: such a request does not extend the session's idle time, unless it
// saves something or acquires Exclusive. It stands inside of New and before
// Require. See session.Passive.
func Passive() func(http.Handler) http.Handler { return httpsession.Passive() }

// Acquire waits until this request may use its session and returns it: see
// session.Acquire for modes and errors. Without a mode it is Exclusive.
func Acquire(r *http.Request, mode ...session.Mode) (*session.Session, error) {
	return httpsession.Acquire(r, mode...)
}

// From returns the session that this request has acquired, or nil.
func From(r *http.Request) *session.Session { return httpsession.From(r) }

// Fail answers a request with the HTTP status that fits err, through
// Options.ErrorHandler if there is one: see httpsession.Fail.
func Fail(w http.ResponseWriter, r *http.Request, err error) { httpsession.Fail(w, r, err) }
