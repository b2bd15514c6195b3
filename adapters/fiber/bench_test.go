package fibersession_test

import (
	"testing"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

// BenchmarkMiddleware is the middleware's cost over bare Fiber.
func BenchmarkMiddleware(b *testing.B) {
	bare := func(c *fiber.Ctx) error { return c.SendString("ok") }
	read := func(c *fiber.Ctx) error {
		s, err := fibersession.Acquire(c, session.ReadOnly)
		if err != nil {
			return fibersession.Fail(c, err)
		}
		if _, err := count.Get(s); err != nil {
			return fibersession.Fail(c, err)
		}
		return c.SendString("ok")
	}
	readWrite := func(c *fiber.Ctx) error {
		s, err := fibersession.Acquire(c)
		if err != nil {
			return fibersession.Fail(c, err)
		}
		n, err := count.Get(s)
		if err != nil {
			return fibersession.Fail(c, err)
		}
		if err := count.Set(s, n+1); err != nil {
			return fibersession.Fail(c, err)
		}
		return c.SendString("ok")
	}
	for _, bench := range []struct {
		name string
		with bool // the middleware
		id   bool // the client has a session
		h    fiber.Handler
	}{
		{"bare", false, true, bare},
		{"never acquires, no session", true, false, bare},
		{"never acquires", true, true, bare},
		{"one read", true, true, read},
		{"one read and one write", true, true, readWrite},
	} {
		b.Run(bench.name, func(b *testing.B) {
			f := &fixture{TB: b, mgr: newManager(b, newStore()), app: fiber.New()}
			if bench.with {
				f.app.Use(fibersession.New(f.mgr))
			}
			f.app.Get("/", bench.h)
			v := &client{fixture: f}
			if bench.id {
				v = f.returning("x")
			}
			h, ctx := f.app.Handler(), requestFor(b, v.id)
			b.ReportAllocs()
			for b.Loop() {
				ctx.Response.Reset()
				ctx.ResetUserValues()
				h(ctx)
			}
			if ctx.Response.StatusCode() != fiber.StatusOK {
				b.Errorf("got %d", ctx.Response.StatusCode())
			}
		})
	}
}
