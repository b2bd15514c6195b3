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
// # Order
//
// Put New inside of Recoverer, which otherwise hides panics from it, and of what
// sets headers for every reply (CORS), so that error replies have them too.
// Logger and Compress work on both sides: outside, they see what the client
// gets. Timeout belongs inside: its 504 then drops what the handler changed, as
// every 5xx does. A group's middleware does not run for a 404 of the router:
// use it at the root.
package chisession
