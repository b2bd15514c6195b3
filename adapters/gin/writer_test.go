package ginsession_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// state is what Gin's writer says of itself.
type state struct {
	status, size int
	written      bool
}

// watch serves a reply made by these steps, on a route and where there is none,
// and returns the replies and what the writer said before and after each step.
func watch(t *testing.T, steps []func(*gin.Context), chain ...gin.HandlerFunc) (seen []state, replies string) {
	t.Helper()
	s := newBareSite(t)
	s.engine.Use(chain...)
	h := func(c *gin.Context) {
		look := func() { seen = append(seen, state{c.Writer.Status(), c.Writer.Size(), c.Writer.Written()}) }
		look()
		for _, step := range steps {
			step(c)
			look()
		}
	}
	s.engine.GET("/", h)
	s.engine.NoRoute(h)
	s.start(s.engine)
	for _, path := range []string{"/", "/missing"} {
		got := s.do("GET", path)
		replies += fmt.Sprintln(got.Status, got.Header["Content-Type"], got.body)
	}
	return seen, replies
}

// TestA3_WriterIsAsGins compares what Gin's writer says of itself, at every
// step of a reply, with what ours says while it holds the reply and while it
// does not; and the replies.
func TestA3_WriterIsAsGins(t *testing.T) {
	replies := map[string][]func(*gin.Context){
		"status":             {func(c *gin.Context) { c.Status(201) }, func(c *gin.Context) { c.Status(202) }},
		"bad statuses":       {func(c *gin.Context) { c.Status(0) }, func(c *gin.Context) { c.Status(-1) }},
		"WriteHeaderNow":     {func(c *gin.Context) { c.Status(201) }, func(c *gin.Context) { c.Writer.WriteHeaderNow() }, func(c *gin.Context) { c.Status(500) }},
		"Write":              {func(c *gin.Context) { c.Writer.Write([]byte("abc")) }, func(c *gin.Context) { c.Writer.WriteString("de") }, func(c *gin.Context) { c.Status(404) }},
		"Write of nothing":   {func(c *gin.Context) { c.Writer.Write(nil) }},
		"String":             {func(c *gin.Context) { c.String(418, "teapot") }},
		"JSON twice":         {func(c *gin.Context) { c.JSON(200, 1) }, func(c *gin.Context) { c.JSON(400, 2) }},
		"AbortWithStatus":    {func(c *gin.Context) { c.AbortWithStatus(401) }},
		"AbortWithError":     {func(c *gin.Context) { _ = c.AbortWithError(409, errors.New("x")) }},
		"AbortWithStatus204": {func(c *gin.Context) { c.AbortWithStatus(204) }, func(c *gin.Context) { c.Writer.WriteString("refused") }},
		"Flush":              {func(c *gin.Context) { c.Writer.Flush() }, func(c *gin.Context) { c.String(200, "after") }},
		"Write, Flush":       {func(c *gin.Context) { c.String(202, "before") }, func(c *gin.Context) { c.Writer.Flush() }},
		"large":              {func(c *gin.Context) { c.String(200, strings.Repeat("x", 100_000)) }},
		"redirect":           {func(c *gin.Context) { c.Redirect(302, "/elsewhere") }},
		"data from reader":   {func(c *gin.Context) { c.DataFromReader(200, 4, "text/x", strings.NewReader("data"), nil) }},
		"a file":             {func(c *gin.Context) { c.File("go.mod") }},
		"no file":            {func(c *gin.Context) { c.File("nowhere") }},
	}
	mgr := newManager(t, memstore.New(), "")
	chains := map[string][]gin.HandlerFunc{
		"unused": {ginsession.New(mgr)},
		"read":   {ginsession.New(mgr), ginsession.Require(session.Exclusive)},
		"held":   {ginsession.New(mgr), func(c *gin.Context) { set(t, c, "x") }},
	}
	for name, steps := range replies {
		want, wantReplies := watch(t, steps)
		for how, chain := range chains {
			got, gotReplies := watch(t, steps, chain...)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: the writer says %v, want %v as without the adapter", name, how, got, want)
			}
			if gotReplies != wantReplies {
				t.Errorf("%s, %s: got %.200q, want %.200q as without the adapter", name, how, gotReplies, wantReplies)
			}
		}
	}
}

