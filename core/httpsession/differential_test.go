package httpsession_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// exchanged is all that can be seen of one exchange: by the client, by the
// handler, in the server's log.
type exchanged struct {
	Status           int
	Header, Trailer  http.Header
	ContentLength    int64
	TransferEncoding []string
	Body             string
	Truncated        bool
	Informational    []string
	Seen, Log        []string
}

// observer collects what a handler is told by its writer.
type observer struct {
	mu   sync.Mutex
	seen []string
}

func (o *observer) see(args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, fmt.Sprintln(args...))
}

// usage is what the handler does with its session, before it replies.
type usage struct {
	name string
	use  func(testing.TB, *http.Request)
	id   bool // the client has a session
}

var usages = []usage{
	{"never acquires", func(testing.TB, *http.Request) {}, true},
	{"reads", func(t testing.TB, r *http.Request) {
		if _, err := httpsession.Acquire(r, session.ReadOnly); err != nil {
			t.Error(err)
		}
	}, true},
	{"holds", func(t testing.TB, r *http.Request) {
		if _, err := httpsession.Acquire(r); err != nil {
			t.Error(err)
		}
	}, true},
	{"writes", func(t testing.TB, r *http.Request) { set(t, r, r.URL.Path) }, true},
	{"creates", func(t testing.TB, r *http.Request) { set(t, r, r.URL.Path) }, false},
	{"saves before", func(t testing.TB, r *http.Request) {
		s := set(t, r, "early")
		if err := s.Save(r.Context()); err != nil {
			t.Error(err)
		}
	}, false},
}

// TestA1_AsWithoutTheMiddleware runs each handler with and without the
// middleware, on real connections: but for the session's cookie nothing may
// differ that the client or the handler can see.
func TestA1_AsWithoutTheMiddleware(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, c := range cases {
			if proto == "HTTP/2.0" && c.http1 {
				continue
			}
			t.Run(proto+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				l := newLaboratory(t, proto, c)
				want := l.exchange(nil)
				for _, u := range usages {
					got := l.exchange(&u)
					if c.sized && (c.method == http.MethodHead || got.ContentLength == int64(len(want.Body))) {
						got.ContentLength, got.TransferEncoding = want.ContentLength, want.TransferEncoding
						got.Header.Del("Content-Length")
						want.Header.Del("Content-Length")
					}
					compare(t, u.name, want, got)
				}
			})
		}
	}
}

func compare(t *testing.T, name string, want, got exchanged) {
	t.Helper()
	wantV, gotV := reflect.ValueOf(want), reflect.ValueOf(got)
	for i := range wantV.NumField() {
		if w, g := wantV.Field(i).Interface(), gotV.Field(i).Interface(); !reflect.DeepEqual(w, g) {
			t.Errorf("%s: %s is\n\t%.400v, without the middleware it is\n\t%.400v", name, wantV.Type().Field(i).Name, g, w)
		}
	}
}

// laboratory is a server for one case, with and without the middleware.
type laboratory struct {
	*testing.T
	c       testCase
	proto   string
	client  *http.Client
	url, id string

	// What belongs to the exchange under way.
	usage    *usage // nil: without the middleware
	observer *observer
	log      *logBuffer
	handled  chan struct{}
}

func newLaboratory(t *testing.T, proto string, c testCase) *laboratory {
	t.Helper()
	s := newStore()
	f := &fixture{TB: t, store: s, mgr: newManager(t, s)}
	f.seed("before")
	l := &laboratory{T: t, c: c, proto: proto, id: f.id, log: &logBuffer{}}
	with := httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.usage.use(t, r)
		c.handler(w, r, l.observer)
	}))
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(l.handled)
		if l.usage != nil {
			with.ServeHTTP(w, r)
		} else {
			c.handler(w, r, l.observer)
		}
	}))
	srv.Config.ErrorLog = log.New(l.log, "", 0)
	if srv.EnableHTTP2 = proto == "HTTP/2.0"; srv.EnableHTTP2 {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	l.client, l.url = quiet(srv), srv.URL
	return l
}

func (l *laboratory) exchange(u *usage) (got exchanged) {
	l.Helper()
	l.usage, l.observer, l.handled = u, &observer{}, make(chan struct{})
	l.log.reset()
	r, err := http.NewRequest(l.c.method, l.url+"/path", strings.NewReader(l.c.body))
	if err != nil {
		l.Fatal(err)
	}
	for i := 0; i < len(l.c.request); i += 2 {
		r.Header.Set(l.c.request[i], l.c.request[i+1])
	}
	if u == nil || u.id {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: l.id})
	}
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got.Informational = append(got.Informational, fmt.Sprint(code, h["Link"]))
			return nil
		},
	}))
	res, err := l.client.Do(r)
	if err != nil {
		l.Fatal(err)
	}
	defer res.Body.Close()
	if res.Proto != l.proto {
		l.Fatalf("spoke %s", res.Proto)
	}
	body, err := io.ReadAll(res.Body)
	await(l, l.handled)
	if sessionCookie(res) != "" {
		withoutCookie(l.T, res.Header)
	}
	res.Header.Del("Date")
	got.Status, got.Header, got.Trailer = res.StatusCode, res.Header, res.Trailer
	got.ContentLength, got.TransferEncoding = res.ContentLength, res.TransferEncoding
	got.Body, got.Truncated = string(body), err != nil
	if l.proto == "HTTP/1.1" { // HTTP/2 has other words for the same
		got.Seen, got.Log = l.observer.seen, l.log.lines()
	}
	return got
}

// withoutCookie takes the session's cookie, and what goes with it (A9), out of
// a reply.
func withoutCookie(t *testing.T, h http.Header) {
	t.Helper()
	if h.Get("Cache-Control") == "" || !slices.Contains(h.Values("Vary"), "Cookie") {
		t.Errorf("A9: the reply sets the cookie, and its headers are %v", h)
	}
	without := func(name string, drop func(string) bool) {
		if kept := slices.DeleteFunc(h[name], drop); len(kept) == 0 {
			h.Del(name)
		} else {
			h[name] = kept
		}
	}
	without("Set-Cookie", func(v string) bool { return strings.HasPrefix(v, cookieName+"=") })
	without("Vary", func(v string) bool { return v == "Cookie" })
	without("Cache-Control", func(v string) bool { return v == "no-store" })
}

// logBuffer is a server's log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func (l *logBuffer) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(l.b.String(), "\n")
}
