package fibersession_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

var errTeapot = errors.New("a teapot's own error")

// wiping is an app's ErrorHandler that resets the reply, and counts.
type wiping struct{ calls int }

func (w *wiping) handle(c *fiber.Ctx, err error) error {
	w.calls++
	c.Response().Reset()
	status := 500
	var fe *fiber.Error
	if errors.As(err, &fe) {
		status = fe.Code
	}
	return c.Status(status).SendString("wiped: " + err.Error())
}

// TestM12_CookieSurvivesErrorHandler has the app's ErrorHandler, which runs
// after all middlewares, reset a reply that tells the client its ID.
func TestM12_CookieSurvivesErrorHandler(t *testing.T) {
	w := new(wiping)
	var up []error // what the middlewares outside are given
	f := serve(t, fiber.Config{ErrorHandler: w.handle}, func(f *fixture) {
		f.app.Use(func(c *fiber.Ctx) error {
			err := c.Next()
			up = append(up, err)
			return err
		})
		f.app.Use(fibersession.New(f.mgr))
		f.app.Post("/login", func(c *fiber.Ctx) error {
			if err := set(t, c, "in").Renew(); err != nil {
				t.Error(err)
			}
			return fiber.ErrConflict
		})
		f.app.Post("/refuse", func(c *fiber.Ctx) error {
			set(t, c, "refused")
			return fiber.ErrForbidden
		})
		f.app.Post("/logout", func(c *fiber.Ctx) error {
			s, err := fibersession.Acquire(c)
			if err == nil {
				err = s.Abandon()
			}
			if err != nil {
				t.Error(err)
			}
			return fiber.ErrGone
		})
		f.app.Post("/saved", func(c *fiber.Ctx) error {
			if err := set(t, c, "saved").Save(c.UserContext()); err != nil {
				t.Error(err)
			}
			return errTeapot
		})
		f.app.Get("/fails", func(*fiber.Ctx) error { return errTeapot })
	})
	for _, c := range []struct {
		path   string
		status int
		text   string
	}{{"/login", 409, "Conflict"}, {"/refuse", 403, "Forbidden"}, {"/saved", 500, errTeapot.Error()}} {
		w.calls = 0
		v := &client{fixture: f}
		a := v.do("POST", c.path)
		v.want(a, c.status, "wiped: "+c.text)
		v.wantCookie(a, true)
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Vary") != "Cookie" {
			t.Errorf("A9: %s: the headers are %v", c.path, a.Header)
		}
		if w.calls != 1 {
			t.Errorf("%s: the ErrorHandler was called %d times", c.path, w.calls)
		}
	}
	v := f.returning("old")
	before := v.id
	v.wantCookie(v.do("POST", "/login"), true)
	if v.id == before || v.id == "" {
		t.Error("M16: the client did not get its new ID")
	}
	v.wantStored("in")
	a := v.do("POST", "/logout")
	if c := a.cookie(cookieName); c == nil || c.MaxAge >= 0 {
		t.Errorf("M15: the cookie was not removed: %v", c)
	}

	// Without anything to tell the client, errors go their usual way.
	up, w.calls = nil, 0
	v = f.returning("old")
	v.want(v.get("/fails"), 500, "wiped: "+errTeapot.Error())
	v.want(v.do("POST", "/refuse"), 403, "wiped: Forbidden")
	if want := []error{errTeapot, fiber.ErrForbidden}; !slices.Equal(up, want) || w.calls != 2 {
		t.Errorf("outside got %v, want %v; the ErrorHandler was called %d times", up, want, w.calls)
	}
}

