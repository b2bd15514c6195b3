package sessiontest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Conversation is one request and its reply, as a Scenario's handlers see
// them. The test of each adapter implements it on its framework's context, by
// the calls that the framework's users would make. NetHTTP has most of it for
// frameworks on net/http.
//
// A method that returns an error returns what the framework's own call does,
// and the handler hands it on or not, as users of the framework do.
type Conversation interface {
	// Context returns the context.Context below the framework's own, which
	// handlers pass on.
	Context() context.Context
	// Acquire is the adapter's Acquire.
	Acquire(mode ...session.Mode) (*session.Session, error)
	// From is the adapter's From.
	From() *session.Session
	// Fail is the adapter's way to reply that there is no session. The
	// handler returns what Fail returns.
	Fail(err error) error

	// RequestHeader returns the first value of a request header.
	RequestHeader(name string) string
	// ReadBody reads the request's body to its end.
	ReadBody() ([]byte, error)

	// ReplyHeader returns the values that a reply header has so far.
	ReplyHeader(name string) []string
	// SetReplyHeader gives a reply header one value.
	SetReplyHeader(name, value string)
	// WriteHeader sets the reply's status and, where the framework can, sends
	// the headers.
	WriteHeader(status int)
	// Write writes a part of the reply's body.
	Write(p []byte) (int, error)
	// Copy copies src to the reply's body, with io.Copy where the framework
	// has no way of its own.
	Copy(src io.Reader) (int64, error)
	// Flush sends what was written so far.
	Flush() error
	// Hijack takes the connection over. The handler closes it.
	Hijack() (net.Conn, error)
	// Informational sends a 1xx reply ahead of the real one, with the headers
	// set so far.
	Informational(status int) error

	// Redirect, ServeContent and Error reply as the framework's own functions
	// of these names do, or as net/http's where it has none. ServeContent
	// honours conditional and range requests where the framework does.
	Redirect(status int, url string) error
	ServeContent(name string, modified time.Time, content io.ReadSeeker) error
	Error(status int, text string) error

	// StatusError returns the error by which the framework's handlers ask for
	// an error reply of this status. It is called only if AdapterWant.Errors
	// is set.
	StatusError(status int) error

	// Writer returns the http.ResponseWriter that a handler can get at, or
	// nil where there is none.
	Writer() http.ResponseWriter
}

// NetHTTP is the part of a Conversation that net/http can do. Tests of
// adapters for frameworks on net/http embed it, add the adapter's Acquire,
// From and Fail, and replace what the framework does in its own way.
type NetHTTP struct {
	W http.ResponseWriter
	R *http.Request
}

// Context returns the request's context.
func (c NetHTTP) Context() context.Context { return c.R.Context() }

// RequestHeader returns the first value of a request header.
func (c NetHTTP) RequestHeader(name string) string { return c.R.Header.Get(name) }

// ReadBody reads the request's body to its end.
func (c NetHTTP) ReadBody() ([]byte, error) { return io.ReadAll(c.R.Body) }

// ReplyHeader returns the values that a reply header has so far.
func (c NetHTTP) ReplyHeader(name string) []string { return c.W.Header().Values(name) }

// SetReplyHeader gives a reply header one value.
func (c NetHTTP) SetReplyHeader(name, value string) { c.W.Header().Set(name, value) }

// WriteHeader calls the writer's.
func (c NetHTTP) WriteHeader(status int) { c.W.WriteHeader(status) }

// Write calls the writer's.
func (c NetHTTP) Write(p []byte) (int, error) { return c.W.Write(p) }

// Copy is io.Copy to the writer. It hides src's WriteTo, so that the writer's
// ReadFrom is used if it has one.
func (c NetHTTP) Copy(src io.Reader) (int64, error) { return io.Copy(c.W, struct{ io.Reader }{src}) }

// Flush flushes by http.ResponseController.
func (c NetHTTP) Flush() error { return http.NewResponseController(c.W).Flush() }

// Hijack takes the connection over by http.ResponseController.
func (c NetHTTP) Hijack() (net.Conn, error) {
	conn, _, err := http.NewResponseController(c.W).Hijack()
	return conn, err
}

// Informational is WriteHeader.
func (c NetHTTP) Informational(status int) error {
	c.W.WriteHeader(status)
	return nil
}

// Redirect is http.Redirect.
func (c NetHTTP) Redirect(status int, url string) error {
	http.Redirect(c.W, c.R, url, status)
	return nil
}

// ServeContent is http.ServeContent.
func (c NetHTTP) ServeContent(name string, modified time.Time, content io.ReadSeeker) error {
	http.ServeContent(c.W, c.R, name, modified, content)
	return nil
}

// Error is http.Error.
func (c NetHTTP) Error(status int, text string) error {
	http.Error(c.W, text, status)
	return nil
}

// StatusError returns an error that says that there is none: net/http's
// handlers return nothing.
func (c NetHTTP) StatusError(int) error { return errors.ErrUnsupported }

// Writer returns W.
func (c NetHTTP) Writer() http.ResponseWriter { return c.W }
