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

// run is what an adapter does.
func (f *fixture) run(w http.ResponseWriter, handler func(http.ResponseWriter, *http.Request) session.Outcome,
	fail func(http.ResponseWriter, *http.Request, error),
) (*httpsession.Writer, error) {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
	hw, r := httpsession.Begin(f.mgr, w, r, fail)
	return hw, hw.Run(func() session.Outcome { return handler(hw, r) })
}

func TestRunTakesTheHandlersOutcome(t *testing.T) {
	write := func(w http.ResponseWriter) { io.WriteString(w, "x") }
	for name, c := range map[string]struct {
		out  session.Outcome
		do   func(http.ResponseWriter)
		want session.Outcome
	}{
		"status":              {session.Outcome{Status: 503}, nil, session.Outcome{Status: 503}},
		"status of what went": {session.Outcome{Status: 503}, write, session.Outcome{Status: 200}},
		"error":               {session.Outcome{Err: io.EOF}, nil, session.Outcome{Err: io.EOF}},
		"error and reply":     {session.Outcome{Err: io.EOF}, write, session.Outcome{Status: 200, Err: io.EOF}},
		"error with status":   {session.Outcome{Status: 404, Err: io.EOF}, nil, session.Outcome{Status: 404, Err: io.EOF}},
	} {
		t.Run(name, func(t *testing.T) {
			var last session.Outcome
			s := newStore()
			mgr := newManager(t, s, func(cfg *session.Config) {
				cfg.Discard = func(out session.Outcome) bool { last = out; return out.Failed() }
			})
			f := &fixture{TB: t, store: s, mgr: mgr}
			f.seed("before")
			_, err := f.run(httptest.NewRecorder(), func(w http.ResponseWriter, r *http.Request) session.Outcome {
				set(t, r, "after")
				if c.do != nil {
					c.do(w)
				}
				return c.out
			}, nil)
			if last != c.want || err != nil {
				t.Errorf("got %+v, want %+v (%v)", last, c.want, err)
			}
		})
	}
}

func TestRunReportsWhatCouldNotBeStored(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(http.ResponseWriter, *store)
		called int // fail
		code   int // what came of the handler's reply; fail writes nothing here
	}{
		"at the end":     {func(w http.ResponseWriter, s *store) { io.WriteString(w, "held"); s.down.Store(true) }, 1, 200},
		"at the headers": {func(w http.ResponseWriter, s *store) { s.down.Store(true); w.(http.Flusher).Flush() }, 1, 200},
		"too late": {func(w http.ResponseWriter, s *store) {
			w.WriteHeader(201)
			w.(http.Flusher).Flush()
			s.down.Store(true)
		}, 0, 201},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			f := &fixture{TB: t, store: s, mgr: newManager(t, s, hasty)}
			f.seed("before")
			rec, called := httptest.NewRecorder(), 0
			hw, err := f.run(rec, func(w http.ResponseWriter, r *http.Request) session.Outcome {
				sess := set(t, r, "first")
				c.do(w, s)
				if err := note.Set(sess, "second"); err != nil {
					t.Error(err)
				}
				return session.Outcome{}
			}, func(w http.ResponseWriter, _ *http.Request, err error) {
				called++
				if w != rec || !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("fail got %T, %v", w, err)
				}
			})
			if !errors.Is(err, session.ErrUnavailable) || called != c.called || rec.Code != c.code || rec.Body.Len() > 0 {
				t.Errorf("got %v, %d calls of fail, %d %q", err, called, rec.Code, rec.Body)
			}
			// A framework's own error handling comes after that.
			if _, err := io.WriteString(hw, "after"); err != nil {
				t.Error(err)
			}
			if rec.Body.String() != "after" {
				t.Errorf("after Run the base has %q", rec.Body)
			}
		})
	}
}

func TestBeginNested(t *testing.T) {
	f := serve(t, nil)
	w := httptest.NewRecorder()
	_, r := httpsession.Begin(f.mgr, w, httptest.NewRequest("GET", "/", nil), nil)
	if hw, again := httpsession.Begin(f.mgr, w, r, nil); hw != nil || again != r {
		t.Error("the second is not told that there is a first")
	}
}

// TestA3_HijackOnHTTP2: some frameworks' writers have the method on HTTP/2 and
// panic in it.
func TestA3_HijackOnHTTP2(t *testing.T) {
	f := serve(t, nil)
	r := httptest.NewRequest("GET", "/", nil)
	r.ProtoMajor = 2
	httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("got %v", err)
		}
	})).ServeHTTP(struct {
		http.ResponseWriter
		http.Hijacker
	}{httptest.NewRecorder(), nil}, r)
}
