package echosession_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
)

func TestA1_GzipOnEitherSide(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	replies := map[string]struct {
		reply  echo.HandlerFunc
		status int
		body   string
	}{
		"nothing":    {func(echo.Context) error { return nil }, 200, ""},
		"no content": {func(c echo.Context) error { return c.NoContent(204) }, 204, ""},
		"short":      {func(c echo.Context) error { return c.String(200, "short") }, 200, "short"},
		"JSON":       {func(c echo.Context) error { return c.JSON(201, echo.Map{"a": 1}) }, 201, `{"a":1}`},
		"an error":   {func(echo.Context) error { return echo.ErrNotFound }, 404, "Not Found"},
		"a status":   {func(c echo.Context) error { return c.NoContent(403) }, 403, ""},
		"long":       {func(c echo.Context) error { return c.String(200, long) }, 200, long},
		"redirect":   {func(c echo.Context) error { return c.Redirect(303, "/x") }, 303, ""},
		"flush, write": {func(c echo.Context) error {
			c.Response().WriteHeader(202)
			c.Response().Flush()
			_, err := io.WriteString(c.Response(), "late")
			return err
		}, 202, "late"},
		"write, flush": {func(c echo.Context) error {
			if err := c.String(200, "a"); err != nil {
				return err
			}
			c.Response().Flush()
			_, err := io.WriteString(c.Response(), "b")
			return err
		}, 200, "ab"},
	}
	for _, least := range []int{0, 1000} {
		mw := func() echo.MiddlewareFunc {
			return middleware.GzipWithConfig(middleware.GzipConfig{MinLength: least})
		}
		for side, chain := range sides(mw) {
			for name, r := range replies {
				for _, down := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, %s, at least %d", side, name, least), func(t *testing.T) {
						t.Parallel()
						s := newSite(t, chain)
						s.echo.GET("/", func(c echo.Context) error {
							set(t, c, "new")
							if down {
								s.down()
							}
							return r.reply(c)
						})
						s.seed("old")
						got := inflate(t, s.do("GET", "/", "Accept-Encoding", "gzip"))
						if down {
							s.want(got, 503, `{"message":"Service Unavailable"}`)
							s.faults.Reset()
							s.wantNote("old")
							return
						}
						s.want(got, r.status, r.body)
						s.wantNote("new")
					})
				}
			}
		}
	}
}

func inflate(t testing.TB, r reply) reply {
	t.Helper()
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		r.body = string(body)
	}
	return r
}

func recovers() echo.MiddlewareFunc {
	return middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true})
}

// TestM13_RecoverOnEitherSide: wherever it stands, a panic drops the changes.
// Inside, what was written before goes out, as without sessions, and is stored.
func TestM13_RecoverOnEitherSide(t *testing.T) {
	for side, chain := range sides(recovers) {
		s := newSite(t, chain)
		s.echo.GET("/", func(c echo.Context) error {
			set(t, c, "new")
			panic("a text")
		})
		s.echo.GET("/held", func(c echo.Context) error {
			set(t, c, "written")
			c.Response().Header().Set("Etag", `"held"`)
			if err := c.String(http.StatusOK, "held"); err != nil {
				t.Error(err)
			}
			panic("a text")
		})
		s.seed("old")
		s.want(s.do("GET", "/"), 500, `{"message":"Internal Server Error"}`)
		s.wantNote("old")
		got := s.do("GET", "/held")
		if side == "inside" {
			s.want(got, 200, "held")
			s.wantNote("written")
			continue
		}
		s.want(got, 500, `{"message":"Internal Server Error"}`)
		if got.Header.Get("Etag") != "" {
			t.Error("the reply that was dropped has left its Etag")
		}
		s.wantNote("old")
	}
}

