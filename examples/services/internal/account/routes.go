package account

import (
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"
	recovery "github.com/gofiber/fiber/v2/middleware/recover"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

func (sv *Service) routes() *fiber.App {
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		ReadTimeout:           serve.ReadTimeout,
		IdleTimeout:           serve.IdleTimeout,
		StrictRouting:         true,
		CaseSensitive:         true,
		ErrorHandler: func(c *fiber.Ctx, err error) error {
			if refused := (*fiber.Error)(nil); errors.As(err, &refused) {
				err = shop.StatusError(refused.Code)
			}
			return write(c, sv.pages.Error(err))
		},
	})
	app.Use(
		recovery.New(), // outside the sessions
		secure,
		sameOrigin,
		fibersession.New(sv.Sessions, fibersession.Options{
			ErrorHandler: func(c *fiber.Ctx, err error) error { return write(c, sv.pages.Error(err)) },
		}),
	)

	// Not below /account/, so that the gateway does not pass it on.
	app.Post("/backchannel/confirm", sv.confirm)
	app.Get("/readyz", func(c *fiber.Ctx) error {
		if sv.Sessions.Ping(c.UserContext()) != nil {
			return c.SendStatus(fiber.StatusServiceUnavailable)
		}
		return nil
	})

	app.Get("/account/", sv.acquire(sv.home, session.ReadOnly))
	app.Get("/account/login", sv.acquire(sv.loginPage, session.ReadOnly))
	app.Post("/account/login", sv.acquire(sv.login)) // Exclusive, the default
	app.Get("/account/handover", sv.acquire(sv.handover, session.ReadOnly))
	app.Post("/account/devices/end", sv.acquire(sv.endDevice, session.ReadOnly))
	app.Post("/account/logout", sv.acquire(sv.logout, session.Snapshot)) // waits for nobody
	app.Post("/account/logout-everywhere", sv.acquire(sv.logoutEverywhere, session.Snapshot))
	return app
}

// action is one thing that account does for a visitor.
type action func(c *fiber.Ctx, s *session.Session, form shop.Form) (shop.Result, error)

// acquire makes a handler that reads the form, acquires the session and does an
// action with it.
func (sv *Service) acquire(do action, mode ...session.Mode) fiber.Handler {
	return func(c *fiber.Ctx) error {
		// Copies: Fiber uses a request's memory again for the next one.
		form, err := shop.ParseForm(c.Request().URI().QueryString(), c.Body())
		if err != nil {
			return err
		}
		s, err := fibersession.Acquire(c, mode...)
		if err != nil {
			return fibersession.Fail(c, err)
		}
		res, err := do(c, s, form)
		if err != nil {
			return fibersession.Fail(c, err)
		}
		return write(c, res)
	}
}

// secure adds the headers that every reply has, at the end, because there are
// things in fasthttp that begin a reply anew.
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

func write(c *fiber.Ctx, res shop.Result) error {
	for name, value := range res.Header {
		c.Set(name, value)
	}
	return c.Status(res.Status).Send(res.Body)
}

// unprocessable is the status of a form that was read and is not filled in well.
const unprocessable = http.StatusUnprocessableEntity
