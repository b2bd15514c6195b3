package main

import (
	"bufio"
	"strings"

	"github.com/gofiber/fiber/v2"
	fibercontrib "github.com/gofiber/fiber/v2/middleware/session"
	"github.com/valyala/fasthttp"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

func fiberFramework() framework {
	return framework{
		name: "Fiber",
		bare: func() client { return newFiberClient(nil, library[*fiber.Ctx]{}.routes(new(seen))) },
		ours: contender{name: "sessionstate", open: func(see *seen) (client, func() error, error) {
			mgr, closer, err := newManager()
			if err != nil {
				return nil, nil, err
			}
			l := sessionstate(fibersession.Acquire)
			return newFiberClient(fibersession.New(mgr), l.routes(see)), closer, nil
		}},
		peers: []contender{
			{name: "fiber/middleware/session", open: func(see *seen) (client, func() error, error) {
				return newFiberClient(nil, fiberOwn(fibercontrib.New()).routes(see)), nothingToClose, nil
			}},
		},
	}
}

// fiberOwn is Fiber's own session, which is no middleware, its package's name
// notwithstanding: it costs nothing until a handler asks for it.
func fiberOwn(store *fibercontrib.Store) library[*fiber.Ctx] {
	return library[*fiber.Ctx]{
		fill: func(c *fiber.Ctx) error {
			s, err := store.Get(c)
			if err != nil {
				return err
			}
			s.Set("text", text)
			s.Set("n", 1)
			return s.Save()
		},
		read: func(c *fiber.Ctx) (int, error) {
			s, err := store.Get(c)
			if err != nil {
				return 0, err
			}
			n, _ := s.Get("n").(int)
			return n, nil
		},
		step: func(c *fiber.Ctx) (int, error) {
			s, err := store.Get(c)
			if err != nil {
				return 0, err
			}
			n, _ := s.Get("n").(int)
			s.Set("n", n+1)
			return n, s.Save()
		},
		look: func(c *fiber.Ctx) (int, string, error) {
			s, err := store.Get(c)
			if err != nil {
				return 0, "", err
			}
			n, _ := s.Get("n").(int)
			text, _ := s.Get("text").(string)
			return n, text, nil
		},
	}
}

// fiberClient calls a Fiber application as fasthttp's server does.
type fiberClient struct {
	h   fasthttp.RequestHandler
	ctx fasthttp.RequestCtx
}

func newFiberClient(middleware fiber.Handler, routes map[string]func(*fiber.Ctx)) *fiberClient {
	app := fiber.New()
	if middleware != nil {
		app.Use(middleware)
	}
	for path, do := range routes {
		app.Get(path, func(c *fiber.Ctx) error {
			do(c)
			return c.Send(ok)
		})
	}
	c := &fiberClient{h: app.Handler()}
	c.ctx.Init(&fasthttp.Request{}, nil, nil)
	return c
}

func (c *fiberClient) prepare(path, cookies string) func() {
	raw := "GET " + path + " HTTP/1.1\r\nHost: test\r\n"
	if cookies != "" {
		raw += "Cookie: " + cookies + "\r\n"
	}
	raw += "\r\n"
	source := strings.NewReader(raw)
	buffered := bufio.NewReader(source)
	return func() {
		// Read anew: fasthttp parses the cookies when they are first asked for,
		// and keeps what it found.
		source.Reset(raw)
		buffered.Reset(source)
		c.ctx.Request.Reset()
		c.ctx.Response.Reset()
		c.ctx.ResetUserValues()
		if err := c.ctx.Request.Header.Read(buffered); err != nil {
			c.ctx.Error(err.Error(), fasthttp.StatusBadRequest)
			return
		}
		c.h(&c.ctx)
	}
}

func (c *fiberClient) reply() reply {
	r := reply{status: c.ctx.Response.StatusCode(), body: string(c.ctx.Response.Body())}
	c.ctx.Response.Header.VisitAllCookie(func(_, line []byte) {
		r.setCookies = append(r.setCookies, string(line))
	})
	return r
}
