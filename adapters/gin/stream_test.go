package ginsession_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
)

// TestM12_ServerSentEvents: a handler that releases its session streams while
// other requests of the session go on.
func TestM12_ServerSentEvents(t *testing.T) {
	s := newSite(t, only)
	events, ended := make(chan string), make(chan struct{})
	s.engine.GET("/events", func(c *gin.Context) {
		defer close(ended)
		sess := set(t, c, "streaming")
		if err := sess.Release(c.Request.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
		c.SSEvent("message", "begun")
		c.Writer.Flush()
		c.Stream(func(io.Writer) bool {
			text, more := <-events
			if more {
				c.SSEvent("message", text)
			}
			return more
		})
	})
	s.engine.PUT("/", func(c *gin.Context) {
		set(t, c, c.GetHeader("X-Note"))
		c.String(http.StatusOK, "stored")
	})
	res := s.begin("GET", "/events") // a new session: its cookie comes with the headers
	defer res.Body.Close()
	if s.id == "" {
		t.Fatal("the stream began without the cookie")
	}
	lines := bufio.NewScanner(res.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok {
				if data != want {
					t.Errorf("got the event %q, want %q", data, want)
				}
				return
			}
		}
		t.Errorf("the stream ended, want the event %q", want)
	}
	next("begun")
	s.wantNote("streaming")
	for _, text := range []string{"one", "two", "three"} {
		s.want(s.do("PUT", "/", "X-Note", text), 200, "stored")
		s.wantNote(text)
		events <- text
		next(text)
	}
	close(events)
	await(t, ended)
	s.wantNote("three")
}

// TestM12_Stream: without Release, gin.Context.Stream stores before the first
// part goes out, and keeps the session.
func TestM12_Stream(t *testing.T) {
	s := newSite(t, only)
	n := 0
	s.engine.GET("/", func(c *gin.Context) {
		sess := set(t, c, "early")
		c.Stream(func(w io.Writer) bool {
			io.WriteString(w, "part ")
			n++
			return n < 3
		})
		if err := note.Set(sess, "late"); err != nil {
			t.Errorf("Set after the stream: %v", err)
		}
	})
	s.want(s.do("GET", "/"), 200, "part part part ")
	s.wantNote("late")
}

func TestA3_HijackOverHTTP2(t *testing.T) {
	s := newBareSite(t)
	s.engine.Use(ginsession.New(s.mgr))
	s.engine.GET("/", func(c *gin.Context) {
		set(t, c, "new")
		if _, _, err := c.Writer.Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		c.String(http.StatusOK, c.Request.Proto)
	})
	srv := httptest.NewUnstartedServer(s.engine)
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{}
	srv.StartTLS()
	defer srv.Close()
	s.url, s.client = srv.URL, srv.Client()
	s.want(s.do("GET", "/"), 200, "HTTP/2.0")
	s.wantNote("new")
}

// TestA3_HijackWithoutAConnection: Gin's own writer panics there.
func TestA3_HijackWithoutAConnection(t *testing.T) {
	s := newSite(t, only)
	s.engine.GET("/", func(c *gin.Context) {
		set(t, c, "new")
		if _, _, err := c.Writer.Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		c.String(http.StatusOK, "done")
	})
	rec := httptest.NewRecorder()
	s.engine.ServeHTTP(struct{ http.ResponseWriter }{rec}, httptest.NewRequest("GET", "/", nil))
	if rec.Body.String() != "done" {
		t.Errorf("got %q", rec.Body)
	}
}

func TestA3_HijackAfterTheBody(t *testing.T) {
	s := newSite(t, only)
	s.engine.GET("/", func(c *gin.Context) {
		set(t, c, "new")
		c.String(http.StatusOK, "body")
		if _, _, err := c.Writer.Hijack(); err == nil {
			t.Error("Hijack after the body: no error")
		}
	})
	s.want(s.do("GET", "/"), 200, "body")
	s.wantNote("new")
}
