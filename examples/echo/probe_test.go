package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
)

// buildProbed is build with the probes of the script.
func buildProbed(sessions *session.Manager, sh *shop.Shop) serve.Server {
	e := routes(sessions, sh)
	for path, action := range shoptest.Actions() {
		e.GET(path, acquire(action))
	}
	probes(e)
	return serve.HTTP(e)
}

func probes(e *echo.Echo) {
	e.GET("/probe/redirect", touched(func(c echo.Context) error {
		code, _ := strconv.Atoi(c.QueryParam("code"))
		return c.Redirect(code, "/cart")
	}))
	e.GET("/probe/nothing", touched(func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }))
	tagged := touched(func(c echo.Context) error {
		c.Response().Header().Set("ETag", `"probe"`)
		if c.Request().Header.Get("If-None-Match") == `"probe"` {
			return c.NoContent(http.StatusNotModified)
		}
		return text(c, "tagged")
	})
	e.GET("/probe/tagged", tagged)
	e.HEAD("/probe/tagged", tagged)
	e.GET("/probe/silent", touched(func(echo.Context) error { return nil }))
	e.GET("/probe/cookie", touched(func(c echo.Context) error {
		c.SetCookie(&http.Cookie{Name: "theme", Value: "dark", Path: "/"})
		c.Response().Header().Set("Vary", "Accept")
		c.Response().Header().Set("Cache-Control", "private")
		return text(c, "own")
	}))
	e.GET("/probe/begins", touched(func(c echo.Context) error {
		_ = text(c, "begun")
		c.Response().Flush()
		panic(shoptest.ErrProbe)
	}))
	e.GET("/probe/stream", touched(func(c echo.Context) error {
		_ = text(c, "one ")
		c.Response().Flush()
		fmt.Fprint(c.Response(), "two")
		_ = shoptest.Touch(echosession.From(c)) // stored at the end, if it can be
		return nil
	}))
	e.GET("/probe/events", touched(func(c echo.Context) error {
		if err := echosession.From(c).Release(c.Request().Context()); err != nil {
			return err
		}
		res := c.Response()
		res.Header().Set(echo.HeaderContentType, "text/event-stream")
		for event := range shoptest.Events(shoptest.StreamFor(c.QueryParam("for"))) {
			fmt.Fprintf(res, "data: %s\n\n", event)
			res.Flush()
		}
		return nil
	}))
	e.GET("/probe/download", touched(func(c echo.Context) error {
		err := c.Stream(http.StatusOK, "text/plain; charset=utf-8", strings.NewReader(shoptest.Download()))
		_ = shoptest.Touch(echosession.From(c))
		return err
	}))
	file := touched(func(c echo.Context) error { return c.File(shoptest.File) })
	e.GET("/probe/file", file)
	e.HEAD("/probe/file", file)
}

// touched makes a handler that changes the session before it replies.
func touched(reply echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		s, err := echosession.Acquire(c)
		if err == nil {
			err = shoptest.Touch(s)
		}
		if err != nil {
			return err
		}
		return reply(c)
	}
}

func text(c echo.Context, body string) error {
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", []byte(body))
}
