package ginsession_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

// TestRunAdapter proves that this adapter keeps the rules of all of them. Gin's
// handlers return no errors; everything else that the kit knows of is there.
func TestRunAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, newServer, sessiontest.AdapterWant{
		Flush: true, Hijack: true, Informational: true, Trailers: true, Disconnect: true, Writer: true,
	})
}

// conversation is a request in Gin.
type conversation struct {
	sessiontest.NetHTTP
	c *gin.Context
}

func converse(c *gin.Context) conversation {
	return conversation{sessiontest.NetHTTP{W: c.Writer, R: c.Request}, c}
}

func (c conversation) Acquire(mode ...session.Mode) (*session.Session, error) {
	return ginsession.Acquire(c.c, mode...)
}

func (c conversation) From() *session.Session { return ginsession.From(c.c) }

func (c conversation) Fail(err error) error {
	ginsession.Fail(c.c, err)
	return nil
}

func (c conversation) RequestHeader(name string) string  { return c.c.GetHeader(name) }
func (c conversation) ReadBody() ([]byte, error)         { return c.c.GetRawData() }
func (c conversation) SetReplyHeader(name, value string) { c.c.Header(name, value) }
func (c conversation) WriteHeader(status int)            { c.c.Status(status) }

// Informational goes to the writer below Gin's own, which takes every status
// for the reply's.
func (c conversation) Informational(status int) error {
	u, ok := c.c.Writer.(interface{ Unwrap() http.ResponseWriter })
	if !ok {
		return errors.ErrUnsupported
	}
	u.Unwrap().WriteHeader(status)
	return nil
}

func (c conversation) Redirect(status int, url string) error {
	c.c.Redirect(status, url)
	return nil
}

func (c conversation) Error(status int, text string) error {
	c.c.String(status, "%s", text)
	return nil
}

func newServer(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
	t.Helper()
	var opts ginsession.Options
	if sc.ErrorHandler != nil {
		opts.ErrorHandler = func(c *gin.Context, err error) {
			if err := sc.ErrorHandler(converse(c), err); err != nil {
				t.Errorf("the error handler returned %v", err)
			}
		}
	}
	engine := gin.New()
	engine.Use(recoverer(sc.Recovered), ginsession.New(mgr, opts))
	if sc.Twice {
		engine.Use(ginsession.New(mgr, opts))
	}
	if sc.Inner != nil {
		engine.Use(ginsession.New(sc.Inner, opts))
	}
	for _, r := range sc.Routes {
		var chain []gin.HandlerFunc
		if r.Passive {
			chain = append(chain, ginsession.Passive())
		}
		for _, mode := range r.Require {
			chain = append(chain, ginsession.Require(mode))
		}
		engine.Handle(r.Method, r.Path, append(chain, func(c *gin.Context) {
			if err := r.Handler(converse(c)); err != nil {
				t.Errorf("%s %s: a handler of Gin cannot return %v", r.Method, r.Path, err)
			}
		})...)
	}
	srv := httptest.NewServer(ginsession.Rewrite(mgr)(engine))
	t.Cleanup(srv.Close)
	return srv.URL
}

// recoverer is gin.CustomRecovery, which keeps http.ErrAbortHandler to itself,
// for all values.
func recoverer(recovered func(any)) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			if v := recover(); v != nil {
				recovered(v)
				_ = c.Error(fmt.Errorf("recovered: %v", v))
				c.AbortWithStatus(http.StatusInternalServerError)
			}
		}()
		c.Next()
	}
}
