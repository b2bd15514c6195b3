package echosession_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// TestA2_ErrorHandler answers what could not be acquired and what could not be
// stored, in each of Echo's ways, and is not needed for an answer.
func TestA2_ErrorHandler(t *testing.T) {
	for _, h := range []struct {
		name   string
		handle func(echo.Context, error) error
		status int
		body   string
	}{
		{"JSON", func(c echo.Context, err error) error {
			return c.JSON(session.HTTPStatus(err), echo.Map{"error": "later"})
		}, 503, `{"error":"later"}`},
		{"a status", func(c echo.Context, _ error) error { return c.NoContent(507) }, 507, ""},
		{"its own error", func(_ echo.Context, err error) error { return echo.NewHTTPError(502, "later").SetInternal(err) }, 502, "later"},
		{"the error", func(_ echo.Context, err error) error { return err }, 503, "Service Unavailable"},
		{"nothing", func(echo.Context, error) error { return nil }, 503, "Service Unavailable"},
	} {
		handled := 0
		s := newSite(t, func(mgr *session.Manager) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{echosession.New(mgr, echosession.Options{ErrorHandler: func(c echo.Context, err error) error {
				handled++
				if !errors.Is(err, session.ErrUnavailable) || c.Response().Committed {
					t.Errorf("%s: the error handler gets %v, committed %v", h.name, err, c.Response().Committed)
				}
				return h.handle(c, err)
			}})}
		})
		store := func(reply echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				set(t, c, "new")
				s.down()
				c.Response().Header().Set("Etag", `"held"`)
				err := reply(c)
				c.Response().Header().Set("X-Late", "of the reply that was dropped")
				c.SetCookie(&http.Cookie{Name: "late", Value: "1"})
				return err
			}
		}
		s.echo.GET("/fail", func(c echo.Context) error { return echosession.Fail(c, session.ErrUnavailable) })
		s.echo.GET("/nothing", store(func(echo.Context) error { return nil }))
		s.echo.GET("/held", store(func(c echo.Context) error { return c.String(200, "held") }))
		s.echo.GET("/flushed", store(func(c echo.Context) error {
			err := c.String(200, "held")
			c.Response().Flush()
			return err
		}))
		s.echo.GET("/large", store(func(c echo.Context) error { return c.Blob(200, "text/plain", make([]byte, 100_000)) }))
		s.seed("old")
		for i, path := range []string{"/fail", "/nothing", "/held", "/flushed", "/large"} {
			got := s.do("GET", path)
			s.want(got, h.status, h.body)
			early := path == "/nothing" // the headers may be of an outer middleware
			if !early && (got.Header.Get("Etag") != "" || got.Header.Get("X-Late") != "") || len(got.Cookies()) > 0 {
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

// TestA2_ErrorsAreEchos: what Acquire and Fail return is what Echo makes a
// reply of, and what errors.Is looks into.
func TestA2_ErrorsAreEchos(t *testing.T) {
	s := newBareSite(t) // New is missing
	s.echo.GET("/acquire", func(c echo.Context) error {
		_, err := echosession.Acquire(c)
		if !errors.Is(err, session.ErrNoSession) {
			t.Errorf("Acquire: %v", err)
		}
		return err
	})
	s.echo.GET("/require", func(echo.Context) error {
		t.Error("the handler ran")
		return nil
	}, echosession.Require(session.ReadOnly))
	s.echo.GET("/require/of", func(echo.Context) error {
		t.Error("the handler ran")
		return nil
	}, echosession.Require(session.ReadOnly, s.mgr))
	s.start(s.echo)
	for _, path := range []string{"/acquire", "/require", "/require/of"} {
		s.want(s.do("GET", path), 500, "Internal Server Error")
	}

	s = newSite(t, only)
	s.echo.GET("/", func(c echo.Context) error {
		err := echosession.Fail(c, session.ErrAcquireTimeout)
		var he *echo.HTTPError
		if !errors.As(err, &he) || he.Code != 503 || !errors.Is(err, session.ErrAcquireTimeout) {
			t.Errorf("Fail: %v", err)
		}
		if again := echosession.Fail(c, err); again != err {
			t.Errorf("Fail of what Fail returned: %v", again)
		}
		return err
	})
	s.echo.GET("/otherwise", func(c echo.Context) error {
		_ = echosession.Fail(c, session.ErrAcquireTimeout) // and then answers in another way
		return c.String(http.StatusOK, "otherwise")
	})
	got := s.do("GET", "/")
	s.want(got, 503, `{"message":"Service Unavailable"}`)
	if got.Header.Get("Retry-After") != session.RetryAfter || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got the headers %v", got.Header)
	}
	got = s.do("GET", "/otherwise")
	s.want(got, 200, "otherwise")
	if got.Header.Get("Retry-After") != "" {
		t.Error("Retry-After is on a reply that is no refusal")
	}
}

func TestA7_RequireOf(t *testing.T) {
	s := newBareSite(t)
	inner := newManager(t, memstore.New(), "inner")
	s.echo.Use(echosession.New(s.mgr), echosession.New(inner))
	s.echo.GET("/", func(c echo.Context) error {
		ctx := c.Request().Context()
		first, second := s.mgr.From(ctx), inner.From(ctx)
		if first == nil || second == nil || first == second || echosession.From(c) != second || first.Mode() != session.ReadOnly {
			t.Errorf("got %v and %v", first, second)
		}
		return nil
	}, echosession.Require(session.ReadOnly, s.mgr, inner))
	s.start(s.echo)
	s.want(s.do("GET", "/"), 200, "")
}

func TestSkip(t *testing.T) {
	s := newSite(t, func(mgr *session.Manager) []echo.MiddlewareFunc {
		return []echo.MiddlewareFunc{
			echosession.New(mgr, echosession.Options{}, echosession.Options{Skip: func(c echo.Context) bool { return c.Path() == "/health" }}),
		}
	})
	h := func(c echo.Context) error {
		_, err := echosession.Acquire(c)
		if skipped := c.Path() == "/health"; errors.Is(err, session.ErrNoSession) != skipped {
			t.Errorf("%s: %v", c.Path(), err)
		}
		return nil
	}
	s.echo.GET("/health", h)
	s.echo.GET("/", h)
	s.do("GET", "/health")
	s.do("GET", "/")
}
