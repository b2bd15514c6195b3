package sessiontest

import (
	"slices"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
)

// Scenario describes a server, without saying of which framework: what
// surrounds its routes, and the routes.
//
// From the outside in, the server has: the adapter's Rewrite(mgr), installed as
// its users install it; a recoverer; the adapter's New(mgr),
// once more if Twice says so; the adapter's New(Inner), if there is one; for
// each route its Passive and its Require; the handler. It accepts request headers of 32 KiB.
type Scenario struct {
	// Routes are what the server answers. Their paths have no parameters and
	// never overlap.
	Routes []Route

	// Recovered is called by the recoverer with what it recovered, whatever
	// that is. Then it answers 500, in the framework's usual way, unless the
	// reply has begun.
	Recovered func(value any)

	// ErrorHandler, if not nil, is to be called by the error handler that the
	// adapter's New is given, in a Conversation of its own. Nil: the
	// adapter's default.
	ErrorHandler func(Conversation, error) error

	// Twice installs the adapter's middleware for the Manager twice, one in
	// the other. That must be the same as once.
	Twice bool

	// Inner, if not nil, is a second Manager, whose middleware is installed
	// inside that of the first (A7).
	Inner *session.Manager
}

// Route is one route of a Scenario.
type Route struct {
	Method, Path string

	// Passive puts the adapter's Passive middleware before those of Require.
	Passive bool

	// Require lists the modes of the adapter's Require middlewares before the
	// handler, the outermost first. Mostly there is none.
	Require []session.Mode

	// Handler is to be called with the Conversation of each request. What it
	// returns, the framework's handler returns; with AdapterWant.Errors false
	// it is always nil.
	Handler func(Conversation) error
}

// AdapterWant says what a framework can do, and what sessions are stored in.
// What a framework cannot, RunAdapter leaves out by name, or, where that can be
// seen, proves to be absent. The zero AdapterWant is a framework that buffers
// every reply, with sessions in memory.
type AdapterWant struct {
	// Flush: a reply can begin while its handler runs. Without it,
	// Conversation.Flush fails by errors.ErrUnsupported.
	Flush bool

	// Hijack: a handler can take the connection over. Without it,
	// Conversation.Hijack fails by errors.ErrUnsupported.
	Hijack bool

	// Informational: 1xx replies go out. Without it,
	// Conversation.Informational fails by errors.ErrUnsupported.
	Informational bool

	// Trailers: trailers that a "Trailer" header declares go out.
	Trailers bool

	// Disconnect: the request's context ends when its client goes away, if
	// the request's body has been read (A6).
	Disconnect bool

	// Errors: handlers return errors, which the framework turns into replies.
	// Without it, Conversation.StatusError is never called.
	Errors bool

	// Writer: there is an http.ResponseWriter, and http.ResponseController
	// finds the connection behind it. Without it, Conversation.Writer returns
	// nil.
	Writer bool

	// Store makes the stores that the Managers use, each with sessions of its
	// own: subtests present the same IDs. It is called in the subtest that
	// uses the store, and may skip it. What there is to close is closed by
	// Cleanup, after the Managers. Nil: memory.
	Store func(testing.TB) session.Store
}

// RunAdapter proves that an adapter keeps the rules M10 to M17, M19 to M22 and
// A1 to A11, and that with it M1 to M4 and M6 hold, on real servers of its
// framework, driven over loopback by real clients. Every subtest is named by
// the rule that it proves, as in "M12/no reply while the store hangs".
//
//	func TestAdapter(t *testing.T) {
//		sessiontest.RunAdapter(t, newServer, sessiontest.AdapterWant{
//			Flush: true, Hijack: true, Disconnect: true, Errors: true, Writer: true,
//		})
//	}
//
//	func newServer(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
//		…
//		for _, r := range sc.Routes {
//			e.Add(r.Method, r.Path, func(c echo.Context) error {
//				return r.Handler(conversation{c}) // a Conversation on echo.Context
//			}, …)
//		}
//		…
//	}
//
// newServer starts the server that a Scenario describes, with the adapter on
// mgr, and returns its address, as "http://127.0.0.1:12345". It speaks
// HTTP/1.1 without TLS and ends by t.Cleanup. RunAdapter makes the Managers, on
// stores as AdapterWant says, and closes them.
//
// Subtests run in parallel. They never wait a fixed time for something not to
// happen, and no longer than 10 seconds for what must happen.
func RunAdapter(t *testing.T, newServer func(testing.TB, *session.Manager, Scenario) (baseURL string), want AdapterWant) {
	t.Helper()
	acts := slices.Concat(
		emptyActs(), unknownIDActs(), malformedIDActs(),
		commitActs(), commitFailureActs(), earlyCommitActs(),
		discardActs(), keepAliveActs(), passiveActs(), abandonActs(), revokeActs(), startActs(), renewActs(), renewFailureActs(),
		departureActs(), afterwardsActs(),
		sendingActs(), droppedReplyActs(), writerActs(),
		panicActs(), contextActs(), waitingActs(), managersActs(), reuseActs(), cachingActs(),
		queueActs(), counterActs(), flashActs(), visitActs(), pathActs(),
	)
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			if !a.needs.within(want) {
				t.Skipf("not wanted of this framework: %+v", a.needs)
			}
			t.Parallel()
			a.run(&stage{TB: t, newServer: newServer, want: want})
		})
	}
}

// act is one subtest of RunAdapter.
type act struct {
	name  string      // the rule, a slash, and what it says
	needs AdapterWant // it is left out for frameworks that lack one of these
	run   func(*stage)
}

// within reports whether everything that is set in w is set in have.
func (w AdapterWant) within(have AdapterWant) bool {
	return (!w.Flush || have.Flush) && (!w.Hijack || have.Hijack) &&
		(!w.Informational || have.Informational) && (!w.Trailers || have.Trailers) &&
		(!w.Disconnect || have.Disconnect) && (!w.Errors || have.Errors) &&
		(!w.Writer || have.Writer)
}
