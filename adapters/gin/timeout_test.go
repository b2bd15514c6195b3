package ginsession_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
)

// deadline is the timeout middleware that Gin's users write, and the one that
// works: it ends the request's context, and answers for a handler that gave up.
func deadline(d time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), d)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && !c.Writer.Written() {
			c.String(http.StatusGatewayTimeout, "too late")
		}
	}
}

// TestM13_DeadlineOnEitherSide: inside of New its 504 drops the changes;
// outside New does not know of it, unless the handler left an error or a
// status. A new session is not begun in either case (M20).
func TestM13_DeadlineOnEitherSide(t *testing.T) {
	for side, chain := range sides(func() gin.HandlerFunc { return deadline(20 * time.Millisecond) }) {
		s := newSite(t, chain)
		s.engine.GET("/error", func(c *gin.Context) {
			set(t, c, "new")
			<-c.Request.Context().Done()
			_ = c.Error(c.Request.Context().Err())
		})
		s.engine.GET("/silent", func(c *gin.Context) {
			set(t, c, "new")
			<-c.Request.Context().Done()
		})
		s.engine.GET("/fast", func(c *gin.Context) {
			set(t, c, "fast")
			c.String(http.StatusOK, "in time")
		})
		s.want(s.do("GET", "/error"), 504, "too late")
		if side == "inside" {
			s.want(s.do("GET", "/silent"), 504, "too late")
		} else { // the new session cannot be stored any more, which is an error of its own
			s.want(s.do("GET", "/silent"), 503, "Service Unavailable")
		}
		if s.id != "" {
			t.Errorf("%s: a session was begun", side)
		}
		s.seed("old")
		s.want(s.do("GET", "/error"), 504, "too late")
		s.wantNote("old")
		s.want(s.do("GET", "/silent"), 504, "too late")
		s.wantNote(map[string]string{"outside": "new", "inside": "old"}[side])
		s.want(s.do("GET", "/fast"), 200, "in time")
		s.wantNote("fast")
	}
}

// TestM7_DeadlineEndsTheWait: a deadline inside of New bounds the wait for the
// session too.
func TestM7_DeadlineEndsTheWait(t *testing.T) {
	for _, chain := range sides(func() gin.HandlerFunc { return deadline(20 * time.Millisecond) }) {
		s := newSite(t, chain)
		s.engine.GET("/", ginsession.Require(session.Exclusive), func(*gin.Context) { t.Error("the handler ran") })
		s.seed("old").within(func(r *http.Request) {
			if _, err := session.Acquire(r.Context()); err != nil {
				t.Error(err)
			}
			s.want(s.do("GET", "/"), 503, "Service Unavailable")
		})
	}
}

// TestM20_TimeoutHandlerAroundTheEngine: it answers 503 while the handler runs
// on, whose changes are stored, and which can begin no session any more.
func TestM20_TimeoutHandlerAroundTheEngine(t *testing.T) {
	for name, stored := range map[string]bool{"a new session": false, "a stored session": true} {
		s := newBareSite(t)
		s.engine.Use(ginsession.New(s.mgr))
		ended := make(chan struct{})
		s.engine.GET("/", func(c *gin.Context) {
			set(t, c, "new")
			<-c.Request.Context().Done()
			c.String(http.StatusOK, "late")
		})
		s.start(http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			s.engine.ServeHTTP(w, r)
		}), 20*time.Millisecond, "too late"))
		if stored {
			s.seed("old")
		}
		s.want(s.do("GET", "/"), 503, "too late")
		await(t, ended)
		if stored {
			s.wantNote("new")
		} else if s.id != "" {
			t.Errorf("%s: the client got a cookie", name)
		}
	}
}

// TestA3_EngineWithinTimeoutHandler: where nothing times out it is as without.
func TestA3_EngineWithinTimeoutHandler(t *testing.T) {
	s := newBareSite(t)
	s.engine.Use(ginsession.New(s.mgr))
	s.engine.GET("/", func(c *gin.Context) {
		set(t, c, "new")
		c.String(http.StatusOK, "a")
		c.Writer.Flush()
		c.String(http.StatusOK, "b")
	})
	s.start(http.TimeoutHandler(s.engine, patience, "too late"))
	s.want(s.do("GET", "/"), 200, "ab")
	s.wantNote("new")
	rec := httptest.NewRecorder()
	s.engine.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Body.String() != "ab" || !rec.Flushed {
		t.Errorf("a recorder has %q, flushed %v", rec.Body, rec.Flushed)
	}
}
