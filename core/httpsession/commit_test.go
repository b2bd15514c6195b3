package httpsession_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// watched is a base writer that reports the first sign of a reply.
type watched struct {
	*httptest.ResponseRecorder
	begun func()
}

func (w *watched) begin() {
	if w.begun != nil {
		w.begun()
		w.begun = nil
	}
}

func (w *watched) WriteHeader(code int) {
	if code >= 200 {
		w.begin()
	}
	w.ResponseRecorder.WriteHeader(code)
}

func (w *watched) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseRecorder.Write(p)
}

func (w *watched) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

func (w *watched) Flush() {
	w.begin()
	w.ResponseRecorder.Flush()
}

// TestM12_StoredOnceBeforeTheReply runs all the ways to reply: the session is
// stored by one operation, before the writer below sees any of the reply.
func TestM12_StoredOnceBeforeTheReply(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			f := &fixture{TB: t, store: s, mgr: newManager(t, s)}
			f.seed("before")
			s.asked.Store(0)
			s.writes.Store(0)
			r := request(c.method, strings.NewReader(c.body))
			r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
			rec := &watched{ResponseRecorder: httptest.NewRecorder()}
			var storedAtBegin int32
			rec.begun = func() { storedAtBegin = s.writes.Load() }
			httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				set(t, r, "after")
				c.handler(w, r, new(observer))
			})).ServeHTTP(rec, r)

			wantNote, wantWrites := "after", int32(1)
			if rec.Code >= 500 { // M13
				wantNote, wantWrites = "before", 0
			}
			if rec.begun == nil && storedAtBegin != wantWrites {
				t.Errorf("when the reply began, the session had been written %d times", storedAtBegin)
			}
			early := rec.Flushed || rec.Body.Len() > 32<<10 && c.method != http.MethodHead
			if got := s.writes.Load(); got != wantWrites {
				t.Errorf("the session was written %d times, want %d", got, wantWrites)
			}
			if got := s.asked.Load(); got != 2 && !early { // M21: acquire, save and release
				t.Errorf("the store was asked %d times", got)
			}
			f.wantStored(wantNote)
			f.wantFree()
		})
	}
}

func TestM12_FlushStoresAndKeepsTheLock(t *testing.T) {
	for name, send := range map[string]func(http.ResponseWriter) error{
		"flush first": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"flush of what is held": func(w http.ResponseWriter) error {
			io.WriteString(w, "held")
			w.(http.Flusher).Flush()
			return nil
		},
		"large write": func(w http.ResponseWriter) error {
			_, err := w.Write(make([]byte, 33<<10))
			return err
		},
		"many writes": func(w http.ResponseWriter) (err error) {
			for range 33 {
				_, e := io.WriteString(w, strings.Repeat("x", 1<<10))
				err = errors.Join(err, e)
			}
			return err
		},
		"large copy": func(w http.ResponseWriter) error {
			_, err := io.Copy(w, io.LimitReader(endless{}, 50<<10))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f *fixture
			headers, goOn := make(chan struct{}), make(chan struct{})
			f = serve(t, func(w http.ResponseWriter, r *http.Request) {
				s := set(t, r, "early")
				if err := send(w); err != nil {
					t.Error(err)
				}
				close(headers)
				await(t, goOn)
				if s.Mode() != session.Exclusive || httpsession.From(r) != s {
					t.Error("the session was given back")
				}
				if err := note.Set(s, "late"); err != nil {
					t.Error(err)
				}
				io.WriteString(w, "the end")
			})
			f.seed("before")
			replied := make(chan reply, 1)
			go func() { replied <- f.get() }()
			await(t, headers)
			f.wantStored("early")
			if rec, err := f.store.Load(t.Context(), f.key(), false); err != nil || rec.Lock == nil {
				t.Errorf("the session is not locked any more: %v", err)
			}
			close(goOn)
			if got := await(t, replied); !strings.HasSuffix(got.body, "the end") {
				t.Errorf("got %d %.40q", got.StatusCode, got.body)
			}
			f.wantStored("late")
			f.wantFree()
		})
	}
}

