// Package chisession makes the sessions of package session available in chi.
//
//	r := chi.NewRouter()
//	r.Use(middleware.Recoverer)         // outside: sees panics on their way up
//	r.Use(chisession.New(sessions))     // costs nothing yet
//	r.Post("/cart", func(w http.ResponseWriter, r *http.Request) {
//		s, err := chisession.Acquire(r) // waits its turn; Exclusive is the default
//		if err != nil {
//			chisession.Fail(w, r, err)  // 429, 503 …, never a half-made reply
//			return
//		}
//		…
//	})                                  // saved and released before the client sees the reply
//	r.With(chisession.Require(session.ReadOnly)).Get("/cart", showCart)
//
// chi's middlewares are net/http's, so this is a thin face over package
// httpsession, whose documentation says when a session is stored, what happens
// if that fails, and what handlers that stream should do. The names New,
// Require, Acquire, From and Fail are the same in every adapter of the project.
//
// # When the session is stored
//
// When the handler has returned, and before the client sees any of its reply:
// a reply that has something to store is held back, up to 32 KiB of it, until
// the session is stored and released in one step. If that fails, the held reply
// is dropped and the error handler answers in its place. A Flush, or a larger
// reply, stores what has changed so far and keeps the session. Changes are
// dropped if the handler panics or answers 5xx (M12, M13).
//
// # Errors
//
// Fail answers what Acquire and a Key's methods return: 429 if too many
// requests of the session wait, 503 with Retry-After if it did not become free
// in time or the store is down, 409 if another request has given it a new ID.
// Options.ErrorHandler makes pages of them, also of those that Require and the
// store at the end of the request meet.
//
// # Streams and WebSockets
//
// A handler that streams calls Session.Release before, or acquires with
// session.Snapshot, or its user's other requests wait for the stream's end. An
// upgrade to WebSocket stores and releases by itself; a library that writes the
// answer to the upgrade on its own has to be given the headers, for the cookie:
//
//	conn, err := upgrader.Upgrade(w, r, w.Header()) // gorilla/websocket
//
// # Several Managers
//
// Where several serve a request, the functions of this package mean the innermost
// one; Require(mode, mgr), mgr.Acquire(r.Context()) and mgr.From(r.Context())
// mean another.
//
// # Order
//
// Put New inside of Recoverer, which otherwise hides panics from it, and of what
// sets headers for every reply (CORS), so that error replies have them too.
// Logger and Compress work on both sides: outside, they see what the client
// gets. Timeout belongs inside: its 504 then drops what the handler changed, as
// every 5xx does. A group's middleware does not run for a 404 of the router:
// use it at the root. Rewrite, for IDs in paths, is the first of all there.
package chisession