// TestA2_DroppedReply breaks the store: nothing of the reply may be left, and
// all that middlewares outside have said.
func TestA2_DroppedReply(t *testing.T) {
	closed := make(chan string, 10)
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(func(c *fiber.Ctx) error {
			c.Cookie(&fiber.Cookie{Name: "outside", Value: "1"})
			c.Set("Access-Control-Allow-Origin", "*")
			return c.Next()
		})
		f.app.Use(fibersession.New(f.mgr))
		f.app.Use(func(c *fiber.Ctx) error {
			set(t, c, "lost")
			c.Cookie(&fiber.Cookie{Name: "outside", Value: "2"})
			c.Cookie(&fiber.Cookie{Name: "inside", Value: "1"})
			c.Set("Etag", `"held"`)
			c.Set("Content-Language", "held")
			c.Set("Content-Security-Policy", "default-src 'self'")
			c.Response().Header.SetContentEncoding("held")
			c.Location("/held")
			return c.Next()
		})
		f.app.Get("/text", func(c *fiber.Ctx) error { return c.SendString("held") })
		f.app.Get("/error", func(*fiber.Ctx) error { return fiber.NewError(404, "held") })
		f.app.Get("/file", func(c *fiber.Ctx) error { return c.SendFile("go.mod") })
		f.app.Get("/stream", func(c *fiber.Ctx) error {
			return c.SendStream(closer{strings.NewReader("held"), func() { closed <- "stream" }}, 4)
		})
		f.app.Get("/trailer", func(c *fiber.Ctx) error {
			c.Set("Held", "yes")
			if err := c.Response().Header.SetTrailer("Held"); err != nil {
				t.Error(err)
			}
			return c.SendStream(strings.NewReader("held"))
		})
		f.app.Get("/204", func(c *fiber.Ctx) error { return c.SendStatus(204) })
		f.app.Get("/length", func(c *fiber.Ctx) error {
			c.Set("Content-Length", "1000")
			c.Response().SkipBody = true
			return nil
		})
	})
	for _, path := range []string{"/text", "/error", "/file", "/stream", "/trailer", "/204", "/length"} {
		for _, method := range []string{"GET", "HEAD"} {
			v := f.returning("old")
			f.breakStore()
			a := v.do(method, path)
			f.store.Reset()
			body := "Service Unavailable"
			if method == "HEAD" {
				body = ""
			}
			v.want(a, 503, body)
			if a.ContentLength != int64(len("Service Unavailable")) {
				t.Errorf("%s %s: Content-Length is %d", method, path, a.ContentLength)
			}
			for _, name := range []string{"Etag", "Content-Language", "Content-Encoding", "Location", "Held", "Last-Modified", "Trailer"} {
				if got := a.Header.Get(name); got != "" {
					t.Errorf("%s %s: %s: %s is left of the reply that was dropped", method, path, name, got)
				}
			}
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin": "*", "Content-Security-Policy": "default-src 'self'",
				"Retry-After": session.RetryAfter, "Cache-Control": "no-store", "Set-Cookie": "outside=1; path=/; SameSite=Lax",
			} {
				if got := strings.Join(a.Header.Values(name), ", "); got != want {
					t.Errorf("%s %s: %s is %q, want %q", method, path, name, got, want)
				}
			}
			v.wantStored("old")
			if path == "/stream" {
				await(t, closed)
			}
		}
	}
}

type closer struct {
	io.Reader
	closed func()
}

func (c closer) Close() error { c.closed(); return nil }