// key returns the store's key of the client's session.
func (f *fixture) key() (key session.StoreKey) {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
	httpsession.New(f.mgr)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := httpsession.Acquire(r, session.Snapshot); err == nil {
			key = s.StoreKey()
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	return key
}

func TestM12_ClientSeesNothingBeforeTheEnd(t *testing.T) {
	written, goOn := make(chan struct{}), make(chan struct{})
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		set(t, r, "stored")
		io.WriteString(w, "held")
		close(written)
		await(t, goOn)
	})
	replied := make(chan reply, 1)
	go func() { replied <- f.get() }()
	await(t, written)
	select {
	case <-replied:
		t.Error("the reply came before the handler's end")
	default:
	}
	close(goOn)
	f.want(await(t, replied), 200, "held")
	f.wantStored("stored")
}

func TestM12_ReverseProxyAndCleanersCannotTakeTheCookieAway(t *testing.T) {
	// httputil.ReverseProxy clears the headers after each 1xx reply.
	for name, reply := range map[string]func(http.ResponseWriter){
		"nothing written": func(http.ResponseWriter) {},
		"written":         func(w http.ResponseWriter) { io.WriteString(w, "x") },
		"flushed":         func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, func(w http.ResponseWriter, r *http.Request) {
				s := set(t, r, "stored")
				if err := s.Save(r.Context()); err != nil {
					t.Error(err)
				}
				clear(w.Header())
				reply(w)
			})
			f.get()
			f.wantStored("stored")
		})
	}
}

func TestM13_StatusDecides(t *testing.T) {
	for name, c := range map[string]struct {
		reply func(http.ResponseWriter)
		keeps bool
	}{
		"400":          {func(w http.ResponseWriter) { w.WriteHeader(400) }, true},
		"499":          {func(w http.ResponseWriter) { w.WriteHeader(499) }, true},
		"500":          {func(w http.ResponseWriter) { w.WriteHeader(500) }, false},
		"503 and body": {func(w http.ResponseWriter) { http.Error(w, "x", 503) }, false},
		"500 flushed":  {func(w http.ResponseWriter) { w.WriteHeader(500); w.(http.Flusher).Flush() }, false},
		"nothing":      {func(http.ResponseWriter) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, func(w http.ResponseWriter, r *http.Request) {
				set(t, r, "after")
				c.reply(w)
			})
			f.seed("before").get()
			if c.keeps {
				f.wantStored("after")
			} else {
				f.wantStored("before")
			}
			f.wantFree()
		})
	}
}

func TestOutcomeIsTruthful(t *testing.T) {
	for name, c := range map[string]struct {
		handler func(http.ResponseWriter)
		want    session.Outcome
	}{
		"nothing":     {func(http.ResponseWriter) {}, session.Outcome{Status: 200}},
		"status":      {func(w http.ResponseWriter) { w.WriteHeader(404); w.WriteHeader(500) }, session.Outcome{Status: 404}},
		"body":        {func(w http.ResponseWriter) { io.WriteString(w, "x") }, session.Outcome{Status: 200}},
		"early hints": {func(w http.ResponseWriter) { w.WriteHeader(103) }, session.Outcome{Status: 200}},
		"panic":       {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, session.Outcome{Panicked: true}},
		"panic while held": {func(w http.ResponseWriter) {
			io.WriteString(w, "x")
			panic(http.ErrAbortHandler)
		}, session.Outcome{Panicked: true}},
		"panic later": {func(w http.ResponseWriter) {
			w.WriteHeader(202)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, session.Outcome{Status: 202, Panicked: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var last session.Outcome
			s := newStore()
			mgr := newManager(t, s, func(cfg *session.Config) {
				cfg.Discard = func(out session.Outcome) bool { last = out; return out.Failed() }
			})
			h := httpsession.New(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				set(t, r, "x")
				c.handler(w)
			}))
			func() {
				defer func() { _ = recover() }()
				h.ServeHTTP(httptest.NewRecorder(), request("GET", nil))
			}()
			if last != c.want {
				t.Errorf("got %+v, want %+v", last, c.want)
			}
		})
	}
}
