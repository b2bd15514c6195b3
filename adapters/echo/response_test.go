package echosession_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// state is what echo.Response says of itself.
type state struct {
	status        int
	size          int64
	committed     bool
	before, after int // calls of these functions so far
}

// watch serves a reply made by these steps, and returns it and what the
// echo.Response said before and after each step and to the middleware outside.
func watch(t *testing.T, steps []func(echo.Context) error, chain ...echo.MiddlewareFunc) (seen []state, replies string) {
	t.Helper()
	s := newBareSite(t)
	before, after := 0, 0
	look := func(c echo.Context) {
		res := c.Response()
		seen = append(seen, state{res.Status, res.Size, res.Committed, before, after})
	}
	s.echo.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			look(c)
			return err
		}
	})
	s.echo.Use(chain...)
	s.echo.GET("/", func(c echo.Context) error {
		c.Response().Before(func() { before++; c.Response().Header().Set("X-Before", "yes") })
		c.Response().After(func() { after++ })
		look(c)
		for _, step := range steps {
			if err := step(c); err != nil {
				return err
			}
			look(c)
		}
		return nil
	})
	s.start(s.echo)
	got := s.do("GET", "/")
	return seen, fmt.Sprintln(got.Status, got.Header["Content-Type"], got.Header["X-Before"], got.body)
}

// TestA3_ResponseIsAsEchos compares what echo.Response says of itself, at every
// step of a reply, with and without the adapter; and the replies.
func TestA3_ResponseIsAsEchos(t *testing.T) {
	write := func(text string) func(echo.Context) error {
		return func(c echo.Context) error {
			_, err := io.WriteString(c.Response(), text)
			return err
		}
	}
	flush := func(c echo.Context) error { c.Response().Flush(); return nil }
	replies := map[string][]func(echo.Context) error{
		"nothing":      {},
		"NoContent":    {func(c echo.Context) error { return c.NoContent(204) }},
		"WriteHeader":  {func(c echo.Context) error { c.Response().WriteHeader(201); return nil }, func(c echo.Context) error { c.Response().WriteHeader(500); return nil }},
		"Write":        {write("abc"), write(""), write("de")},
		"String":       {func(c echo.Context) error { return c.String(418, "teapot") }},
		"JSON":         {func(c echo.Context) error { return c.JSON(200, echo.Map{"a": 1}) }},
		"Write, Flush": {write("a"), flush, write("b"), flush},
		"Flush":        {flush, flush},
		"large":        {write(strings.Repeat("x", 100_000))},
		"redirect":     {func(c echo.Context) error { return c.Redirect(302, "/elsewhere") }},
		"stream":       {func(c echo.Context) error { return c.Stream(200, "text/x", strings.NewReader("data")) }},
		"a file":       {func(c echo.Context) error { return c.File("go.mod") }},
		"an error":     {func(echo.Context) error { return echo.ErrForbidden }},
		"Error":        {func(c echo.Context) error { c.Error(echo.ErrForbidden); return nil }},
		"late error":   {write("a"), func(echo.Context) error { return echo.ErrForbidden }},
	}
	mgr := newManager(t, memstore.New(), "")
	chains := map[string][]echo.MiddlewareFunc{
		"unused": {echosession.New(mgr)},
		"read":   {echosession.New(mgr), echosession.Require(session.Exclusive)},
		"held": {echosession.New(mgr), func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				set(t, c, "x")
				return next(c)
			}
		}},
	}
	for name, steps := range replies {
		want, wantReplies := watch(t, steps)
		for how, chain := range chains {
			got, gotReplies := watch(t, steps, chain...)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: the response says %v, want %v as without the adapter", name, how, got, want)
			}
			if gotReplies != wantReplies {
				t.Errorf("%s, %s: got %.200q, want %.200q as without the adapter", name, how, gotReplies, wantReplies)
			}
		}
	}
}

// TestA3_WriterIsPutBack: after New the response has the writer it had before,
// unless a middleware further in has left its own there.
func TestA3_WriterIsPutBack(t *testing.T) {
	type foreign struct{ http.ResponseWriter }
	for _, leaves := range []bool{false, true} {
		for _, panics := range []bool{false, true} {
			var before, after http.ResponseWriter
			s := newSite(t, func(mgr *session.Manager) []echo.MiddlewareFunc {
				return []echo.MiddlewareFunc{
					func(next echo.HandlerFunc) echo.HandlerFunc {
						return func(c echo.Context) (err error) {
							before = c.Response().Writer
							defer func() {
								v := recover()
								if (v != nil) != panics {
									t.Errorf("recovered %v", v)
								}
								after = c.Response().Writer
								err = c.String(http.StatusAccepted, "outside")
							}()
							return next(c)
						}
					},
					echosession.New(mgr),
				}
			})
			s.echo.GET("/", func(c echo.Context) error {
				set(t, c, "new")
				if leaves {
					c.Response().Writer = foreign{c.Response().Writer}
				}
				if panics {
					panic("x")
				}
				return nil
			})
			s.want(s.do("GET", "/"), 202, "outside")
			if (after == before) != (panics || !leaves) {
				t.Errorf("leaves %v, panics %v: the writer is %T after %T", leaves, panics, after, before)
			}
		}
	}
}

// TestA3_WriterLeftBehind: a goroutine that still has the writer when its
// request is over gets an error.
func TestA3_WriterLeftBehind(t *testing.T) {
	s := newSite(t, only)
	s.echo.GET("/", func(c echo.Context) error {
		set(t, c, "new")
		left := c.Response().Writer
		t.Cleanup(func() {
			if _, err := left.Write([]byte("late")); err == nil {
				t.Error("Write after the end: no error")
			}
		})
		return c.String(http.StatusOK, "left")
	})
	s.want(s.do("GET", "/"), 200, "left")
}

// TestA2_HTTPHandlersBelow: http.Handlers and net/http's middlewares, which
// replace the echo.Response, reach the session by its request.
func TestA2_HTTPHandlersBelow(t *testing.T) {
	pass := echo.WrapMiddleware(func(next http.Handler) http.Handler { return next })
	for name, chain := range sides(func() echo.MiddlewareFunc { return pass }) {
		s := newSite(t, chain)
		s.echo.Use(recovers())
		s.echo.GET("/", echo.WrapHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sess, err := httpsession.Acquire(r)
			if err == nil {
				err = note.Set(sess, "below"+r.URL.RawQuery)
			}
			if err != nil {
				t.Error(err)
			}
			if r.URL.RawQuery != "" {
				s.down()
			}
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, "done")
		})))
		s.echo.GET("/fail", echo.WrapHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			httpsession.Fail(w, r, session.ErrQueueFull)
		})))
		s.want(s.do("GET", "/"), 202, "done")
		s.wantNote("below")
		s.want(s.do("GET", "/fail"), 429, "Too Many Requests")
		if got := s.do("GET", "/?down"); got.StatusCode != 503 || strings.Contains(got.body, "done") {
			t.Errorf("%s, store down: got %d %q", name, got.StatusCode, got.body)
		}
	}
}
