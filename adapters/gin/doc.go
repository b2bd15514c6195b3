// Package ginsession makes the sessions of package session available in Gin.
//
//	r := gin.Default()                    // Logger and Recovery: outside
//	r.Use(ginsession.New(sessions))       // costs nothing yet
//	r.POST("/cart", func(c *gin.Context) {
//		s, err := ginsession.Acquire(c)   // waits its turn; Exclusive is the default
//		if err != nil {
//			ginsession.Fail(c, err)       // 429, 503 …, never a half-made reply
//			return
//		}
//		…
//	})                                    // saved and released before the client sees the reply
//	r.GET("/cart", ginsession.Require(session.ReadOnly), showCart) // From(c) in showCart
//
// It is a thin face over package httpsession, whose documentation says when a
// session is stored, what happens if that fails, and what handlers that stream
// should do. The names New, Require, Acquire, From and Fail are the same in
// every adapter of the project.
//
// # Contexts
//
// Below the handler, session.Acquire(ctx) and session.From(ctx) take the
// request's context, c.Request.Context(). The *gin.Context itself serves as one
// only with Engine.ContextWithFallback. A copy of it (c.Copy) that outlives the
// request has a session that says session.ErrReleased.
//
// # What Gin knows of a reply
//
// c.Writer.Status, Size and Written say what the handler has written, also
// while that is held back until the session is stored. Outside of New they say
// what the client gets. A status that was only recorded (c.Status) counts as
// the reply's.
//
// # Errors
//
// Changes are dropped if the handler panics or answers 5xx (M13). Errors that
// handlers leave in c.Errors count if they have not written a reply, since then
// a middleware further out makes it of them: with a recorded status of 4xx the
// changes are kept, else they are dropped. What could not be acquired or stored
// is in c.Errors too, for loggers.
//
// # Streams and WebSockets
//
// Release the session before c.Stream or c.SSEvent, or use session.Snapshot, or
// its user's other requests wait for the stream's end. An upgrade to WebSocket
// stores and releases by itself. A library that takes the connection over
// before it writes the reply has to be given c.Writer.Header(), for the cookie:
//
//	conn, err := upgrader.Upgrade(c.Writer, c.Request, c.Writer.Header()) // gorilla/websocket
//
// 1xx replies pass if they are written to the writer below Gin's, by its
// Unwrap method; Gin itself never sends them.
//
// # Order
//
// New goes inside of Recovery, Logger and CORS; a timeout middleware goes
// inside of New. Engine.Use, unlike a group's, covers requests without a route
// too; Gin's redirects to the path with or without a trailing slash run no
// middleware at all. Engine.HandleContext puts back the writer that the engine has
// made: where it is used, New is for the whole engine, by Engine.Use, and what
// wraps the writer (gzip) goes inside of it. Rewrite, for IDs in paths, goes
// around the engine. The README has the table of what was tested.
package ginsession
