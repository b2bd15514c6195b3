package httpsession_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// TestA3_AdaptersSeeWhatWasSent: a Writer that an adapter has made tells it
// whether the reply has gone on, and when closed lets nothing through.
func TestA3_AdaptersSeeWhatWasSent(t *testing.T) {
	for name, c := range map[string]struct {
		reply      func(http.ResponseWriter)
		down       bool
		within, at bool // Sent while the handler runs, and at the end
		body       string
		panics     bool
	}{
		"nothing":       {reply: func(http.ResponseWriter) {}},
		"held":          {reply: func(w http.ResponseWriter) { io.WriteString(w, "x") }, at: true, body: "x"},
		"informational": {reply: func(w http.ResponseWriter) { w.WriteHeader(103) }},
		"flushed":       {reply: func(w http.ResponseWriter) { io.WriteString(w, "x"); w.(http.Flusher).Flush() }, within: true, at: true, body: "x"},
		"held, down":    {reply: func(w http.ResponseWriter) { io.WriteString(w, "x") }, down: true},
		"flushed, down": {reply: func(w http.ResponseWriter) { io.WriteString(w, "x"); w.(http.Flusher).Flush() }, down: true},
		"held, panics":  {reply: func(w http.ResponseWriter) { io.WriteString(w, "x") }, panics: true},
	} {
		s := newStore()
		mgr := newManager(t, s, hasty)
		rec := httptest.NewRecorder()
		var w httpsession.Writer
		r := w.Begin(mgr, rec, request("GET", nil), func(http.ResponseWriter, *http.Request, error) {})
		if again := new(httpsession.Writer).Begin(mgr, &w, r, nil); again != nil {
			t.Errorf("%s: begun twice", name)
		}
		func() {
			defer func() {
				if v := recover(); (v != nil) != c.panics {
					t.Errorf("%s: recovered %v", name, v)
				}
			}()
			err := w.Run(func() session.Outcome {
				set(t, r, "new")
				s.down.Store(c.down)
				c.reply(&w)
				if w.Sent() != c.within {
					t.Errorf("%s: sent %v while the handler runs", name, w.Sent())
				}
				if c.panics {
					panic(name)
				}
				return session.Outcome{}
			})
			if (err != nil) != c.down {
				t.Errorf("%s: %v", name, err)
			}
		}()
		if w.Sent() != c.at || rec.Body.String() != c.body {
			t.Errorf("%s: sent %v, %q", name, w.Sent(), rec.Body)
		}
		w.Close()
		if _, err := w.Write([]byte("late")); err == nil || rec.Body.String() != c.body {
			t.Errorf("%s: written after Close: %v, %q", name, err, rec.Body)
		}
	}
}

// TestA2_Answer is the default, for ErrorHandlers that want it.
func TestA2_Answer(t *testing.T) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Etag", `"dropped"`)
	httpsession.Answer(rec, errors.Join(session.ErrQueueFull))
	if h := rec.Header(); rec.Code != 429 || rec.Body.String() != "Too Many Requests\n" || h.Get("Retry-After") != session.RetryAfter || h.Get("Etag") != "" {
		t.Errorf("got %d %q %v", rec.Code, rec.Body, h)
	}
}
