// Package fibersession makes the sessions of package session available in
// Fiber 2.
//
//	app := fiber.New()
//	app.Use(recover.New())                 // outside: sees panics on their way up
//	app.Use(fibersession.New(sessions))    // costs nothing yet
//	app.Post("/cart", func(c *fiber.Ctx) error {
//		s, err := fibersession.Acquire(c)  // waits its turn; Exclusive is the default
//		if err != nil {
//			return fibersession.Fail(c, err) // 429, 503 …, never a half-made reply
//		}
//		…
//	})                                     // saved and released before the client sees the reply
//	app.Get("/cart", fibersession.Require(session.ReadOnly), showCart)
//
// New acquires nothing, so it may stand in front of everything: a request that
// never acquires never touches the store. The session is in c.UserContext(),
// so that session.Acquire(ctx) and session.From(ctx) work below the handler.
// The names New, Require, Acquire, From and Fail are the same in every adapter
// of the project.
//
// # When the session is stored
//
// Fiber sends nothing before all middlewares have returned. Then the session
// is stored and released in one step, and the reply gets the cookie (M12). If
// the handler returned an error, its status decides: the Code of a
// *fiber.Error, found by errors.As, else 500. Changes are dropped for 5xx and
// for a panic, which goes on up, and kept for 4xx (M13).
//
// An error goes on up to the middlewares outside and the app's ErrorHandler,
// after the session was stored. There is one exception. If the reply tells the
// client a new ID, or removes the old one, and the handler returned an error,
// New calls the app's ErrorHandler itself, as Fiber's logger does, and adds the
// cookie after that: an ErrorHandler that resets the reply would lose it. The
// middlewares outside are then given nil and the finished reply. After a panic
// that cannot be done.
//
// # When storing fails
//
// What the handlers below have written is dropped, with their cookies, the
// headers that described it, and the taking over of the connection. What outer
// middlewares have set before, such as CORS headers, stays.
// Options.ErrorHandler answers in its place, or the app's ErrorHandler by an
// error like that of Fail (A2).
//
// # Streams and WebSockets
//
// The function given to SetBodyStreamWriter runs beside the handlers and
// outlives them: fasthttp starts it at once in a goroutine of its own. So the
// session must not be used in it. A handler that streams calls Session.Release
// before, or uses session.Snapshot, and copies what the stream needs; without
// Release others get the session when the handler has returned, not when the
// stream has begun. fasthttp sends no header before the stream flushes
// something, unless c.Response().ImmediateHeaderFlush is set.
//
// A WebSocket library for Fiber takes the connection over after all
// middlewares: by then the session is stored and released, and the cookie goes
// out with the 101. Do not acquire on the connection itself.
//
// # What Fiber cannot do
//
//   - A request does not learn that its client has gone. A wait in Acquire ends
//     by Config.AcquireTimeout, or by a deadline that a middleware has put into
//     the user context, and not earlier (A6).
//   - A reply cannot begin while its handlers run, but for streams: so what is
//     stored last is stored before the client sees anything of it.
//   - *fiber.Ctx is used again for other requests. Do not keep it for a
//     goroutine, not even to ask From: it may be another client's by then. Give
//     goroutines the Session, or c.UserContext(), which say
//     session.ErrReleased or session.ErrNoSession after the request.
//
// # Other middlewares
//
// New goes inside of recover, so that a panic is seen on its way up, and of
// what sets headers and cookies for every reply (cors, csrf), so that error
// replies have them too. compress, etag and logger work on both sides; a
// logger outside logs what the client gets. timeout.NewWithContext works on
// both sides too. Inside, its 408 keeps the changes, as every 4xx does.
//
// timeout.New, which Fiber has deprecated, must not be used on either side, nor
// anything else that lets a handler go on when Fiber is done with its request:
// it then reads and writes the request, the reply and the session of another
// client. If a handler gives its reply up itself, by RequestCtx.TimeoutError,
// that reply gets the cookie, or the error.
package fibersession
