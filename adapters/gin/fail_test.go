package ginsession_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// TestA2_ErrorHandler answers what could not be acquired and what could not be
// stored, in each of Gin's ways, and is not needed for an answer.
func TestA2_ErrorHandler(t *testing.T) {
	for _, h := range []struct {
		name   string
		handle func(*gin.Context, error)
		status int
		body   string
	}{
		{"JSON", func(c *gin.Context, err error) { c.JSON(session.HTTPStatus(err), gin.H{"error": "later"}) }, 503, `{"error":"later"}`},
		{"a status", func(c *gin.Context, _ error) { c.Status(507) }, 507, ""},
		{"abort", func(c *gin.Context, _ error) { c.AbortWithStatus(502) }, 502, ""},
		{"redirect", func(c *gin.Context, _ error) { c.Redirect(http.StatusSeeOther, "/busy") }, 303, "See Other"},
		{"nothing", func(*gin.Context, error) {}, 503, "Service Unavailable\n"},
	} {
		handled := 0
		s := newSite(t, func(mgr *session.Manager) []gin.HandlerFunc {
			return []gin.HandlerFunc{ginsession.New(mgr, ginsession.Options{ErrorHandler: func(c *gin.Context, err error) {
				handled++
				if !errors.Is(err, session.ErrUnavailable) || !errors.Is(c.Errors.Last(), session.ErrUnavailable) || !c.IsAborted() {
					t.Errorf("%s: the error handler gets %v, the context has %v", h.name, err, c.Errors)
				}
				h.handle(c, err)
			}})}
		})
		unavailable := session.ErrUnavailable
		store := func(reply gin.HandlerFunc) gin.HandlerFunc {
			return func(c *gin.Context) {
				set(t, c, "new")
				s.down()
				c.Header("Etag", `"held"`)
				reply(c)
				c.Header("X-Late", "of the reply that was dropped")
				c.SetCookie("late", "1", 0, "/", "", false, false)
			}
		}
		s.engine.GET("/fail", func(c *gin.Context) { ginsession.Fail(c, unavailable) })
		s.engine.GET("/nothing", store(func(*gin.Context) {}))
		s.engine.GET("/held", store(func(c *gin.Context) { c.String(200, "held") }))
		s.engine.GET("/flushed", store(func(c *gin.Context) { c.String(200, "held"); c.Writer.Flush() }))
		s.engine.GET("/large", store(func(c *gin.Context) { c.Data(200, "text/plain", make([]byte, 100_000)) }))
		s.seed("old")
		for i, path := range []string{"/fail", "/nothing", "/held", "/flushed", "/large"} {
			got := s.do("GET", path)
			s.want(got, h.status, h.body)
			late := got.Header.Get("X-Late") != "" && path != "/nothing" && path != "/held"
			if got.Header.Get("Etag") != "" && path != "/nothing" || late || len(got.Cookies()) > 0 && path != "/nothing" {
				t.Errorf("%s, %s: got headers of the reply that was dropped: %v", h.name, path, got.Header)
			}
			if handled != i+1 {
				t.Errorf("%s, %s: the error handler was called %d times by now, want %d", h.name, path, handled, i+1)
			}
			s.faults.Reset()
			s.wantNote("old")
		}
	}
}

// TestA2_RequireAborts: nothing of the chain runs without the session.
func TestA2_RequireAborts(t *testing.T) {
	s := newBareSite(t) // New is missing
	s.engine.GET("/", ginsession.Require(session.ReadOnly), func(*gin.Context) { t.Error("the handler ran") })
	s.engine.GET("/of", ginsession.Require(session.ReadOnly, s.mgr), func(*gin.Context) { t.Error("the handler ran") })
	s.start(s.engine)
	s.want(s.do("GET", "/"), 500, "Internal Server Error\n")
	s.want(s.do("GET", "/of"), 500, "Internal Server Error\n")
}

func TestA7_RequireOf(t *testing.T) {
	s := newBareSite(t)
	inner := newManager(t, memstore.New(), "inner")
	s.engine.Use(ginsession.New(s.mgr), ginsession.New(inner))
	s.engine.GET("/", ginsession.Require(session.ReadOnly, s.mgr, inner), func(c *gin.Context) {
		ctx := c.Request.Context()
		first, second := s.mgr.From(ctx), inner.From(ctx)
		if first == nil || second == nil || first == second || ginsession.From(c) != second || first.Mode() != session.ReadOnly {
			t.Errorf("got %v and %v", first, second)
		}
	})
	s.start(s.engine)
	s.want(s.do("GET", "/"), 200, "")
}

func TestSkip(t *testing.T) {
	s := newSite(t, func(mgr *session.Manager) []gin.HandlerFunc {
		return []gin.HandlerFunc{
			ginsession.New(mgr, ginsession.Options{}, ginsession.Options{Skip: func(c *gin.Context) bool { return c.FullPath() == "/health" }}),
		}
	})
	h := func(c *gin.Context) {
		_, err := ginsession.Acquire(c)
		if skipped := c.FullPath() == "/health"; errors.Is(err, session.ErrNoSession) != skipped {
			t.Errorf("%s: %v", c.FullPath(), err)
		}
	}
	s.engine.GET("/health", h)
	s.engine.GET("/", h)
	s.do("GET", "/health")
	s.do("GET", "/")
}

// TestA5_GinContextAsContext: with ContextWithFallback Gin's own context is
// one that has the session.
func TestA5_GinContextAsContext(t *testing.T) {
	for _, fallback := range []bool{false, true} {
		s := newSite(t, only)
		s.engine.ContextWithFallback = fallback
		s.engine.GET("/", func(c *gin.Context) {
			if _, err := session.Acquire(c); errors.Is(err, session.ErrNoSession) == fallback {
				t.Errorf("fallback %v: %v", fallback, err)
			}
		})
		s.do("GET", "/")
	}
}
