package fibersession_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

// What the tests keep in sessions.
var (
	note  = session.NewKey[string]("note")
	count = session.NewKey[int]("count")
)

// cookieName is the session cookie's.
const cookieName = "session"

// patience bounds every wait for what must happen.
const patience = 10 * time.Second

func newStore() session.Store { return memstore.New() }

func newManager(t testing.TB, store session.Store, tweaks ...func(*session.Config)) *session.Manager {
	t.Helper()
	cfg := session.Config{
		ID:           session.Cookie{Insecure: true},
		ReapInterval: -1,
		SaveTimeout:  100 * time.Millisecond,
		Logger:       slog.New(slog.DiscardHandler),
	}
	for _, tweak := range tweaks {
		tweak(&cfg)
	}
	mgr, err := session.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := mgr.Close(ctx); err != nil {
			t.Errorf("M22: %v", err) // a session was not released
		}
	})
	return mgr
}

// fixture is an app whose store can fail.
type fixture struct {
	testing.TB
	store *sessiontest.Faults
	mgr   *session.Manager
	app   *fiber.App
	url   string
	http  *http.Client
}

// serve starts an app to which setup has added middlewares and routes.
func serve(t testing.TB, cfg fiber.Config, setup func(f *fixture), tweaks ...func(*session.Config)) *fixture {
	t.Helper()
	f := &fixture{TB: t, store: sessiontest.NewFaults(memstore.New())}
	f.mgr = newManager(t, f.store.Store, tweaks...)
	cfg.DisableStartupMessage = true
	f.app = fiber.New(cfg)
	setup(f)
	f.url = start(t, f.app)
	f.http = &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
	t.Cleanup(f.http.CloseIdleConnections)
	return f
}

// start serves app until the test ends.
func start(t testing.TB, app *fiber.App) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(ln) }() // ends by Shutdown
	t.Cleanup(func() {
		if err := app.ShutdownWithTimeout(patience); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		ln.Close() // should it not have begun to serve
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Listener: %v", err)
		}
	})
	return "http://" + ln.Addr().String()
}

// breakStore makes what would store something fail from now on.
func (f *fixture) breakStore() {
	for _, op := range []sessiontest.Op{sessiontest.OpCreate, sessiontest.OpSave, sessiontest.OpSwap, sessiontest.OpRemove} {
		f.store.Next(op, -1, sessiontest.Fault{Kind: sessiontest.FailBefore})
	}
}

// client is one with a session of its own.
type client struct {
	*fixture
	id string
}

// reply is a reply that has been read.
type reply struct {
	*http.Response
	body string
}

// returning returns a client whose session has this note.
func (f *fixture) returning(text string) *client {
	f.Helper()
	ctx := sessionOf(f.mgr, "")
	defer ctx.end()
	s, err := f.mgr.Acquire(ctx)
	if err == nil {
		err = note.Set(s, text)
	}
	if err == nil {
		err = s.Release(ctx)
	}
	if err != nil {
		f.Fatal(err)
	}
	return &client{f, ctx.id()}
}

func (c *client) do(method, path string, header ...string) reply {
	c.Helper()
	req, err := http.NewRequest(method, c.url+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	if c.id != "" {
		req.AddCookie(&http.Cookie{Name: cookieName, Value: c.id})
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.Errorf("%s %s: %v", method, path, err)
		return reply{Response: &http.Response{}}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.Errorf("%s %s: %v", method, path, err)
	}
	a := reply{res, string(body)}
	if set := a.cookie(cookieName); set != nil {
		c.id = set.Value
	}
	return a
}

func (c *client) get(path string, header ...string) reply {
	c.Helper()
	return c.do("GET", path, header...)
}

func (a reply) cookie(name string) *http.Cookie {
	for _, c := range a.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func (c *client) want(got reply, status int, body string) {
	c.Helper()
	if got.StatusCode != status || got.body != body {
		c.Errorf("got %d %.80q, want %d %.80q", got.StatusCode, got.body, status, body)
	}
}

func (c *client) wantCookie(a reply, want bool) {
	c.Helper()
	if got := a.cookie(cookieName) != nil; got != want {
		c.Errorf("the reply has the session's cookie: %v, want %v", got, want)
	}
}

// wantStored proves that the session has this note, and is free.
func (c *client) wantStored(text string) {
	c.Helper()
	ctx := sessionOf(c.mgr, c.id)
	defer ctx.end()
	s, err := c.mgr.Acquire(ctx)
	if err != nil {
		c.Errorf("the session is not free: %v", err)
		return
	}
	if got, err := note.Get(s); got != text || err != nil {
		c.Errorf("the session has %q, %v, want %q", got, err, text)
	}
}

// set acquires the session, Exclusive, and puts a note into it.
func set(t testing.TB, c *fiber.Ctx, text string) *session.Session {
	t.Helper()
	s, err := fibersession.Acquire(c)
	if err == nil {
		err = note.Set(s, text)
	}
	if err != nil {
		t.Errorf("acquire and set: %v", err)
	}
	return s
}

// await returns what comes from ch, in time.
func await[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v = <-ch:
	case <-timer.C:
		t.Error("waited in vain")
	}
	return v
}

// direct is an exchange without a server, for what is done beside it.
type direct struct {
	context.Context
	rq     *session.Request
	header http.Header // of the request
	reply  http.Header
}

func sessionOf(mgr *session.Manager, id string) *direct {
	d := &direct{header: http.Header{}, reply: http.Header{}}
	if id != "" {
		d.header.Set("Cookie", cookieName+"="+id)
	}
	d.rq, d.Context = mgr.Begin(context.Background(), d)
	return d
}

func (d *direct) end() { _ = d.rq.Finish(d, session.Outcome{Status: http.StatusOK}) }

// id is the one that the reply sets.
func (d *direct) id() string {
	for _, c := range (&http.Response{Header: d.reply}).Cookies() {
		if c.Name == cookieName {
			return c.Value
		}
	}
	return ""
}

func (d *direct) RequestHeader(name string) []string { return d.header.Values(name) }
func (d *direct) ReplyHeader(name string) []string   { return d.reply.Values(name) }
func (d *direct) Secure() bool                       { return false }

func (d *direct) SetReplyHeader(name string, values ...string) { d.reply[name] = values }

// requestFor returns a request that comes from no connection, as fasthttp
// reads it.
func requestFor(t testing.TB, id string) *fasthttp.RequestCtx {
	t.Helper()
	raw := "GET / HTTP/1.1\r\nHost: test\r\n"
	if id != "" {
		raw += "Cookie: " + cookieName + "=" + id + "\r\n"
	}
	ctx := new(fasthttp.RequestCtx)
	ctx.Init(&fasthttp.Request{}, nil, nil)
	if err := ctx.Request.Read(bufio.NewReader(strings.NewReader(raw + "\r\n"))); err != nil {
		t.Fatal(err)
	}
	return ctx
}
