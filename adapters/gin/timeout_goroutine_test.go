package ginsession_test

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// inGoroutine is a timeout middleware that works as gin-contrib/timeout 1.1
// does: the chain runs in a goroutine and writes into a buffer; when the time
// is up the answer goes out, and the middleware waits for the goroutine.
func inGoroutine(d time.Duration, status int) gin.HandlerFunc {
	return func(c *gin.Context) {
		w := c.Writer
		buffer := &bufferWriter{ResponseWriter: w, header: make(http.Header)}
		c.Writer = buffer
		ctx, cancel := context.WithCancel(c.Request.Context())
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		finished, panicked := make(chan struct{}, 1), make(chan any, 1)
		go func() { // ends with the chain, for which this middleware waits
			defer func() {
				if v := recover(); v != nil {
					panicked <- v
				}
			}()
			c.Next()
			finished <- struct{}{}
		}()
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case v := <-panicked:
			c.Writer = w
			panic(v)
		case <-finished:
			maps.Copy(w.Header(), buffer.header)
			if buffer.code != 0 {
				w.WriteHeader(buffer.code)
			}
			if buffer.body.Len() > 0 {
				_, _ = w.Write(buffer.body.Bytes()) // the client may be gone
			}
		case <-timer.C:
			buffer.end()
			cancel() // not before: what a handler writes after that is too late for certain
			answering := c.Copy()
			answering.Writer = w
			answering.String(status, "too late")
			select {
			case <-finished:
			case <-panicked:
			}
			c.Abort()
		}
	}
}

type bufferWriter struct {
	gin.ResponseWriter
	header http.Header
	mu     sync.Mutex
	body   bytes.Buffer
	code   int
	ended  bool
}

func (w *bufferWriter) Header() http.Header { return w.header }

func (w *bufferWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

func (w *bufferWriter) WriteHeader(code int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended && code > 0 {
		w.code = code
	}
}

func (w *bufferWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return 0, nil
	}
	return w.body.Write(p)
}

func (w *bufferWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

func (w *bufferWriter) WriteHeaderNow() {}

func (w *bufferWriter) Status() int {
	if w.code == 0 {
		return w.ResponseWriter.Status()
	}
	return w.code
}

func TestM12_TimeoutInGoroutineOnEitherSide(t *testing.T) {
	for side, chain := range sides(func() gin.HandlerFunc { return inGoroutine(patience, 503) }) {
		s := newSite(t, chain)
		s.engine.GET("/", func(c *gin.Context) {
			set(t, c, "new")
			c.String(http.StatusCreated, "made")
		})
		s.engine.GET("/nothing", func(c *gin.Context) { set(t, c, "nothing written") })
		s.engine.GET("/500", func(c *gin.Context) {
			set(t, c, "dropped")
			c.String(http.StatusInternalServerError, "failed")
		})
		s.engine.GET("/down", func(c *gin.Context) {
			set(t, c, "lost")
			s.down()
			c.String(http.StatusOK, "held")
		})
		s.want(s.do("GET", "/"), 201, "made")
		if s.id == "" {
			t.Errorf("%s: no cookie", side)
		}
		s.wantNote("new")
		s.want(s.do("GET", "/nothing"), 200, "")
		s.wantNote("nothing written")
		s.want(s.do("GET", "/500"), 500, "failed")
		s.wantNote("nothing written")
		s.want(s.do("GET", "/down"), 503, "Service Unavailable")
		s.faults.Reset()
		s.wantNote("nothing written")
	}
}

// TestM13_TimeoutInGoroutineInside: its answer's status decides on the changes
// of the handler that was too late.
func TestM13_TimeoutInGoroutineInside(t *testing.T) {
	for status, note := range map[int]string{503: "old", 408: "new"} {
		chain := sides(func() gin.HandlerFunc { return inGoroutine(20*time.Millisecond, status) })["inside"]
		s := newSite(t, chain)
		s.engine.GET("/", func(c *gin.Context) {
			set(t, c, "new")
			<-c.Request.Context().Done()
			c.String(http.StatusOK, "late")
		})
		s.seed("old")
		s.want(s.do("GET", "/"), status, "too late")
		s.wantNote(note)
	}
}