// TestA3_LoggerOnEitherSide: outside it sees what the client gets, inside what
// the handler has written.
func TestA3_LoggerOnEitherSide(t *testing.T) {
	type line struct {
		status int
		size   int64
		err    bool
	}
	for _, handles := range []bool{false, true} {
		for _, c := range []struct {
			name            string
			handler         echo.HandlerFunc
			down            bool
			outside, inside line
		}{
			{"a body", func(c echo.Context) error { return c.String(201, "made") }, false, line{201, 4, false}, line{201, 4, false}},
			{"a status", func(c echo.Context) error { return c.NoContent(204) }, false, line{204, 0, false}, line{204, 0, false}},
			{"nothing", func(echo.Context) error { return nil }, false, line{200, 0, false}, line{200, 0, false}},
			{"an error", func(echo.Context) error { return echo.ErrForbidden }, false, line{403, 0, true}, line{403, 0, true}},
			{"Fail", func(c echo.Context) error { return echosession.Fail(c, session.ErrQueueFull) }, false, line{429, 0, true}, line{429, 0, true}},
			{"a body, store down", func(c echo.Context) error { return c.String(201, "made") }, true, line{503, 0, true}, line{201, 4, false}},
			{"nothing, store down", func(echo.Context) error { return nil }, true, line{503, 0, true}, line{200, 0, false}},
			{"flushed, store down", func(c echo.Context) error {
				err := c.String(201, "made")
				c.Response().Flush()
				return err
			}, true, line{503, 0, true}, line{201, 4, false}},
		} {
			var got []line
			logger := func() echo.MiddlewareFunc {
				return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
					LogStatus: true, LogResponseSize: true, LogError: true, HandleError: handles,
					LogValuesFunc: func(_ echo.Context, v middleware.RequestLoggerValues) error {
						if v.Error != nil {
							v.ResponseSize = 0 // depends on who answers when
						}
						got = append(got, line{v.Status, v.ResponseSize, v.Error != nil})
						return nil
					},
				})
			}
			s := newSite(t, func(mgr *session.Manager) []echo.MiddlewareFunc {
				return []echo.MiddlewareFunc{logger(), echosession.New(mgr), logger()}
			})
			s.echo.GET("/", func(ctx echo.Context) error {
				set(t, ctx, "new")
				if c.down {
					s.down()
				}
				return c.handler(ctx)
			})
			reply := s.seed("old").do("GET", "/")
			if want := []line{c.inside, c.outside}; !slices.Equal(got, want) || reply.StatusCode != c.outside.status {
				t.Errorf("%s: inside and outside see %v, want %v; the client gets %d", c.name, got, want, reply.StatusCode)
			}
		}
	}
}

// TestA3_EchosLogger is the same with Echo's own, which answers errors itself.
func TestA3_EchosLogger(t *testing.T) {
	var log bytes.Buffer
	s := newSite(t, func(mgr *session.Manager) []echo.MiddlewareFunc {
		return []echo.MiddlewareFunc{
			middleware.LoggerWithConfig(middleware.LoggerConfig{Format: "${status} ${error}\n", Output: &log}), //nolint:staticcheck // deprecated, and in use
			recovers(), echosession.New(mgr),
		}
	})
	s.echo.GET("/", func(c echo.Context) error {
		set(t, c, "new")
		s.down()
		return c.String(http.StatusOK, "held")
	})
	s.want(s.do("GET", "/"), 503, "Service Unavailable")
	if text := log.String(); !strings.HasPrefix(text, "503 ") || !strings.Contains(text, "session: store unavailable") {
		t.Errorf("the log says %q", text)
	}
}

// TestA2_CORSOnEitherSide: scripts of other origins can read error replies.
func TestA2_CORSOnEitherSide(t *testing.T) {
	const origin = "https://shop.example"
	mw := func() echo.MiddlewareFunc {
		return middleware.CORSWithConfig(middleware.CORSConfig{AllowOrigins: []string{origin}, AllowMethods: []string{"GET"}, AllowCredentials: true})
	}
	for side, chain := range sides(mw) {
		s := newSite(t, chain)
		s.echo.GET("/", func(c echo.Context) error {
			set(t, c, "new")
			s.down()
			return c.String(http.StatusOK, "held")
		})
		s.echo.GET("/fail", func(c echo.Context) error { return echosession.Fail(c, session.ErrQueueFull) })
		for path, status := range map[string]int{"/": 503, "/fail": 429} {
			got := s.do("GET", path, "Origin", origin)
			if got.StatusCode != status || got.Header.Get("Access-Control-Allow-Origin") != origin || got.Header.Get("Retry-After") == "" {
				t.Errorf("%s, %s: got %d, %v", side, path, got.StatusCode, got.Header)
			}
		}
		got := s.do("OPTIONS", "/", "Origin", origin, "Access-Control-Request-Method", "GET")
		if got.StatusCode != 204 || got.Header.Get("Access-Control-Allow-Methods") != "GET" || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: preflight got %d, %v", side, got.StatusCode, got.Header)
		}
	}
}

