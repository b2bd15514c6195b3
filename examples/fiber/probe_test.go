package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
)

// buildProbed is build with the probes of the script.
func buildProbed(sessions *session.Manager, sh *shop.Shop) serve.Server {
	app := routes(sessions, sh)
	for path, action := range shoptest.Actions() {
		app.Get(path, acquire(action))
	}
	probes(app)
	return server{app}
}

func probes(app *fiber.App) {
	app.Get("/probe/redirect", touched, func(c *fiber.Ctx) error {
		code, _ := strconv.Atoi(c.Query("code"))
		return c.Redirect("/cart", code)
	})
	app.Get("/probe/nothing", touched, func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusNoContent) })
	app.Get("/probe/tagged", touched, func(c *fiber.Ctx) error {
		c.Set("ETag", `"probe"`)
		if c.Fresh() {
			return c.SendStatus(fiber.StatusNotModified)
		}
		return text(c, "tagged")
	})
	app.Get("/probe/silent", touched, func(*fiber.Ctx) error { return nil })
	app.Get("/probe/cookie", touched, func(c *fiber.Ctx) error {
		c.Cookie(&fiber.Cookie{Name: "theme", Value: "dark", Path: "/", SameSite: "disabled"})
		c.Set("Vary", "Accept")
		c.Set("Cache-Control", "private")
		return text(c, "own")
	})
	app.Get("/probe/begins", touched, func(c *fiber.Ctx) error {
		_ = text(c, "begun")
		panic(shoptest.ErrProbe)
	})
	app.Get("/probe/stream", touched, func(c *fiber.Ctx) error {
		c.Type("txt", "utf-8")
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			fmt.Fprint(w, "one ")
			_ = w.Flush()
			fmt.Fprint(w, "two")
		})
		_ = shoptest.Touch(fibersession.From(c)) // before anything is sent
		return nil
	})
	app.Get("/probe/events", touched, func(c *fiber.Ctx) error {
		if err := fibersession.From(c).Release(c.UserContext()); err != nil {
			return fibersession.Fail(c, err)
		}
		c.Set("Content-Type", "text/event-stream")
		d := shoptest.StreamFor(c.Query("for"))
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			for event := range shoptest.Events(d) {
				fmt.Fprintf(w, "data: %s\n\n", event)
				if w.Flush() != nil {
					return
				}
			}
		})
		return nil
	})
	app.Get("/probe/download", touched, func(c *fiber.Ctx) error {
		c.Type("txt", "utf-8")
		err := c.SendStream(strings.NewReader(shoptest.Download()))
		_ = shoptest.Touch(fibersession.From(c))
		return err
	})
	app.Get("/probe/file", touched, func(c *fiber.Ctx) error { return c.SendFile(shoptest.File) })
}

// touched changes the session before the handler replies.
func touched(c *fiber.Ctx) error {
	s, err := fibersession.Acquire(c)
	if err == nil {
		err = shoptest.Touch(s)
	}
	if err != nil {
		return fibersession.Fail(c, err)
	}
	return c.Next()
}

func text(c *fiber.Ctx, body string) error {
	c.Type("txt", "utf-8")
	return c.SendString(body)
}
