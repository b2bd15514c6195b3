// Package httpsession is the net/http middleware of sessionstate. It works
// with http.ServeMux and every router whose middlewares are
// func(http.Handler) http.Handler; the adapters of other frameworks are built
// on it.
//
// # Use
//
//	sessions, err := session.New(memstore.New(), session.Config{})
//	…
//	mux := http.NewServeMux()
//	mux.HandleFunc("POST /cart", func(w http.ResponseWriter, r *http.Request) {
//		s, err := httpsession.Acquire(r) // waits its turn
//		if err != nil {
//			httpsession.Fail(w, r, err)
//			return
//		}
//		…
//	})
//	read := httpsession.Require(session.ReadOnly)
//	mux.Handle("GET /cart", read(http.HandlerFunc(showCart))) // From(r) in showCart
//	http.ListenAndServe(addr, httpsession.New(sessions)(mux))
//
// New acquires nothing, so it may stand in front of everything: a request that
// never acquires costs two allocations and never waits for the store. Acquire
// in the handler, or Require in front of it, waits until the session is free.
// Passive, in front of that, is for what pages ask by themselves.
//
// Whether the client leaves while a request waits is known at once, unless the
// request has a body that was not read yet: net/http does not watch the
// connection before that. So acquire after reading the body; in any case
// Config.AcquireTimeout ends the wait (A6).
//
// # When the session is stored
//
// Before the client sees any part of a reply, the changes made until then are
// stored (M12). As soon as a handler of a request with something to store
// writes its status or body, the Writer holds both, up to 32 KiB of body,
// until the handler returns. Then the session is stored and released in one
// step, the cookie is set, and the reply goes out. A reply with nothing to
// store passes without a copy.
//
// What is written meanwhile is not lost to the handler's eye: the Writer
// answers as net/http's does (http.ErrContentLength, http.ErrBodyNotAllowed,
// superfluous WriteHeader calls, HEAD, trailers), and headers that are changed
// after the status was written do not go out.
//
// A Flush, or a body larger than that, stores what has changed so far, keeps
// the session, and sends; what is changed later is stored at the end. A new
// session cannot be started after that, since its cookie could not be sent:
// session.ErrHeadersSent. Hijack, and the status 101, store and release.
//
// Changes are dropped if the handler panics or answers 5xx (M13). A panic goes
// on up, and the held reply is dropped too, so that a middleware that recovers
// can answer.
//
// # When storing fails
//
// The held reply is dropped, with its cookies and the headers that described
// it, and Options.ErrorHandler answers in its place (A2). What an outer
// middleware set before, such as CORS headers, stays. What the handler writes
// after that returns the error. If the headers were out already, the client
// cannot be told; the Manager's Observer is.
//
// # Streams and WebSockets
//
// A handler that streams should call Session.Release before, or use
// session.Snapshot, or it holds its user's session for as long as the stream
// lasts. For a WebSocket that is done by Hijack. A library that writes the
// answer to the upgrade itself has to be given the headers, for the cookie:
//
//	conn, err := upgrader.Upgrade(w, r, w.Header()) // gorilla/websocket
//
// # Other middlewares
//
// New goes inside of what recovers from panics, so that a panic is seen on its
// way up, and of what sets headers for every reply (CORS, security headers),
// so that they are on error replies too. Compression and logging work on both
// sides of it; outside they see what the client gets, inside what the handler
// wrote. http.TimeoutHandler works on both sides too. If it stands outside and
// its time is up, the reply is its 503, and what the handler has changed is
// stored nevertheless, as if the client had left (M20); inside, its 503 drops
// the changes, as every 5xx does.
//
// http.MaxBytesReader cannot close the connection through this Writer or any
// other that is not net/http's: it looks for an unexported method.
//
// # IDs in paths
//
// With session.URI and session.AutoDetect, Rewrite goes in front of the router
// and of what logs requests, and New inside of it:
//
//	http.ListenAndServe(addr, httpsession.Rewrite(sessions)(httpsession.New(sessions)(mux)))
//
// Acquire returns session.ErrRedirect to a handler whose client has no ID yet;
// Fail, and so Require, sends the client to the URL that has one. Redirects
// within the site and http.FileServer keep the ID; links are to be relative, or
// written with Session.URL.
//
// # Several Managers
//
// Managers with different cookies can be nested, and serve one request with
// two sessions (A7). The functions of this package then mean the innermost
// one; mgr.Acquire(ctx), mgr.From(ctx) and Require(mode, mgr) mean another.
// Their commits are two: if the inner one cannot be stored, the outer one's is
// dropped only if the error's status is 5xx.
//
// # Adapters
//
// Begin, Writer and Run are for adapters of frameworks whose handlers are not
// http.Handlers. An adapter puts a Writer below the framework's own, runs the
// rest of the chain within Run and answers errors in the framework's way;
// everything else is the same for all of them.
package httpsession