// TestFail_Error proves what the app's ErrorHandler and middlewares outside
// can make of Fail's error.
func TestFail_Error(t *testing.T) {
	var got error
	f := serve(t, fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
		got = err
		return fiber.DefaultErrorHandler(c, err)
	}}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr))
		f.app.Get("/fail", func(c *fiber.Ctx) error {
			c.Set("Etag", `"held"`)
			_ = c.SendString("held")
			return fibersession.Fail(c, fmt.Errorf("wrapped: %w", session.ErrQueueFull))
		})
		f.app.Get("/forgotten", func(c *fiber.Ctx) error {
			_ = fibersession.Fail(c, session.ErrRenewed)
			return nil
		})
		f.app.Get("/nil", func(c *fiber.Ctx) error {
			_ = c.SendString("fine")
			return fibersession.Fail(c, nil)
		})
	})
	v := &client{fixture: f}
	a := v.get("/fail")
	v.want(a, 429, "Too Many Requests")
	if a.Header.Get("Retry-After") != session.RetryAfter || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Etag") != "" {
		t.Errorf("the headers are %v", a.Header)
	}
	var fe *fiber.Error
	if !errors.Is(got, session.ErrQueueFull) || !errors.As(got, &fe) || fe.Code != 429 {
		t.Errorf("the ErrorHandler got %v", got)
	}
	v.want(v.get("/forgotten"), 409, "")
	v.want(v.get("/nil"), 200, "fine")

	// Outside of the middleware there is nothing to acquire.
	bare := fiber.New(fiber.Config{DisableStartupMessage: true})
	bare.Get("/", fibersession.Require(session.ReadOnly), func(*fiber.Ctx) error {
		t.Error("the handler ran without a session")
		return nil
	})
	res, err := bare.Test(must(http.NewRequest("GET", "/", http.NoBody)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 500 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestA2_ErrorHandlerOption lets Options.ErrorHandler answer in each way.
func TestA2_ErrorHandlerOption(t *testing.T) {
	app := new(wiping)
	var told []error
	f := serve(t, fiber.Config{ErrorHandler: app.handle}, func(f *fixture) {
		opts := fibersession.Options{ErrorHandler: func(c *fiber.Ctx, err error) error {
			told = append(told, err)
			switch c.Query("how") {
			case "silent":
				return nil
			case "error":
				return fiber.NewError(418, "short and stout")
			case "204":
				return c.SendStatus(204)
			}
			c.Response().Reset()
			return c.Status(session.HTTPStatus(err)).SendString("handled")
		}}
		f.app.Use(fibersession.New(f.mgr, fibersession.Options{}, opts))
		f.app.Get("/fail", func(c *fiber.Ctx) error { return fibersession.Fail(c, session.ErrConflict) })
		f.app.Get("/store", func(c *fiber.Ctx) error {
			s := set(t, c, "saved")
			if err := s.Save(c.UserContext()); err != nil {
				t.Error(err)
			}
			set(t, c, "lost")
			f.breakStore()
			return c.SendString("held")
		})
	})
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/fail", 409, "handled"}, {"/fail?how=silent", 409, "wiped: Conflict"}, {"/fail?how=error", 418, "wiped: short and stout"}, {"/fail?how=204", 204, ""},
		{"/store", 503, "handled"}, {"/store?how=silent", 503, "wiped: Service Unavailable"}, {"/store?how=error", 418, "wiped: short and stout"}, {"/store?how=204", 204, ""},
	} {
		told = nil
		v := &client{fixture: f}
		a := v.get(c.path)
		f.store.Reset()
		v.want(a, c.status, c.body)
		if len(told) != 1 {
			t.Errorf("%s: the ErrorHandler was told %v, want one error", c.path, told)
		}
		// What was stored before is the client's (M13).
		saved := strings.HasPrefix(c.path, "/store")
		v.wantCookie(a, saved)
		if saved {
			v.wantStored("saved")
		}
	}
}

// TestA7_InnerCookieSurvives breaks the outer of two Managers: the client
// still has to learn the ID that the inner one has stored.
func TestA7_InnerCookieSurvives(t *testing.T) {
	f := serve(t, fiber.Config{ErrorHandler: new(wiping).handle}, func(f *fixture) {
		inner := newManager(t, newStore(), func(cfg *session.Config) {
			cfg.ID = session.Cookie{Name: "inner", Insecure: true}
		})
		f.app.Use(fibersession.New(f.mgr), fibersession.New(inner))
		f.app.Get("/", fibersession.Require(session.Exclusive, f.mgr, inner), func(c *fiber.Ctx) error {
			for _, mgr := range []*session.Manager{f.mgr, inner} {
				if err := note.Set(mgr.From(c.UserContext()), "new"); err != nil {
					t.Error(err)
				}
			}
			return c.SendString("held")
		})
	})
	v := &client{fixture: f}
	a := v.get("/")
	v.want(a, 200, "held")
	if a.cookie("inner") == nil || a.cookie(cookieName) == nil {
		t.Errorf("got the cookies %v, want two", a.Cookies())
	}
	f.breakStore()
	v = &client{fixture: f}
	a = v.get("/")
	v.want(a, 503, "wiped: Service Unavailable")
	if a.cookie("inner") == nil || a.cookie(cookieName) != nil {
		t.Errorf("got the cookies %v, want the inner Manager's", a.Cookies())
	}
}

// TestA1_LargeReplies are sent in every way that Fiber has.
func TestA1_LargeReplies(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 20<<10)
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr), func(c *fiber.Ctx) error {
			set(t, c, c.Path())
			return c.Next()
		})
		f.app.Get("/bytes", func(c *fiber.Ctx) error { return c.Send(large) })
		f.app.Get("/stream", func(c *fiber.Ctx) error { return c.SendStream(bytes.NewReader(large)) })
		f.app.Get("/length", func(c *fiber.Ctx) error { return c.SendStream(bytes.NewReader(large), len(large)) })
		f.app.Get("/file", func(c *fiber.Ctx) error { return c.SendFile("request.go") })
		f.app.Get("/download", func(c *fiber.Ctx) error { return c.Download("request.go") })
		f.app.Get("/json", func(c *fiber.Ctx) error { return c.JSON(fiber.Map{"a": 1}) })
		f.app.Get("/redirect", func(c *fiber.Ctx) error { return c.Redirect("/bytes") })
		f.app.Get("/back", func(c *fiber.Ctx) error { return c.RedirectBack("/bytes") })
		f.app.Get("/204", func(c *fiber.Ctx) error { return c.SendStatus(204) })
		f.app.Get("/304", func(c *fiber.Ctx) error { return c.SendStatus(304) })
		f.app.Get("/nothing", func(*fiber.Ctx) error { return nil })
	})
	for path, status := range map[string]int{
		"/bytes": 200, "/stream": 200, "/length": 200, "/file": 200, "/download": 200, "/json": 200,
		"/redirect": 302, "/back": 302, "/204": 204, "/304": 304, "/nothing": 200, "/nowhere": 404,
	} {
		v := &client{fixture: f}
		a := v.get(path)
		v.wantCookie(a, true)
		if a.StatusCode != status {
			t.Errorf("%s: got %d, want %d", path, a.StatusCode, status)
		}
		if sized := path == "/bytes" || path == "/stream" || path == "/length"; sized && a.body != string(large) {
			t.Errorf("%s: got %d bytes, want %d", path, len(a.body), len(large))
		}
		v.wantStored(path)
	}
}
