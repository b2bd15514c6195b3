package session_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// exchange is an HTTP exchange without HTTP.
type exchange struct {
	mu             sync.Mutex
	request, reply http.Header
	secure         bool
}

func (ex *exchange) RequestHeader(name string) []string { return ex.request.Values(name) }

func (ex *exchange) ReplyHeader(name string) []string {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.reply.Values(name)
}

func (ex *exchange) SetReplyHeader(name string, values ...string) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.reply.Del(name); len(values) > 0 {
		ex.reply[http.CanonicalHeaderKey(name)] = values
	}
}

func (ex *exchange) Secure() bool { return ex.secure }

// client keeps the session's cookie from one request to the next.
type client struct {
	t  testing.TB
	m  *session.Manager
	id string
}

// request is one request of a client, under way.
type request struct {
	*session.Request
	ctx    context.Context
	cancel context.CancelFunc
	ex     *exchange
	c      *client
}

func newManager(t testing.TB, store session.Store, cfg session.Config) *session.Manager {
	t.Helper()
	m, err := session.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeSoon(m); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (c *client) begin() *request {
	ex := &exchange{request: http.Header{}, reply: http.Header{}, secure: true}
	if c.id != "" {
		ex.request.Set("Cookie", "session="+c.id)
	}
	ctx, cancel := context.WithCancel(context.Background())
	rq, ctx := c.m.Begin(ctx, ex)
	return &request{rq, ctx, cancel, ex, c}
}

// end finishes the request, and keeps the cookie that the reply sets.
func (r *request) end(out session.Outcome) error {
	err := r.Finish(r.ctx, out)
	r.cancel()
	if err == nil {
		r.keepCookie()
	}
	return err
}

func (r *request) keepCookie() {
	for _, ck := range (&http.Response{Header: r.ex.reply}).Cookies() {
		if ck.Name == "session" {
			r.c.id = ck.Value
		}
	}
}

// do makes one whole request.
func (c *client) do(mode session.Mode, f func(s *session.Session)) error {
	c.t.Helper()
	r := c.begin()
	s, err := session.Acquire(r.ctx, mode)
	if err != nil {
		c.t.Errorf("Acquire: %v", err)
	} else {
		f(s)
	}
	return r.end(session.Outcome{Status: 200})
}

var countKey = session.NewKey[int]("count")

func TestSmoke(t *testing.T) {
	m := newManager(t, memstore.New(), session.Config{})
	c := &client{t: t, m: m}
	var wg sync.WaitGroup
	if err := c.do(session.Exclusive, func(s *session.Session) { countKey.Set(s, 0) }); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []session.Mode{session.Exclusive, session.Concurrent} {
		for range 40 {
			wg.Go(func() {
				c := &client{t: t, m: m, id: c.id}
				for range 50 {
					if err := c.do(mode, func(s *session.Session) {
						if err := countKey.Update(s, func(n int) int { return n + 1 }); err != nil {
							t.Error(err)
						}
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	c.do(session.ReadOnly, func(s *session.Session) {
		if n, err := countKey.Get(s); n != 4000 || err != nil {
			t.Error(n, err)
		}
	})
}

// closeSoon closes the Manager, and gives up after ten seconds.
func closeSoon(m *session.Manager) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return m.Close(ctx)
}
