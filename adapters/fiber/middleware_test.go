package fibersession_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	"github.com/gofiber/fiber/v2/middleware/cors"
	"github.com/gofiber/fiber/v2/middleware/csrf"
	"github.com/gofiber/fiber/v2/middleware/etag"
	"github.com/gofiber/fiber/v2/middleware/logger"
	"github.com/gofiber/fiber/v2/middleware/recover"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

// long is a reply that is worth compressing.
var long = strings.Repeat("a long text. ", 1000)

// eitherSide calls test with mw outside of the session's middleware, and
// inside of it. Its routes store a note, or try to.
func eitherSide(t *testing.T, mw func() fiber.Handler, test func(t *testing.T, f *fixture, outside bool)) {
	for _, outside := range []bool{true, false} {
		name := "inside"
		if outside {
			name = "outside"
		}
		t.Run(name, func(t *testing.T) {
			f := serve(t, fiber.Config{}, func(f *fixture) {
				handlers := []any{fibersession.New(f.mgr), mw()}
				if outside {
					handlers[0], handlers[1] = handlers[1], handlers[0]
				}
				f.app.Use(handlers...)
				f.app.All("/", func(c *fiber.Ctx) error {
					set(t, c, "stored")
					return c.SendString(long)
				})
				f.app.All("/403", func(c *fiber.Ctx) error {
					set(t, c, "stored")
					return fiber.ErrForbidden
				})
				f.app.All("/500", func(c *fiber.Ctx) error {
					set(t, c, "dropped")
					return errTeapot
				})
				f.app.All("/panic", func(c *fiber.Ctx) error {
					set(t, c, "dropped")
					panic(errTeapot)
				})
			})
			test(t, f, outside)
		})
	}
}

// wantAll proves what is the same with every middleware: a new and a known
// client, a reply and an error, and a store that fails. header is what the
// requests need.
func wantAll(t *testing.T, f *fixture, body func(reply) string, header ...string) {
	t.Helper()
	for _, known := range []bool{false, true} {
		v := &client{fixture: f}
		if known {
			v = f.returning("old")
		}
		a := v.get("/", header...)
		if got := body(a); a.StatusCode != 200 || got != long {
			t.Errorf("got %d and %d bytes, want %d", a.StatusCode, len(got), len(long))
		}
		v.wantCookie(a, !known)
		v.wantStored("stored")
	}
	v := &client{fixture: f}
	a := v.get("/403", header...)
	if got := body(a); a.StatusCode != 403 || got != "Forbidden" {
		t.Errorf("got %d %q, want 403", a.StatusCode, got)
	}
	v.wantCookie(a, true)
	v.wantStored("stored")

	v = f.returning("old")
	a = v.get("/500", header...)
	if a.StatusCode != 500 {
		t.Errorf("got %d, want 500", a.StatusCode)
	}
	v.wantStored("old")
	f.breakStore()
	a = v.get("/", header...)
	f.store.Reset()
	if got := body(a); a.StatusCode != 503 || got != "Service Unavailable" {
		t.Errorf("got %d %q, want 503", a.StatusCode, got)
	}
	v.wantCookie(a, false)
	v.wantStored("old")
}

func plain(a reply) string { return a.body }

func TestCompress(t *testing.T) {
	eitherSide(t, func() fiber.Handler { return compress.New() }, func(t *testing.T, f *fixture, _ bool) {
		inflate := func(a reply) string {
			if a.Header.Get("Content-Encoding") == "" {
				return a.body
			}
			r, err := gzip.NewReader(strings.NewReader(a.body))
			if err != nil {
				t.Error(err)
				return ""
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Error(err)
			}
			return string(text)
		}
		wantAll(t, f, inflate, "Accept-Encoding", "gzip")
		v := &client{fixture: f}
		if a := v.get("/", "Accept-Encoding", "gzip"); a.Header.Get("Content-Encoding") != "gzip" {
			t.Error("the reply is not compressed")
		}
	})
}

func TestRecover(t *testing.T) {
	eitherSide(t, func() fiber.Handler { return recover.New() }, func(t *testing.T, f *fixture, _ bool) {
		wantAll(t, f, plain)
		v := f.returning("old")
		a := v.get("/panic")
		v.want(a, 500, errTeapot.Error())
		v.wantCookie(a, false)
		v.wantStored("old")
	})
}

// TestM13_SavedBeforePanic stores, answers, and panics.
func TestM13_SavedBeforePanic(t *testing.T) {
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(recover.New(), fibersession.New(f.mgr))
		f.app.Get("/", func(c *fiber.Ctx) error {
			s := set(t, c, "saved")
			if err := s.Save(c.UserContext()); err != nil {
				t.Error(err)
			}
			set(t, c, "dropped")
			c.Set("Etag", `"held"`)
			c.Cookie(&fiber.Cookie{Name: "held"})
			_ = c.SendString("held")
			panic(errTeapot)
		})
	})
	v := &client{fixture: f}
	a := v.get("/")
	v.want(a, 500, errTeapot.Error())
	v.wantCookie(a, true)
	if len(a.Cookies()) != 1 || a.Header.Get("Etag") != "" {
		t.Errorf("a part of the reply is left: %v", a.Header)
	}
	v.wantStored("saved")
}

