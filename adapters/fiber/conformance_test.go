package fibersession_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"path"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

// TestRunAdapter proves M10 to M16, M20, M22, M23 and A1 to A11. What Fiber lacks:
// a reply cannot begin while its handler runs (Flush, Informational), the
// connection is handed over only after all middlewares (Hijack), a request
// does not learn that its client has gone (Disconnect), and there is no
// http.ResponseWriter (Writer).
func TestRunAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, newServer, sessiontest.AdapterWant{Errors: true})
}

// newServer translates a Scenario into an app.
func newServer(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
	t.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 32 << 10})
	app.Use(fibersession.Rewrite(mgr))
	app.Use(func(c *fiber.Ctx) (err error) {
		defer func() {
			if v := recover(); v != nil {
				sc.Recovered(v)
				err = fiber.ErrInternalServerError
			}
		}()
		return c.Next()
	})
	var opts fibersession.Options
	if sc.ErrorHandler != nil {
		opts.ErrorHandler = func(c *fiber.Ctx, err error) error { return sc.ErrorHandler(conversation{c}, err) }
	}
	app.Use(fibersession.New(mgr, opts))
	if sc.Twice {
		app.Use(fibersession.New(mgr, opts))
	}
	if sc.Inner != nil {
		app.Use(fibersession.New(sc.Inner, opts))
	}
	for _, r := range sc.Routes {
		var handlers []fiber.Handler
		if r.Passive {
			handlers = append(handlers, fibersession.Passive())
		}
		for _, mode := range r.Require {
			handlers = append(handlers, fibersession.Require(mode))
		}
		handlers = append(handlers, func(c *fiber.Ctx) error { return r.Handler(conversation{c}) })
		app.Add(r.Method, r.Path, handlers...)
	}
	return start(t, app)
}

// conversation is a request in Fiber.
type conversation struct{ *fiber.Ctx }

func (c conversation) Context() context.Context { return c.UserContext() }

func (c conversation) Acquire(mode ...session.Mode) (*session.Session, error) {
	return fibersession.Acquire(c.Ctx, mode...)
}

func (c conversation) From() *session.Session { return fibersession.From(c.Ctx) }

func (c conversation) Fail(err error) error { return fibersession.Fail(c.Ctx, err) }

func (c conversation) RequestHeader(name string) string { return c.Get(name) }

func (c conversation) ReadBody() ([]byte, error) { return bytes.Clone(c.Body()), nil }

func (c conversation) ReplyHeader(name string) (values []string) {
	c.Response().Header.VisitAll(func(key, value []byte) {
		if string(key) == http.CanonicalHeaderKey(name) {
			values = append(values, string(value))
		}
	})
	return values
}

func (c conversation) SetReplyHeader(name, value string) { c.Set(name, value) }

func (c conversation) WriteHeader(status int) { c.Status(status) }

func (c conversation) Copy(src io.Reader) (int64, error) { return io.Copy(c.Ctx, src) }

func (conversation) Flush() error { return errors.ErrUnsupported }

func (conversation) Hijack() (net.Conn, error) { return nil, errors.ErrUnsupported }

func (conversation) Informational(int) error { return errors.ErrUnsupported }

func (c conversation) Redirect(status int, url string) error { return c.Ctx.Redirect(url, status) }

// ServeContent is SendStream: Fiber serves files by their paths, and else only
// streams. It says how long the stream is: in reply to a HEAD, fasthttp ends one of
// unknown length by an empty line too many.
func (c conversation) ServeContent(name string, modified time.Time, content io.ReadSeeker) error {
	c.Set(fiber.HeaderContentType, mime.TypeByExtension(path.Ext(name)))
	c.Set(fiber.HeaderLastModified, modified.Format(http.TimeFormat))
	size, err := content.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return c.SendStream(content, int(size))
}

func (c conversation) Error(status int, text string) error { return c.Status(status).SendString(text) }

func (conversation) StatusError(status int) error { return fiber.NewError(status) }

func (conversation) Writer() http.ResponseWriter { return nil }
