package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
)

// buildProbed is build with the probes of the script.
func buildProbed(sessions *session.Manager, sh *shop.Shop) serve.Server {
	r := routes(sessions, sh)
	for path, action := range shoptest.Actions() {
		r.GET(path, acquire(action))
	}
	probes(r.Group("/probe", touched))
	return serve.HTTP(r)
}

func probes(r *gin.RouterGroup) {
	r.GET("/redirect", func(c *gin.Context) {
		code, _ := strconv.Atoi(c.Query("code"))
		c.Redirect(code, "/cart")
	})
	r.GET("/nothing", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	tagged := func(c *gin.Context) {
		c.Header("ETag", `"probe"`)
		if c.GetHeader("If-None-Match") == `"probe"` {
			c.Status(http.StatusNotModified)
			return
		}
		c.String(http.StatusOK, "tagged")
	}
	r.GET("/tagged", tagged)
	r.HEAD("/tagged", tagged)
	r.GET("/silent", func(*gin.Context) {})
	r.GET("/cookie", func(c *gin.Context) {
		c.SetCookie("theme", "dark", 0, "/", "", false, false)
		c.Header("Vary", "Accept")
		c.Header("Cache-Control", "private")
		c.String(http.StatusOK, "own")
	})
	r.GET("/begins", func(c *gin.Context) {
		c.String(http.StatusOK, "begun")
		c.Writer.Flush()
		panic(shoptest.ErrProbe)
	})
	r.GET("/stream", func(c *gin.Context) {
		c.String(http.StatusOK, "one ")
		c.Writer.Flush()
		c.Writer.WriteString("two")
		_ = shoptest.Touch(ginsession.From(c)) // stored at the end, if it can be
	})
	r.GET("/events", func(c *gin.Context) {
		if err := ginsession.From(c).Release(c.Request.Context()); err != nil {
			ginsession.Fail(c, err)
			return
		}
		c.Header("Content-Type", "text/event-stream")
		for event := range shoptest.Events(shoptest.StreamFor(c.Query("for"))) {
			c.Writer.WriteString("data: " + event + "\n\n") // c.SSEvent leaves the space out
			c.Writer.Flush()
		}
	})
	r.GET("/download", func(c *gin.Context) {
		c.Header("Content-Type", "text/plain; charset=utf-8")
		c.Stream(func(w io.Writer) bool {
			io.Copy(w, strings.NewReader(shoptest.Download()))
			return false
		})
		_ = shoptest.Touch(ginsession.From(c))
	})
	file := func(c *gin.Context) { c.File(shoptest.File) }
	r.GET("/file", file)
	r.HEAD("/file", file)
}

// touched changes the session before the handler replies.
func touched(c *gin.Context) {
	s, err := ginsession.Acquire(c)
	if err == nil {
		err = shoptest.Touch(s)
	}
	if err != nil {
		ginsession.Fail(c, err)
	}
}
