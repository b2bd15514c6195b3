// The shop on Gin. From the repository's root:
//
//	go run ./examples/gin
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(serve.Main(build))
}

func build(sessions *session.Manager, sh *shop.Shop) serve.Server {
	return serve.HTTP(routes(sessions, sh))
}

// routes gives the shop its addresses.
func routes(sessions *session.Manager, sh *shop.Shop) *gin.Engine {
	refuse := func(c *gin.Context, err error) {
		write(c, sh.Error(err))
		c.Abort()
	}

	r := gin.New()
	r.RedirectTrailingSlash = false // such a redirect passes no middleware, so it would lack the headers
	r.HandleMethodNotAllowed = true
	r.Use(
		// Outside the sessions: a panic has released its session when it comes by here.
		gin.CustomRecovery(func(c *gin.Context, reason any) {
			if !c.Writer.Written() { // else it would be the end of the reply that has begun
				refuse(c, fmt.Errorf("panic: %v", reason))
			}
		}),
		secure,
		sameOrigin(refuse),
		ginsession.New(sessions, ginsession.Options{ErrorHandler: refuse}), // costs nothing until a session is acquired
	)
	r.NoRoute(func(c *gin.Context) { refuse(c, shop.ErrNotFound) })
	r.NoMethod(func(c *gin.Context) { refuse(c, shop.StatusError(http.StatusMethodNotAllowed)) })
	r.StaticFS("/static", http.FS(sh.Static())) // acquires nothing

	r.GET("/", acquire(sh.Products)) // Exclusive, the default
	r.POST("/cart/add", acquire(sh.AddToCart))
	r.POST("/cart/remove", acquire(sh.RemoveFromCart))
	r.POST("/order", acquire(sh.Order))
	r.POST("/login", acquire(sh.Login))
	r.POST("/logout", acquire(sh.Logout, session.Snapshot))
	reads := r.Group("/", ginsession.Require(session.ReadOnly))
	reads.GET("/cart", acquired(sh.Cart))
	reads.GET("/login", acquired(sh.LoginPage))

	r.GET("/lab", acquire(sh.Lab))
	r.POST("/lab/reset", acquire(sh.LabReset))
	r.POST("/lab/update", labRequest(sh.LabUpdate))
	r.GET("/lab/count", labRequest(sh.LabCount))
	return r
}

// acquire makes a handler that acquires the session itself, when it has all it
// needs, and does an action with it.
func acquire(do shop.Action, mode ...session.Mode) gin.HandlerFunc {
	return func(c *gin.Context) {
		form, err := shop.ReadForm(c.Writer, c.Request)
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		s, err := ginsession.Acquire(c, mode...)
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		res, err := do(s, form)
		reply(c, res, err)
	}
}

// acquired makes a handler behind Require, which has acquired the session or
// answered that it cannot.
func acquired(do shop.Action) gin.HandlerFunc {
	return func(c *gin.Context) {
		res, err := do(ginsession.From(c), c.Query)
		reply(c, res, err)
	}
}

// labRequest makes a handler that acquires the session in the mode that the
// visitor chooses, and measures how long it waits.
func labRequest(do func(*session.Session, shop.Form, time.Duration) (shop.Result, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		form, err := shop.ReadForm(c.Writer, c.Request)
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		mode, err := shop.ParseMode(form("mode"))
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		asked := time.Now()
		s, err := ginsession.Acquire(c, mode)
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		res, err := do(s, form, time.Since(asked))
		reply(c, res, err)
	}
}

// secure adds the headers that every reply has, whatever becomes of it.
func secure(c *gin.Context) {
	for name, value := range shop.SecurityHeaders() {
		c.Header(name, value)
	}
}

// sameOrigin refuses what another site's page would change here.
func sameOrigin(refuse func(*gin.Context, error)) gin.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c *gin.Context) {
		if protection.Check(c.Request) != nil {
			refuse(c, shop.ErrOtherSite)
		}
	}
}

// reply answers with what came of an action. An error is the session's, and Fail
// gives it to the ErrorHandler.
func reply(c *gin.Context, res shop.Result, err error) {
	if err != nil {
		ginsession.Fail(c, err)
		return
	}
	write(c, res)
}

func write(c *gin.Context, res shop.Result) {
	if to := res.Header["Location"]; to != "" {
		c.Header("Cache-Control", res.Header["Cache-Control"])
		c.Redirect(res.Status, to)
		return
	}
	for name, value := range res.Header {
		c.Header(name, value)
	}
	c.Data(res.Status, res.Header["Content-Type"], res.Body)
}