// TestM12_CSRFOnEitherSide: its cookie and the session's both arrive, and what
// it refuses never touches the store. Only outside its cookie is on the reply
// that says that the session could not be stored.
func TestM12_CSRFOnEitherSide(t *testing.T) {
	for side, chain := range sides(middleware.CSRF) {
		s := newSite(t, chain)
		h := func(c echo.Context) error {
			set(t, c, "new"+c.QueryParam("down"))
			if c.QueryParam("down") != "" {
				s.down()
			}
			return c.String(http.StatusOK, "stored")
		}
		s.echo.GET("/", h)
		s.echo.POST("/", h)
		if got := s.do("POST", "/"); got.StatusCode != 400 || s.id != "" {
			t.Errorf("%s: without a token got %d, session %v", side, got.StatusCode, s.id != "")
		}
		got := s.do("GET", "/")
		token := cookie(got, "_csrf")
		if got.StatusCode != 200 || token == "" || s.id == "" {
			t.Fatalf("%s: got %d, %v", side, got.StatusCode, got.Header)
		}
		s.wantNote("new")
		s.want(s.do("POST", "/", "Cookie", "_csrf="+token+"; session="+s.id, "X-Csrf-Token", token), 200, "stored")
		got = s.do("GET", "/?down=1")
		if (cookie(got, "_csrf") != "") != (side == "outside") || got.StatusCode != 503 {
			t.Errorf("%s, store down: got %d, %v", side, got.StatusCode, got.Header)
		}
	}
}

func cookie(r reply, name string) string {
	for _, c := range r.Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// TestM13_ReturnedErrors: the status that Echo answers a returned error with
// decides, unless the handler had written a reply.
func TestM13_ReturnedErrors(t *testing.T) {
	failed := errors.New("failed")
	for _, c := range []struct {
		name   string
		err    error
		status int
	}{
		{"plain", failed, 500},
		{"a deadline of something else", context.DeadlineExceeded, 500},
		{"404", echo.ErrNotFound, 404},
		{"409 around one", echo.NewHTTPError(409).SetInternal(failed), 409},
		{"400 around 502", echo.NewHTTPError(400).SetInternal(echo.ErrBadGateway), 502},
		{"404, wrapped", fmt.Errorf("wrapped: %w", echo.ErrNotFound), 500}, // Echo looks no deeper
		{"a full queue", fmt.Errorf("wrapped: %w", session.ErrQueueFull), 429},
		{"too many sessions", fmt.Errorf("wrapped: %w", session.ErrTooManySessions), 409},
		{"too large", session.ErrTooLarge, 413},
		{"unavailable", session.ErrUnavailable, 503},
		{"own words for a full queue", echo.NewHTTPError(418, "busy").SetInternal(session.ErrQueueFull), 418},
	} {
		s := newSite(t, only)
		s.echo.GET("/", func(ctx echo.Context) error {
			set(t, ctx, "new")
			return c.err
		})
		s.echo.GET("/written", func(ctx echo.Context) error {
			set(t, ctx, "newer")
			if err := ctx.String(http.StatusOK, "written"); err != nil {
				t.Error(err)
			}
			return c.err
		})
		kept := map[bool]string{true: "old", false: "new"}
		s.seed("old")
		got := s.do("GET", "/")
		if got.StatusCode != c.status {
			t.Errorf("%s: got %d, want %d", c.name, got.StatusCode, c.status)
		}
		if again := c.status == 429 || c.status == 503; (got.Header.Get("Retry-After") != "") != again {
			t.Errorf("%s: Retry-After is %q", c.name, got.Header.Get("Retry-After"))
		}
		s.wantNote(kept[c.status >= 500])
		s.want(s.do("GET", "/written"), 200, "written")
		if c.status < 500 {
			s.wantNote("newer")
		} else {
			s.wantNote(kept[true])
		}
	}
}