// TestA3_WriterIsPutBack: after New the context has the writer it had before,
// unless a middleware further in has left its own there.
func TestA3_WriterIsPutBack(t *testing.T) {
	type foreign struct{ gin.ResponseWriter }
	for _, leaves := range []bool{false, true} {
		for _, panics := range []bool{false, true} {
			var before, after gin.ResponseWriter
			s := newSite(t, func(mgr *session.Manager) []gin.HandlerFunc {
				return []gin.HandlerFunc{
					func(c *gin.Context) {
						before = c.Writer
						defer func() {
							v := recover()
							if (v != nil) != panics {
								t.Errorf("recovered %v", v)
							}
							after = c.Writer
							c.String(http.StatusAccepted, "outside")
						}()
						c.Next()
					},
					ginsession.New(mgr),
					func(c *gin.Context) {
						if leaves {
							c.Writer = foreign{c.Writer}
						}
					},
				}
			})
			s.engine.GET("/", func(c *gin.Context) {
				set(t, c, "new")
				if panics {
					panic("x")
				}
			})
			s.want(s.do("GET", "/"), 202, "outside")
			if (after == before) == leaves {
				t.Errorf("leaves %v, panics %v: the writer is %T after %T", leaves, panics, after, before)
			}
		}
	}
}

// TestA3_WriterLeftBehind: a goroutine that still has the writer when its
// request is over must not write into another one's reply, nor learn of it. Gin
// uses its contexts, and the writers in them, again.
func TestA3_WriterLeftBehind(t *testing.T) {
	s := newSite(t, only)
	var left gin.ResponseWriter
	var context, again *gin.Context
	s.engine.GET("/leave", func(c *gin.Context) {
		set(t, c, "new")
		left, context = c.Writer, c
		c.String(http.StatusOK, "left")
	})
	s.engine.GET("/next", func(c *gin.Context) {
		again = c
		left.Header().Set("X-Late", "of another client")
		left.WriteHeader(http.StatusTeapot)
		left.WriteHeaderNow()
		if left.Status() != http.StatusOK || left.Size() != len("left") || !left.Written() {
			t.Errorf("the writer says %d, %d, %v of its reply", left.Status(), left.Size(), left.Written())
		}
		for what, write := range map[string]func() error{
			"Write":       func() error { _, err := left.Write([]byte("late")); return err },
			"WriteString": func() error { _, err := left.WriteString("late"); return err },
			"Flush":       func() error { return http.NewResponseController(left).Flush() },
			"Hijack":      func() error { _, _, err := left.Hijack(); return err },
		} {
			if write() == nil {
				t.Errorf("%s after the end: no error", what)
			}
		}
		c.String(http.StatusAccepted, "next")
	})
	for tries := 0; context == nil || context != again; tries++ { // until the pool has given the same one
		if tries == 1000 {
			t.Fatal("no context was used again")
		}
		s.want(s.do("GET", "/leave"), 200, "left")
		got := s.do("GET", "/next")
		s.want(got, 202, "next")
		if late := got.Header.Get("X-Late"); late != "" {
			t.Errorf("the next reply has a header %s", late)
		}
	}
}

// TestA2_HTTPHandlersBelow: http.Handlers reach the session by its request.
func TestA2_HTTPHandlersBelow(t *testing.T) {
	s := newBareSite(t)
	s.engine.Use(ginsession.New(s.mgr, ginsession.Options{ErrorHandler: func(c *gin.Context, err error) {
		c.String(session.HTTPStatus(err), "own words")
	}}))
	s.engine.GET("/", gin.WrapF(func(w http.ResponseWriter, r *http.Request) {
		sess, err := httpsession.Acquire(r)
		if err == nil {
			err = note.Set(sess, "below")
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "done")
	}))
	s.engine.GET("/fail", gin.WrapF(func(w http.ResponseWriter, r *http.Request) {
		httpsession.Fail(w, r, session.ErrQueueFull)
	}))
	s.engine.GET("/fail/wrapped", gin.WrapF(func(w http.ResponseWriter, r *http.Request) {
		httpsession.Fail(struct{ http.ResponseWriter }{w}, r, session.ErrQueueFull)
	}))
	s.start(s.engine)
	s.want(s.do("GET", "/"), 202, "done")
	s.wantNote("below")
	s.want(s.do("GET", "/fail"), 429, "own words")
	s.want(s.do("GET", "/fail/wrapped"), 429, "Too Many Requests")
}
