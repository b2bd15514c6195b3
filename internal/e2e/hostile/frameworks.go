package main

import (
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gofiber/fiber/v2"
	"github.com/labstack/echo/v4"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
)

// framework serves the routes of a site with one adapter, until stop.
type framework func(site *site, listener net.Listener) (stop func() error)

// frameworks returns all there are, by the adapters' names.
func frameworks() map[string]framework {
	return map[string]framework{"chi": serveChi, "gin": serveGin, "echo": serveEcho, "fiber": serveFiber}
}

func adapterNames() []string { return slices.Sorted(maps.Keys(frameworks())) }

// exchange is a request to a route, whatever the framework.
type exchange struct {
	acquire func(mode ...session.Mode) (*session.Session, error)
	body    io.Reader
	reply   io.Writer
}

// route is what a path does.
type route struct {
	method, path string
	do           func(*exchange) error
}

// readHeaderTimeout is what a server of net/http needs of its own.
const readHeaderTimeout = 10 * time.Second

func overHTTP(listener net.Listener, h http.Handler) (stop func() error) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = server.Serve(listener) }() // until stop
	return server.Close
}

func serveChi(s *site, listener net.Listener) func() error {
	r := chi.NewRouter()
	r.Use(chisession.New(s.sessions))
	for _, route := range s.routes() {
		r.Method(route.method, route.path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := route.do(&exchange{
				acquire: func(mode ...session.Mode) (*session.Session, error) { return chisession.Acquire(r, mode...) },
				body:    r.Body, reply: w,
			})
			if err != nil {
				chisession.Fail(w, r, err)
			}
		}))
	}
	return overHTTP(listener, r)
}

func serveGin(s *site, listener net.Listener) func() error {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(ginsession.New(s.sessions))
	for _, route := range s.routes() {
		r.Handle(route.method, route.path, func(c *gin.Context) {
			err := route.do(&exchange{
				acquire: func(mode ...session.Mode) (*session.Session, error) { return ginsession.Acquire(c, mode...) },
				body:    c.Request.Body, reply: c.Writer,
			})
			if err != nil {
				ginsession.Fail(c, err)
			}
		})
	}
	return overHTTP(listener, r)
}

func serveEcho(s *site, listener net.Listener) func() error {
	e := echo.New()
	e.Use(echosession.New(s.sessions))
	for _, route := range s.routes() {
		e.Add(route.method, route.path, func(c echo.Context) error {
			err := route.do(&exchange{
				acquire: func(mode ...session.Mode) (*session.Session, error) { return echosession.Acquire(c, mode...) },
				body:    c.Request().Body, reply: c.Response(),
			})
			if err != nil {
				return echosession.Fail(c, err)
			}
			return nil
		})
	}
	return overHTTP(listener, e)
}

func serveFiber(s *site, listener net.Listener) func() error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 64 << 10})
	app.Server().MaxIdleWorkerDuration = time.Second // by default goroutines without work stay for 10
	app.Use(fibersession.New(s.sessions))
	for _, route := range s.routes() {
		app.Add(route.method, route.path, func(c *fiber.Ctx) error {
			err := route.do(&exchange{
				acquire: func(mode ...session.Mode) (*session.Session, error) { return fibersession.Acquire(c, mode...) },
				body:    c.Context().RequestBodyStream(), reply: c,
			})
			if err != nil {
				return fibersession.Fail(c, err)
			}
			return nil
		})
	}
	go func() { _ = app.Listener(listener) }() // until stop
	return func() error { return app.ShutdownWithTimeout(time.Second) }
}
