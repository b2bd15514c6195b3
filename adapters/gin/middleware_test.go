package ginsession_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
)

// TestM13_RecoveryOnEitherSide: wherever it stands, a panic drops the changes.
// Gin's takes http.ErrAbortHandler for a client that is gone and answers 200.
func TestM13_RecoveryOnEitherSide(t *testing.T) {
	for side, chain := range sides(func() gin.HandlerFunc { return gin.RecoveryWithWriter(io.Discard) }) {
		for value, status := range map[any]int{"a text": 500, http.ErrAbortHandler: 200} {
			s := newSite(t, chain)
			s.engine.GET("/", func(c *gin.Context) {
				set(t, c, "new")
				panic(value)
			})
			s.engine.GET("/held", func(c *gin.Context) {
				set(t, c, "new")
				c.Header("Etag", `"held"`)
				c.String(http.StatusOK, "held")
				panic("a text")
			})
			s.seed("old")
			s.want(s.do("GET", "/"), status, "")
			s.wantNote("old")
			if side == "outside" {
				got := s.do("GET", "/held")
				s.want(got, 500, "")
				if got.Header.Get("Etag") != "" {
					t.Error("the reply that was dropped has left its Etag")
				}
				s.wantNote("old")
			}
		}
	}
}

// TestA3_RecoveryInsideAfterAReply: what was written before the panic goes
// out, as without sessions, and is stored, as it is no failure by then.
func TestA3_RecoveryInsideAfterAReply(t *testing.T) {
	s := newSite(t, sides(func() gin.HandlerFunc { return gin.RecoveryWithWriter(io.Discard) })["inside"])
	s.engine.GET("/", func(c *gin.Context) {
		set(t, c, "new")
		c.String(http.StatusOK, "written")
		panic("too late")
	})
	s.seed("old")
	s.want(s.do("GET", "/"), 200, "written")
	s.wantNote("new")
}

// TestA3_LoggerOnEitherSide: outside it sees what the client gets, inside what
// the handler has written.
func TestA3_LoggerOnEitherSide(t *testing.T) {
	type line struct {
		status, size int
		err          bool
	}
	for _, c := range []struct {
		name            string
		handler         gin.HandlerFunc
		down            bool
		outside, inside line
	}{
		{"a body", func(c *gin.Context) { c.String(201, "made") }, false, line{201, 4, false}, line{201, 4, false}},
		{"a status", func(c *gin.Context) { c.Status(204) }, false, line{204, -1, false}, line{204, -1, false}},
		{"nothing", func(*gin.Context) {}, false, line{200, -1, false}, line{200, -1, false}},
		{"abort", func(c *gin.Context) { c.AbortWithStatus(403) }, false, line{403, 0, false}, line{403, 0, false}},
		{"Fail", func(c *gin.Context) { ginsession.Fail(c, session.ErrQueueFull) }, false, line{429, 18, true}, line{429, 18, true}},
		{"a body, store down", func(c *gin.Context) { c.String(201, "made") }, true, line{503, 20, true}, line{201, 4, false}},
		{"a status, store down", func(c *gin.Context) { c.Status(204) }, true, line{503, 20, true}, line{204, -1, false}},
		{"flushed, store down", func(c *gin.Context) { c.String(201, "made"); c.Writer.Flush() }, true, line{503, 20, true}, line{201, 4, true}},
	} {
		var got []line
		logger := func() gin.HandlerFunc {
			return func(c *gin.Context) {
				c.Next()
				got = append(got, line{c.Writer.Status(), c.Writer.Size(), len(c.Errors) > 0})
			}
		}
		s := newSite(t, func(mgr *session.Manager) []gin.HandlerFunc {
			return []gin.HandlerFunc{logger(), ginsession.New(mgr), logger()}
		})
		s.engine.GET("/", func(ctx *gin.Context) {
			set(t, ctx, "new")
			if c.down {
				s.down()
			}
			c.handler(ctx)
		})
		s.seed("old").do("GET", "/")
		if want := []line{c.inside, c.outside}; !slices.Equal(got, want) {
			t.Errorf("%s: inside and outside see %v, want %v", c.name, got, want)
		}
	}
}

// TestA3_GinsLogger is the same with Gin's own.
func TestA3_GinsLogger(t *testing.T) {
	var log bytes.Buffer
	s := newSite(t, func(mgr *session.Manager) []gin.HandlerFunc {
		return []gin.HandlerFunc{gin.LoggerWithWriter(&log), gin.RecoveryWithWriter(io.Discard), ginsession.New(mgr)}
	})
	s.engine.GET("/", func(c *gin.Context) {
		set(t, c, "new")
		s.down()
		c.String(http.StatusOK, "held")
	})
	s.want(s.do("GET", "/"), 503, "Service Unavailable")
	if text := log.String(); !strings.Contains(text, "503") || !strings.Contains(text, "session: store unavailable") || strings.Contains(text, "200") {
		t.Errorf("the log says %q", text)
	}
}

// TestM10_CSRFOnEitherSide uses the standard library's check: what it refuses
// never touches the store.
func TestM10_CSRFOnEitherSide(t *testing.T) {
	protection := http.NewCrossOriginProtection()
	mw := func() gin.HandlerFunc {
		return func(c *gin.Context) {
			if err := protection.Check(c.Request); err != nil {
				_ = c.AbortWithError(http.StatusForbidden, err)
			}
		}
	}
	for side, chain := range sides(mw) {
		s := newSite(t, chain)
		s.engine.POST("/", func(c *gin.Context) {
			set(t, c, "new")
			c.String(http.StatusOK, "stored")
		})
		s.want(s.do("POST", "/", "Sec-Fetch-Site", "cross-site"), 403, "")
		if s.id != "" {
			t.Errorf("%s: a request that was refused got a session", side)
		}
		s.want(s.do("POST", "/", "Sec-Fetch-Site", "same-origin"), 200, "stored")
		s.wantNote("new")
	}
}

// TestM13_ErrorsWithoutReply: Gin's handlers leave errors in the context, for
// a middleware further out to answer.
func TestM13_ErrorsWithoutReply(t *testing.T) {
	answering := func() gin.HandlerFunc {
		return func(c *gin.Context) {
			c.Next()
			if len(c.Errors) > 0 && !c.Writer.Written() {
				c.JSON(http.StatusInternalServerError, gin.H{"error": "sorry"})
			}
		}
	}
	for _, chain := range sides(answering) {
		s := newSite(t, chain)
		failed := errors.New("failed")
		s.engine.GET("/error", func(c *gin.Context) {
			set(t, c, "new")
			_ = c.Error(failed)
		})
		s.engine.GET("/500", func(c *gin.Context) {
			set(t, c, "new")
			_ = c.AbortWithError(http.StatusInternalServerError, failed)
		})
		s.engine.GET("/409", func(c *gin.Context) {
			set(t, c, "new")
			_ = c.AbortWithError(http.StatusConflict, failed)
		})
		s.engine.GET("/answered", func(c *gin.Context) {
			set(t, c, "newer")
			_ = c.Error(failed)
			c.String(http.StatusOK, "never mind")
		})
		s.seed("old")
		s.want(s.do("GET", "/error"), 500, `{"error":"sorry"}`)
		s.wantNote("old")
		s.want(s.do("GET", "/500"), 500, "")
		s.wantNote("old")
		s.want(s.do("GET", "/409"), 409, "")
		s.wantNote("new")
		s.want(s.do("GET", "/answered"), 200, "never mind")
		s.wantNote("newer")
	}
}