// TestLogger looks at the status that is logged: what the client gets if the
// logger is outside.
func TestLogger(t *testing.T) {
	var log lockedBuffer
	mw := func() fiber.Handler {
		return logger.New(logger.Config{Format: "${status}\n", Output: &log, DisableColors: true})
	}
	eitherSide(t, mw, func(t *testing.T, f *fixture, outside bool) {
		log.take()
		wantAll(t, f, plain)
		last := "503"
		if !outside {
			last = "200" // what the handler said
		}
		if got, want := log.take(), "200\n200\n403\n500\n"+last+"\n"; got != want {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

// lockedBuffer is a buffer that take empties.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	return b.buf.String()
}

// TestCORS looks for its headers on the error replies too.
func TestCORS(t *testing.T) {
	mw := func() fiber.Handler {
		return cors.New(cors.Config{AllowOrigins: "https://shop.example", AllowCredentials: true})
	}
	eitherSide(t, mw, func(t *testing.T, f *fixture, _ bool) {
		origin := []string{"Origin", "https://shop.example"}
		wantAll(t, f, plain, origin...)
		for _, broken := range []bool{false, true} {
			if broken {
				f.breakStore()
			}
			v := &client{fixture: f}
			a := v.get("/", origin...)
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != origin[1] {
				t.Errorf("%d: Access-Control-Allow-Origin is %q", a.StatusCode, got)
			}
			if got := strings.Join(a.Header.Values("Vary"), ", "); !strings.Contains(got, "Origin") || !broken && !strings.Contains(got, "Cookie") {
				t.Errorf("%d: Vary is %q", a.StatusCode, got)
			}
		}
		f.store.Reset()
		// A preflight does not get to the handler, and costs nothing.
		v := f.returning("old")
		a := v.do("OPTIONS", "/", "Origin", origin[1], "Access-Control-Request-Method", "POST")
		v.want(a, 204, "")
		v.wantCookie(a, false)
		v.wantStored("old")
	})
}

// TestCSRF keeps the token's cookie beside the session's.
func TestCSRF(t *testing.T) {
	mw := func() fiber.Handler {
		return csrf.New(csrf.Config{
			CookieName:   "csrf_",
			ErrorHandler: func(*fiber.Ctx, error) error { return fiber.ErrForbidden },
		})
	}
	eitherSide(t, mw, func(t *testing.T, f *fixture, outside bool) {
		wantAll(t, f, plain)
		v := f.returning("old")
		v.want(v.do("POST", "/"), 403, "Forbidden")
		v.wantStored("old")
		a := v.get("/500")
		token := a.cookie("csrf_")
		if token == nil {
			t.Fatal("no token")
		}
		header := []string{"X-Csrf-Token", token.Value, "Cookie", "csrf_=" + token.Value + "; " + cookieName + "=" + v.id}
		stranger := &client{fixture: f}
		stranger.want(stranger.do("POST", "/", header...), 200, long)
		v.wantStored("stored")
		v = f.returning("old")
		f.breakStore()
		if a := v.get("/"); (a.cookie("csrf_") != nil) != outside {
			t.Errorf("the token on a reply that takes a dropped one's place: %v", a.cookie("csrf_"))
		}
		f.store.Reset()
	})
}

// TestETag lets a client ask whether a reply has changed.
func TestETag(t *testing.T) {
	eitherSide(t, func() fiber.Handler { return etag.New() }, func(t *testing.T, f *fixture, _ bool) {
		wantAll(t, f, plain)
		v := f.returning("old")
		a := v.get("/")
		tag := a.Header.Get("Etag")
		if tag == "" {
			t.Fatal("no ETag")
		}
		v = &client{fixture: f}
		a = v.get("/", "If-None-Match", tag)
		v.want(a, 304, "")
		v.wantCookie(a, true)
		v.wantStored("stored")
		v = f.returning("old")
		f.breakStore()
		a = v.get("/", "If-None-Match", tag)
		f.store.Reset()
		v.want(a, 503, "Service Unavailable")
		if got := a.Header.Get("Etag"); got == tag {
			t.Error("the error reply has the ETag of the one that was dropped")
		}
	})
}

// TestOuterMiddlewareSeesErrors is for those that do something about them.
func TestOuterMiddlewareSeesErrors(t *testing.T) {
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(func(c *fiber.Ctx) error {
			if err := c.Next(); !errors.Is(err, errTeapot) {
				return err
			}
			return c.Status(fiber.StatusTeapot).SendString("translated")
		}, fibersession.New(f.mgr))
		f.app.Get("/", func(c *fiber.Ctx) error {
			set(t, c, "dropped")
			return errTeapot
		})
	})
	v := f.returning("old")
	v.want(v.get("/"), 418, "translated")
	v.wantStored("old")
}
