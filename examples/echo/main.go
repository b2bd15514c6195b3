// The shop on Echo. From the repository's root:
//
//	go run ./examples/echo
package main

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

func main() { os.Exit(serve.Main(build)) }

func build(sessions *session.Manager, sh *shop.Shop) serve.Server {
	return serve.HTTP(routes(sessions, sh))
}

// routes gives the shop its addresses.
func routes(sessions *session.Manager, sh *shop.Shop) *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = errorPage(sh) // answers all errors, the sessions' included
	e.Use(
		middleware.Recover(), // outside the sessions: a panic has released its session when it comes by here
		secure,
		sameOrigin(),
		echosession.New(sessions), // costs nothing until a session is acquired
	)
	static := echo.StaticDirectoryHandler(sh.Static(), false) // acquires nothing
	e.GET("/static/*", static)
	e.HEAD("/static/*", static)

	e.GET("/", acquire(sh.Products)) // Exclusive, the default
	e.POST("/cart/add", acquire(sh.AddToCart))
	e.POST("/cart/remove", acquire(sh.RemoveFromCart))
	e.POST("/order", acquire(sh.Order))
	e.POST("/login", acquire(sh.Login))
	e.POST("/logout", acquire(sh.Logout, session.Snapshot))
	e.GET("/cart", acquired(sh.Cart), echosession.Require(session.ReadOnly))
	e.GET("/login", acquired(sh.LoginPage), echosession.Require(session.ReadOnly))

	e.GET("/lab", acquire(sh.Lab))
	e.POST("/lab/reset", acquire(sh.LabReset))
	e.POST("/lab/update", labRequest(sh.LabUpdate))
	e.GET("/lab/count", labRequest(sh.LabCount))
	return e
}

// acquire makes a handler that acquires the session itself, when it has all it
// needs, and does an action with it.
func acquire(do shop.Action, mode ...session.Mode) echo.HandlerFunc {
	return func(c echo.Context) error {
		form, err := shop.ReadForm(c.Response(), c.Request())
		if err != nil {
			return err
		}
		s, err := echosession.Acquire(c, mode...)
		if err != nil {
			return err
		}
		res, err := do(s, form)
		return reply(c, res, err)
	}
}

// acquired makes a handler behind Require, which has acquired the session or
// returned why it cannot.
func acquired(do shop.Action) echo.HandlerFunc {
	return func(c echo.Context) error {
		res, err := do(echosession.From(c), c.QueryParam)
		return reply(c, res, err)
	}
}

// labRequest makes a handler that acquires the session in the mode that the
// visitor chooses, and measures how long it waits.
func labRequest(do func(*session.Session, shop.Form, time.Duration) (shop.Result, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		form, err := shop.ReadForm(c.Response(), c.Request())
		if err != nil {
			return err
		}
		mode, err := shop.ParseMode(form("mode"))
		if err != nil {
			return err
		}
		asked := time.Now()
		s, err := echosession.Acquire(c, mode)
		if err != nil {
			return err
		}
		res, err := do(s, form, time.Since(asked))
		return reply(c, res, err)
	}
}

// secure adds the headers that every reply has, whatever becomes of it.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	headers := shop.SecurityHeaders()
	return func(c echo.Context) error {
		for name, value := range headers {
			c.Response().Header().Set(name, value)
		}
		return next(c)
	}
}

// sameOrigin refuses what another site's page would change here.
func sameOrigin() echo.MiddlewareFunc {
	protection := http.NewCrossOriginProtection()
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if protection.Check(c.Request()) != nil {
				return shop.ErrOtherSite
			}
			return next(c)
		}
	}
}

// errorPage makes the page of an error that a handler has returned, or Echo
// itself: it finds no route, or has recovered from a panic.
func errorPage(sh *shop.Shop) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		if refused := (*echo.HTTPError)(nil); errors.As(err, &refused) && refused.Internal == nil {
			err = shop.StatusError(refused.Code) // the router's: a session's error is inside of its own
		}
		if err := write(c, sh.Error(err)); err != nil {
			c.Logger().Error(err)
		}
	}
}

// reply answers with what came of an action. An error is the session's; the
// adapter makes of it what errorPage needs.
func reply(c echo.Context, res shop.Result, err error) error {
	if err != nil {
		return err
	}
	return write(c, res)
}

func write(c echo.Context, res shop.Result) error {
	for name, value := range res.Header {
		c.Response().Header().Set(name, value)
	}
	if res.Body == nil { // a redirect
		return c.NoContent(res.Status)
	}
	return c.Blob(res.Status, res.Header[echo.HeaderContentType], res.Body)
}
