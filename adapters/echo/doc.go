// Package echosession makes the sessions of package session available in Echo.
//
//	e := echo.New()
//	e.Use(middleware.Recover())            // outside: sees panics on their way up
//	e.Use(echosession.New(sessions))       // costs nothing yet
//	e.POST("/cart", func(c echo.Context) error {
//		s, err := echosession.Acquire(c)   // waits its turn; Exclusive is the default
//		if err != nil {
//			return err                     // 429, 503 …, never a half-made reply
//		}
//		…
//	})                                     // saved and released before the client sees the reply
//	e.GET("/cart", showCart, echosession.Require(session.ReadOnly)) // From(c) in showCart
//
// It is a thin face over package httpsession, whose documentation says when a
// session is stored, what happens if that fails, and what handlers that stream
// should do. The names New, Require, Acquire, From and Fail are the same in
// every adapter of the project. Below the handler, session.Acquire(ctx) and
// session.From(ctx) take the request's context, c.Request().Context().
//
// # Errors
//
// Handlers return the errors of this project as they come, from Acquire or from
// session.Acquire, from a Key's Set, wrapped or not: New makes an
// *echo.HTTPError of them with the status of session.HTTPStatus, and its reply
// has Retry-After where that helps. errors.Is sees through it. Fail does the
// same, and asks Options.ErrorHandler first.
//
// If the session could not be stored, New returns such an error in place of the
// reply, which is dropped: Echo's HTTPErrorHandler and the loggers outside see
// a request that failed.
//
// Changes are dropped if the handler panics, answers 5xx, or returns an error
// that Echo answers 5xx (M13): one that is no *echo.HTTPError, wrapped ones
// included, counts as 500, as in Echo's own HTTPErrorHandler. If yours finds
// other statuses, return an *echo.HTTPError of them. It runs when all
// middlewares have returned, so the session is stored and its cookie set by
// then, and it cannot change the session.
//
// # What Echo knows of a reply
//
// c.Response().Status, Size and Committed say what the handler has written,
// also while that is held back until the session is stored. When New has
// returned they say what the client gets. Before functions run when the handler
// writes, and again if another reply takes the place of that one.
//
// # Streams and WebSockets
//
// Release the session before a stream, or use session.Snapshot, or its user's
// other requests wait for the stream's end. An upgrade to WebSocket stores and
// releases by itself. A library that takes the connection over before it writes
// the reply has to be given the headers, for the cookie:
//
//	conn, err := upgrader.Upgrade(c.Response(), c.Request(), c.Response().Header()) // gorilla/websocket
//
// 1xx replies pass if they are written to c.Response().Writer; the
// echo.Response takes every status for the reply's.
//
// # Order
//
// New goes inside of Recover, the loggers, CORS and CSRF. Rewrite, for IDs in
// paths, is the first of e.Pre. The README has the table of what was tested.
package echosession
