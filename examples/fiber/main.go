// The shop on Fiber. From the repository's root:
//
//	go run ./examples/fiber
package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/filesystem"
	recovery "github.com/gofiber/fiber/v2/middleware/recover"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/internal/telemetry"
)

func main() { os.Exit(serve.Main(build)) }

func build(sessions *session.Manager, sh *shop.Shop) serve.Server {
	return server{routes(sessions, sh)}
}

// server is an app with the names of *http.Server.
type server struct{ app *fiber.App }

func (s server) Serve(l net.Listener) error         { return s.app.Listener(l) }
func (s server) Shutdown(ctx context.Context) error { return s.app.ShutdownWithContext(ctx) }

// routes gives the shop its addresses.
func routes(sessions *session.Manager, sh *shop.Shop) *fiber.App {
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		ReadTimeout:           serve.ReadTimeout,
		IdleTimeout:           serve.IdleTimeout,
		StrictRouting:         true, // each page has one address
		CaseSensitive:         true,
		ErrorHandler:          errorPage(sh), // answers what is not the sessions'
	})
	app.Use(
		traced,
		recovery.New(), // outside the sessions: a panic has released its session when it comes by here
		secure,
		sameOrigin,
		fibersession.New(sessions, fibersession.Options{ // costs nothing until a session is acquired
			ErrorHandler: func(c *fiber.Ctx, err error) error { return write(c, sh.Error(err)) },
		}),
	)
	app.Use("/static", filesystem.New(filesystem.Config{Root: http.FS(sh.Static())})) // acquires nothing

	app.Get("/", acquire(sh.Products)) // Exclusive, the default
	app.Post("/cart/add", acquire(sh.AddToCart))
	app.Post("/cart/remove", acquire(sh.RemoveFromCart))
	app.Post("/order", acquire(sh.Order))
	app.Post("/login", acquire(sh.Login))
	app.Post("/logout", acquire(sh.Logout, session.Snapshot))
	app.Get("/cart", fibersession.Require(session.ReadOnly), acquired(sh.Cart))
	app.Get("/login", fibersession.Require(session.ReadOnly), acquired(sh.LoginPage))

	app.Get("/lab", acquire(sh.Lab))
	app.Post("/lab/reset", acquire(sh.LabReset))
	app.Post("/lab/update", labRequest(sh.LabUpdate))
	app.Get("/lab/count", labRequest(sh.LabCount))
	return app
}

// traced puts each request into a span, which those of its session are below.
func traced(c *fiber.Ctx) error {
	ctx, end := telemetry.Request(c.UserContext(), c.Method())
	defer end()
	c.SetUserContext(ctx)
	return c.Next()
}

// acquire makes a handler that acquires the session itself, when it has all it
// needs, and does an action with it.
func acquire(do shop.Action, mode ...session.Mode) fiber.Handler {
	return func(c *fiber.Ctx) error {
		form, err := readForm(c)
		if err != nil {
			return err
		}
		s, err := fibersession.Acquire(c, mode...)
		if err != nil {
			return fibersession.Fail(c, err)
		}
		res, err := do(s, form)
		return reply(c, res, err)
	}
}

// acquired makes a handler behind Require, which has acquired the session or
// answered that it cannot.
func acquired(do shop.Action) fiber.Handler {
	return func(c *fiber.Ctx) error {
		res, err := do(fibersession.From(c), func(name string) string { return c.Query(name) })
		return reply(c, res, err)
	}
}

// labRequest makes a handler that acquires the session in the mode that the
// visitor chooses, and measures how long it waits.
func labRequest(do func(*session.Session, shop.Form, time.Duration) (shop.Result, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		form, err := readForm(c)
		if err != nil {
			return err
		}
		mode, err := shop.ParseMode(form("mode"))
		if err != nil {
			return err
		}
		asked := time.Now()
		s, err := fibersession.Acquire(c, mode)
		if err != nil {
			return fibersession.Fail(c, err)
		}
		res, err := do(s, form, time.Since(asked))
		return reply(c, res, err)
	}
}

// secure adds the headers that every reply has, whatever becomes of it: at the
// end, because there are things in fasthttp that begin a reply anew.
func secure(c *fiber.Ctx) error {
	defer func() {
		for name, value := range shop.SecurityHeaders() {
			c.Set(name, value)
		}
	}()
	return c.Next()
}

// sameOrigin refuses what another site's page would change here. Not by
// c.Hostname(), which believes an X-Forwarded-Host.
func sameOrigin(c *fiber.Ctx) error {
	err := shop.CheckOrigin(c.Method(), string(c.Context().Host()), func(name string) string { return c.Get(name) })
	if err != nil {
		return err
	}
	return c.Next()
}

// errorPage makes the page of an error that a handler has returned, or Fiber
// itself: it finds no route, or has recovered from a panic.
func errorPage(sh *shop.Shop) fiber.ErrorHandler {
	return func(c *fiber.Ctx, err error) error {
		if refused := (*fiber.Error)(nil); errors.As(err, &refused) {
			err = shop.StatusError(refused.Code)
		}
		return write(c, sh.Error(err))
	}
}

// readForm reads strictly what c.FormValue would guess at. The values are copies,
// because Fiber uses a request's memory again for the next one.
func readForm(c *fiber.Ctx) (shop.Form, error) {
	return shop.ParseForm(c.Request().URI().QueryString(), c.Body())
}

// reply answers with what came of an action. An error is the session's, and Fail
// gives it to the ErrorHandler.
func reply(c *fiber.Ctx, res shop.Result, err error) error {
	if err != nil {
		return fibersession.Fail(c, err)
	}
	return write(c, res)
}

func write(c *fiber.Ctx, res shop.Result) error {
	for name, value := range res.Header {
		c.Set(name, value)
	}
	return c.Status(res.Status).Send(res.Body)
}
