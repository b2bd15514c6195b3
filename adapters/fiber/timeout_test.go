package fibersession_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/timeout"

	session "github.com/sessionstate/sessionstate/core"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

// TestM12_TimeoutError has a handler give its reply up by fasthttp's own
// means: then that reply needs the cookie, and the error.
func TestM12_TimeoutError(t *testing.T) {
	late := make(chan struct{})
	done := make(chan struct{}, 10)
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr))
		f.app.Get("/", func(c *fiber.Ctx) error {
			set(t, c, "stored")
			ctx := c.Context() // what a goroutine may go on using after a TimeoutError
			go func() {        // ends by late
				<-late
				ctx.Response.Header.Set("X-Late", "yes")
				ctx.SetUserValue("late", "yes")
				ctx.Response.SetBodyString("late")
				done <- struct{}{}
			}()
			ctx.TimeoutErrorWithCode("gave up", fiber.StatusRequestTimeout)
			return nil
		})
		f.app.Get("/5xx", func(c *fiber.Ctx) error {
			set(t, c, "dropped")
			c.Context().TimeoutErrorWithCode("gave up", fiber.StatusServiceUnavailable)
			return nil
		})
		f.app.Get("/fail", func(c *fiber.Ctx) error {
			c.Context().TimeoutError("gave up")
			return fibersession.Fail(c, session.ErrQueueFull)
		})
	})
	v := &client{fixture: f}
	a := v.get("/")
	v.want(a, 408, "gave up")
	v.wantCookie(a, true)
	v.wantStored("stored")

	v = f.returning("old")
	f.breakStore()
	a = v.get("/")
	f.store.Reset()
	v.want(a, 503, "Service Unavailable")
	v.wantCookie(a, false)
	if a.Header.Get("Retry-After") != session.RetryAfter {
		t.Errorf("the headers are %v", a.Header)
	}
	v.want(v.get("/5xx"), 503, "gave up")
	v.wantStored("old")
	v.want(v.get("/fail"), 429, "Too Many Requests")
	close(late)
	for range 2 {
		await(t, done)
	}
}

// TestM20_TimeoutWithContext puts the safe one of Fiber's timeout middlewares
// on either side.
func TestM20_TimeoutWithContext(t *testing.T) {
	next := func(c *fiber.Ctx) error { return c.Next() }
	wait := func(c *fiber.Ctx) error {
		set(t, c, "in vain")
		<-c.UserContext().Done()
		return c.UserContext().Err()
	}
	quick := func(c *fiber.Ctx) error {
		set(t, c, "stored")
		return c.SendString("in time")
	}
	f := serve(t, fiber.Config{}, func(f *fixture) {
		mw := fibersession.New(f.mgr)
		f.app.Get("/outside", timeout.NewWithContext(next, time.Millisecond), mw, wait)
		f.app.Get("/inside", mw, timeout.NewWithContext(wait, time.Millisecond))
		f.app.Get("/outside/quick", timeout.NewWithContext(next, patience), mw, quick)
		f.app.Get("/inside/quick", mw, timeout.NewWithContext(quick, patience))
		f.app.Get("/waits", mw, timeout.NewWithContext(func(c *fiber.Ctx) error {
			_, err := fibersession.Acquire(c)
			return err // the timeout middleware knows its own
		}, time.Millisecond))
	})
	// Inside, its 408 keeps the changes, as every 4xx does. Outside, the
	// handler's own error drops them, and becomes the 408 only then (M13).
	for path, stored := range map[string]string{"/outside": "old", "/inside": "in vain"} {
		v := f.returning("old")
		a := v.get(path)
		v.want(a, 408, "Request Timeout")
		v.wantStored(stored)
		for _, v := range []*client{v, {fixture: f}} {
			a := v.get(path + "/quick")
			v.want(a, 200, "in time")
			v.wantStored("stored")
		}
	}

	v := f.returning("old")
	held := sessionOf(f.mgr, v.id)
	if _, err := f.mgr.Acquire(held); err != nil {
		t.Fatal(err)
	}
	v.want(v.get("/waits"), 408, "Request Timeout")
	held.end()
	v.wantStored("old")
}

// TestM7_AcquireTimeout is what bounds a wait, since Fiber does not tell that
// a client has gone.
func TestM7_AcquireTimeout(t *testing.T) {
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr))
		f.app.Get("/", func(c *fiber.Ctx) error {
			_, err := fibersession.Acquire(c)
			if !errors.Is(err, session.ErrAcquireTimeout) || errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			return fibersession.Fail(c, err)
		})
	}, func(cfg *session.Config) { cfg.AcquireTimeout = time.Millisecond })
	v := f.returning("old")
	held := sessionOf(f.mgr, v.id)
	defer held.end()
	if _, err := f.mgr.Acquire(held); err != nil {
		t.Fatal(err)
	}
	v.want(v.get("/"), 503, "Service Unavailable")
}
