package echosession_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
)

// TestM13_ContextTimeoutOnEitherSide: the 503 that it makes of the handler's
// error drops the changes, wherever it stands.
func TestM13_ContextTimeoutOnEitherSide(t *testing.T) {
	for side, chain := range sides(func() echo.MiddlewareFunc { return middleware.ContextTimeout(20 * time.Millisecond) }) {
		s := newSite(t, chain)
		s.echo.GET("/", func(c echo.Context) error {
			set(t, c, "new")
			<-c.Request().Context().Done()
			return c.Request().Context().Err()
		})
		s.echo.GET("/fast", func(c echo.Context) error {
			set(t, c, "fast")
			return c.String(http.StatusOK, "in time")
		})
		s.want(s.do("GET", "/"), 503, "Service Unavailable")
		if s.id != "" {
			t.Errorf("%s: a session was begun", side)
		}
		s.seed("old")
		s.want(s.do("GET", "/"), 503, "Service Unavailable")
		s.wantNote("old")
		s.want(s.do("GET", "/fast"), 200, "in time")
		s.wantNote("fast")
	}
}

// TestM7_ContextTimeoutEndsTheWait: for the session, too.
func TestM7_ContextTimeoutEndsTheWait(t *testing.T) {
	for side, chain := range sides(func() echo.MiddlewareFunc { return middleware.ContextTimeout(20 * time.Millisecond) }) {
		s := newSite(t, chain)
		s.echo.GET("/", func(echo.Context) error {
			t.Error("the handler ran")
			return nil
		}, echosession.Require(session.Exclusive))
		s.seed("old").within(func(r *http.Request) {
			if _, err := session.Acquire(r.Context()); err != nil {
				t.Error(err)
			}
			if got := s.do("GET", "/"); got.StatusCode != 503 {
				t.Errorf("%s: got %d %q", side, got.StatusCode, got.body)
			}
		})
	}
}

// timeout is Echo's middleware of that name, which runs the handler in another
// goroutine. It is deprecated, as it races for the echo.Context when the time
// is up, so only what it does before is of use.
func timeout() echo.MiddlewareFunc {
	return middleware.TimeoutWithConfig(middleware.TimeoutConfig{Timeout: patience}) //nolint:staticcheck // deprecated, and in use
}

func TestA3_TimeoutOnEitherSide(t *testing.T) {
	for _, chain := range sides(timeout) {
		s := newSite(t, chain)
		s.echo.GET("/", func(c echo.Context) error {
			set(t, c, "written")
			return c.String(http.StatusCreated, "made")
		})
		s.echo.GET("/nothing", func(c echo.Context) error {
			set(t, c, "nothing written")
			return nil
		})
		s.echo.GET("/404", func(c echo.Context) error {
			set(t, c, "kept")
			return echo.ErrNotFound
		})
		s.echo.GET("/500", func(c echo.Context) error {
			set(t, c, "dropped")
			return echo.ErrInternalServerError
		})
		s.echo.GET("/down", func(c echo.Context) error {
			set(t, c, "lost")
			s.down()
			return c.String(http.StatusOK, "held")
		})
		s.want(s.do("GET", "/"), 201, "made")
		s.wantNote("written")
		s.want(s.do("GET", "/nothing"), 200, "")
		s.wantNote("nothing written")
		s.want(s.do("GET", "/404"), 404, "Not Found")
		s.wantNote("kept")
		s.want(s.do("GET", "/500"), 500, "Internal Server Error")
		s.wantNote("kept")
		s.want(s.do("GET", "/down"), 503, "Service Unavailable")
		s.faults.Reset()
		s.wantNote("kept")
	}
}

// TestM20_TimeoutHandlerAroundEcho: it answers 503 while the handler runs on,
// whose changes are stored, and which can begin no session any more.
func TestM20_TimeoutHandlerAroundEcho(t *testing.T) {
	for name, stored := range map[string]bool{"a new session": false, "a stored session": true} {
		s := newBareSite(t)
		s.echo.Use(echosession.New(s.mgr))
		ended := make(chan struct{})
		s.echo.GET("/", func(c echo.Context) error {
			set(t, c, "new")
			<-c.Request().Context().Done()
			return c.String(http.StatusOK, "late")
		})
		s.start(http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			s.echo.ServeHTTP(w, r)
		}), 20*time.Millisecond, "too late"))
		if stored {
			s.seed("old")
		}
		s.want(s.do("GET", "/"), 503, "too late")
		await(t, ended)
		if stored {
			s.wantNote("new")
		} else if s.id != "" {
			t.Errorf("%s: the client got a cookie", name)
		}
	}
}
