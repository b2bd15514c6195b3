// Package shoptest walks through the shop as its visitors do, over real HTTP,
// whichever framework it runs on. Each example's test calls Run.
package shoptest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

// patience is how long a test waits for what must come before it fails. No
// test waits for what must not come.
const patience = 30 * time.Second

// site is a shop that is open.
type site struct {
	url   string
	store *store
	gate  *gate
}

// open opens a shop on a port of this machine until the test ends.
func open(t *testing.T, build serve.Build, cfg session.Config) *site {
	t.Helper()
	st := &site{store: &store{Store: memstore.New()}, gate: newGate()}
	quiet := slog.New(slog.DiscardHandler) // what goes wrong here is meant to
	sh, err := shop.New(shop.Config{Pause: st.gate.pause, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	cfg.ID = session.Cookie{Insecure: true}
	cfg.Logger = quiet
	sessions, err := session.New(st.store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	st.url = "http://" + l.Addr().String()
	server := build(sessions, sh)
	served := make(chan struct{})
	go func() { // ends with the Shutdown below
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error("Shutdown:", err)
		}
		if err := sessions.Close(ctx); err != nil {
			t.Error("Close:", err)
		}
		<-served
	})
	return st
}

// gate stands in for the lab's slow work, so that tests decide when it ends.
type gate struct {
	entered chan struct{} // one value for each update that has begun to work
	proceed chan struct{} // each value lets one of them go on

	mu         sync.Mutex
	busy, most int // how many work at the same time, and did at most; under mu
}

func newGate() *gate {
	return &gate{entered: make(chan struct{}, 100), proceed: make(chan struct{}, 100)}
}

func (g *gate) pause(ctx context.Context, _ time.Duration) error {
	g.count(1)
	defer g.count(-1)
	g.entered <- struct{}{}
	select {
	case <-g.proceed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gate) count(d int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy += d
	g.most = max(g.most, g.busy)
}

// together returns how many updates had the session at the same time, at most.
func (g *gate) together() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

// release lets n updates go on, now or when they get there.
func (g *gate) release(n int) {
	for range n {
		g.proceed <- struct{}{}
	}
}

// store is the memory store, and can be down.
type store struct {
	*memstore.Store
	down atomic.Bool // its sessions cannot be had
	full atomic.Bool // nothing can be stored in it
}

func (s *store) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	if s.down.Load() {
		return session.Record{}, session.ErrUnavailable
	}
	return s.Store.Load(ctx, key, wait)
}

func (s *store) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	if s.down.Load() {
		return session.Record{}, session.ErrUnavailable
	}
	return s.Store.Acquire(ctx, key, token, lease)
}

// errFull is not session.ErrUnavailable, because a save is repeated after that,
// until SaveTimeout.
var errFull = errors.New("shoptest: the store is full")

func (s *store) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	if s.full.Load() {
		return errFull
	}
	return s.Store.Create(ctx, key, rec, token, lease)
}

func (s *store) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	if s.full.Load() {
		return errFull
	}
	return s.Store.Save(ctx, key, rec, token, how)
}

func (s *store) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	if s.full.Load() {
		return errFull
	}
	return s.Store.Swap(ctx, key, rec, old)
}

// await waits for what must come.
func await[T any](t *testing.T, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("%s: did not come", what)
	}
	return v
}

// visitor is somebody with a browser: it keeps cookies, and follows redirects
// only when told to.
type visitor struct {
	t      *testing.T
	site   *site
	client *http.Client
}

func (st *site) visitor(t *testing.T) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t, st, &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (v *visitor) get(path string) reply {
	v.t.Helper()
	return v.do(v.request("GET", path, ""))
}

func (v *visitor) post(path string, form ...string) reply {
	v.t.Helper()
	return v.do(v.request("POST", path, encode(form...)))
}

// postAndFollow posts as a browser does: it ends on the page that the answer
// redirects to.
func (v *visitor) postAndFollow(path string, form ...string) reply {
	v.t.Helper()
	r := v.post(path, form...)
	if r.status != http.StatusSeeOther {
		v.t.Fatalf("POST %s: status %d, want a redirect with 303", path, r.status)
	}
	return v.get(r.header.Get("Location"))
}

// encode makes a form body of names and values by turns.
func encode(form ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	return values.Encode()
}

func (v *visitor) request(method, path, body string) *http.Request {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.site.url+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

// do may be called from several goroutines: what fails is in the reply.
func (v *visitor) do(r *http.Request) reply {
	v.t.Helper()
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return reply{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return reply{res.StatusCode, res.Header, string(body)}
}

// cookie returns the ID that the visitor's browser has, or "".
func (v *visitor) cookie() string {
	u, err := url.Parse(v.site.url)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range v.client.Jar.Cookies(u) {
		if c.Name == "session" {
			return c.Value
		}
	}
	return ""
}

// getWith gets a page with an ID that the browser may not have any more.
func (st *site) getWith(t *testing.T, id, path string) reply {
	t.Helper()
	v := st.visitor(t)
	r := v.request("GET", path, "")
	r.AddCookie(&http.Cookie{Name: "session", Value: id})
	return v.do(r)
}

// want fails unless the reply has the status and its body has each of the
// texts.
func (r reply) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d; body:\n%s", r.status, status, r.body)
		return
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("the page has no %q:\n%s", text, r.body)
		}
	}
}

func (r reply) wantNone(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(r.body, text) {
			t.Errorf("the page has %q, and must not:\n%s", text, r.body)
		}
	}
}
