package session_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// guest is a client of a service whose IDs are in paths. It goes where it is
// sent, and keeps cookies if it has a jar.
type guest struct {
	sv  *service
	jar map[string]string
}

// answer is what a guest gets.
type answer struct {
	http.Header
	status int
	path   string // that the router saw
}

// ask makes one request. The handler gets its context and returns the status.
func (g *guest) ask(method, target string, handler func(ctx context.Context, reply http.Header) int) answer {
	g.sv.t.Helper()
	ex := newExchange()
	for name, value := range g.jar {
		ex.request.Add("Cookie", name+"="+value)
	}
	p, ctx := g.sv.BeginPath(g.sv.t.Context(), ex, method, "host", target)
	if p == nil {
		g.sv.t.Fatal("BeginPath has nothing to do")
	}
	rq, ctx := g.sv.Begin(ctx, ex)
	status := handler(ctx, ex.reply)
	if err := rq.Finish(ctx, session.Outcome{Status: status}); err != nil {
		status = session.HTTPStatus(err)
	}
	p.BeforeReply(status)
	for _, c := range (&http.Response{Header: ex.reply}).Cookies() {
		if g.jar != nil {
			g.jar[c.Name] = c.Value
		}
	}
	return answer{ex.reply, status, p.Target()}
}

// do makes one request that acquires.
func (g *guest) do(method, target string, mode session.Mode, f func(s *session.Session)) answer {
	g.sv.t.Helper()
	return g.ask(method, target, func(ctx context.Context, _ http.Header) int {
		s, err := session.Acquire(ctx, mode)
		if err != nil {
			return session.HTTPStatus(err)
		}
		f(s)
		return http.StatusOK
	})
}

// follow makes a request, and those that it is redirected to, and returns where
// it got a reply that is none. limit is how many there may be.
func (g *guest) follow(method, target string, limit int, f func(s *session.Session)) (at string) {
	g.sv.t.Helper()
	for range limit + 1 {
		a := g.do(method, target, session.Exclusive, f)
		if a.status/100 != 3 {
			if a.status != http.StatusOK {
				g.sv.t.Errorf("%s %s: status %d", method, target, a.status)
			}
			return target
		}
		target = a.Get("Location")
	}
	g.sv.t.Fatalf("more than %d redirects", limit)
	return ""
}

func nothing(*session.Session) {}

func newGuest(t testing.TB, cfg session.Config) *guest {
	t.Helper()
	if cfg.ID == nil {
		cfg.ID = session.URI{}
	}
	return &guest{sv: newService(t, cfg)}
}

// idIn returns the ID in a path.
func idIn(t testing.TB, target string) string {
	t.Helper()
	rest, ok := strings.CutPrefix(target, "/(S(")
	if !ok || len(rest) < 26 || rest[24:26] != "))" {
		t.Fatalf("a path of %d bytes has no ID", len(target))
	}
	return rest[:24]
}

func TestM23_AClientWithoutAnIDIsSentToItsURL(t *testing.T) {
	for method, status := range map[string]int{"GET": 302, "HEAD": 302, "POST": 307, "PUT": 307, "DELETE": 307, "OPTIONS": 307} {
		inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
			g := newGuest(t, session.Config{})
			a := g.do(method, "/a%20b/c?d=e", mode, func(*session.Session) { t.Error("the handler got a session") })
			id := idIn(t, a.Get("Location"))
			if a.status != status || a.Get("Location") != "/(S("+id+"))/a%20b/c?d=e" || a.Get("Cache-Control") != "no-store" || a.Get("Vary") != "" {
				t.Errorf("%s %v: got %d to a Location of %d bytes", method, mode, a.status, len(a.Get("Location")))
			}
			synctest.Wait() // for what is done in the background
			g.sv.total(1)   // Create
			a = g.do(method, a.Get("Location"), mode, func(s *session.Session) {
				if s.ID() != id || !s.IsNew() || s.Len() != 0 {
					t.Errorf("%s %v: another session, or not new and empty", method, mode)
				}
				set(t, s, 1)
			})
			if a.status != 200 || a.path != "/a%20b/c?d=e" || a.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("%s %v: %d, the router sees %s", method, mode, a.status, a.path)
			}
			g.sv.total(3) // as with a cookie
			g.do("GET", "/(S("+id+"))/", mode, func(s *session.Session) {
				if s.IsNew() || get(t, s) != 1 {
					t.Errorf("%s %v: it was not stored", method, mode)
				}
			})
		})
	}
}

func TestM23_ReadersStayWhereTheyAre(t *testing.T) {
	g := newGuest(t, session.Config{})
	for _, path := range []string{"/", "/(S(nonsense))/", "/(S(" + id24('u') + "))/"} {
		for _, mode := range []session.Mode{session.ReadOnly, session.Snapshot} {
			a := g.ask("GET", path, func(ctx context.Context, reply http.Header) int {
				s, err := session.Acquire(ctx, mode)
				if err != nil || !s.IsNew() || s.URL("/x") != "/x" {
					t.Errorf("%s %v: %v", path, mode, err)
				}
				reply.Set("Location", "/next")
				return 200
			})
			if a.Get("Location") != "/next" {
				t.Errorf("%s: an ID that was given to nobody stays in use", path)
			}
		}
	}
	g.sv.stored(0)
}

func TestM23_AnUnknownIDIsNotTakenOver(t *testing.T) {
	g := newGuest(t, session.Config{})
	unknown := id24('u')
	for _, prefix := range []string{"/(S(" + unknown + "))", "/%28S%28" + unknown + "%29%29", "/(S(x))", "/(S())", "/(S(x))/(S(" + unknown + "))"} {
		at := g.follow("GET", prefix+"/a", 1, func(s *session.Session) {
			if s.ID() == unknown || !s.IsNew() {
				t.Errorf("%s: the ID was taken over", prefix)
			}
			set(t, s, 1)
		})
		if at != "/(S("+idIn(t, at)+"))/a" {
			t.Errorf("%s: served at a path of %d bytes", prefix, len(at))
		}
	}
}

func TestM23_AnExpiredIDGetsANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuest(t, session.Config{})
		at := g.follow("GET", "/", 1, func(s *session.Session) { set(t, s, 1) })
		time.Sleep(g.sv.idleAndMore())
		again := g.follow("POST", at, 1, func(s *session.Session) {
			if !s.IsNew() || s.Len() > 0 {
				t.Error("it has not expired")
			}
		})
		if idIn(t, at) == idIn(t, again) {
			t.Error("the ID of an expired session was taken over")
		}
	})
}

func TestM23_AnEmptySessionDoesNotLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ends atomic.Int32
		g := newGuest(t, session.Config{ReapInterval: time.Minute, OnEnd: func(context.Context, session.Ended) error {
			ends.Add(1)
			return nil
		}})
		empty, used := g.follow("GET", "/", 1, nothing), g.follow("GET", "/", 1, nothing)
		g.follow("GET", used, 0, func(s *session.Session) { set(t, s, 1) })
		time.Sleep(5*time.Minute + time.Minute)
		g.follow("GET", used, 0, func(s *session.Session) {
			if s.IsNew() {
				t.Error("a session with content has not lasted")
			}
		})
		if a := g.do("GET", empty, session.Exclusive, nothing); a.status != 302 {
			t.Errorf("an empty session is still there: %d", a.status)
		}
		time.Sleep(7 * time.Minute)
		if n := ends.Load(); n != 0 {
			t.Errorf("OnEnd heard of %d sessions that were empty", n)
		}
		time.Sleep(20 * time.Minute)
		if n := ends.Load(); n != 1 {
			t.Errorf("OnEnd heard of %d sessions, want 1", n)
		}
	})
}

func TestM23_ASessionThatWasChangedConcurrentlyIsNotNew(t *testing.T) {
	g := newGuest(t, session.Config{})
	at := g.do("GET", "/", session.Concurrent, nothing).Get("Location")
	a := g.do("GET", at, session.Concurrent, func(s *session.Session) {
		set(t, s, 1)
		// Another request is faster, so that this one is merged.
		g.do("GET", at, session.Exclusive, func(s *session.Session) { g.sv.check(s.SetTimeout(time.Hour)) })
	})
	if a.status != 200 {
		t.Error(a.status)
	}
	g.do("GET", at, session.ReadOnly, func(s *session.Session) {
		if s.IsNew() || get(t, s) != 1 || s.Timeout() != time.Hour {
			t.Error("it is new still, or a change is lost")
		}
	})
}

func TestM23_OnStartRunsBeforeTheClientIsSent(t *testing.T) {
	for _, mode := range allModes {
		st := &starter{t: t}
		g := newGuest(t, session.Config{OnStart: st.start})
		a := g.do("GET", "/", mode, func(*session.Session) { t.Error("the handler got a session") })
		st.ran(1)
		g.sv.total(1)
		a = g.do("GET", a.Get("Location"), mode, func(s *session.Session) {
			if !s.IsNew() || get(t, s) != 10 {
				t.Errorf("%v: what OnStart did is lost", mode)
			}
		})
		st.ran(1)
		if a.status != 200 {
			t.Error(a.status)
		}
	}
	g := newGuest(t, session.Config{OnStart: func(_ context.Context, s *session.Session) error { return s.Abandon() }})
	if a := g.do("GET", "/", session.Exclusive, nothing); a.status != 200 {
		t.Errorf("a client whose session OnStart abandons is sent around: %d", a.status)
	}
	g = newGuest(t, session.Config{OnStart: func(context.Context, *session.Session) error { return errBoom }})
	if a := g.do("GET", "/", session.Exclusive, nothing); a.status != 500 || a.Get("Location") != "" {
		t.Errorf("OnStart fails, the client gets %d", a.status)
	}
	g.sv.stored(0)
}

func TestM23_WhatCannotBeStoredIsNoRedirect(t *testing.T) {
	g := newGuest(t, session.Config{SaveTimeout: 100 * time.Millisecond})
	g.sv.faults.Next(sessiontest.OpCreate, -1, down)
	if a := g.do("GET", "/", session.Exclusive, nothing); a.status != 503 || a.Get("Location") != "" {
		t.Errorf("got %d", a.status)
	}
}

func TestM23_TheSameRequestIsToldTheSame(t *testing.T) {
	g := newGuest(t, session.Config{})
	g.ask("GET", "/", func(ctx context.Context, _ http.Header) int {
		for range 3 {
			_, err := session.Acquire(ctx)
			wantIs(t, err, session.ErrRedirect)
		}
		return 302
	})
	g.sv.stored(1)
}

// Once the headers are out, nobody can be sent anywhere (M12).
func TestM23_AfterTheHeadersANewSessionCannotBeStored(t *testing.T) {
	g := newGuest(t, session.Config{})
	ex := newExchange()
	_, ctx := g.sv.BeginPath(t.Context(), ex, "GET", "host", "/")
	rq, ctx := g.sv.Begin(ctx, ex)
	g.sv.check(rq.BeforeReply(ctx, ok200))
	s, err := session.Acquire(ctx)
	g.sv.check(err)
	wantIs(t, countKey.Set(s, 1), session.ErrHeadersSent)
	g.sv.check(rq.Finish(ctx, ok200))
	g.sv.stored(0)
}

func TestM23_WithoutRewriteAcquireSaysSo(t *testing.T) {
	sv := newService(t, session.Config{ID: session.URI{}})
	other := newService(t, session.Config{ID: session.AutoDetect{}})
	for name, ctx := range map[string]func() context.Context{
		"no Rewrite": t.Context,
		"another's": func() context.Context {
			_, ctx := other.BeginPath(t.Context(), newExchange(), "GET", "host", "/(S("+id24('a')+"))/")
			if p, _ := sv.BeginPath(ctx, newExchange(), "GET", "host", "/"); p != nil {
				t.Error("two Managers rewrite one path")
			}
			return ctx
		},
	} {
		rq, ctx := sv.Begin(ctx(), newExchange())
		for _, mode := range allModes {
			if _, err := session.Acquire(ctx, mode); err == nil || !strings.Contains(err.Error(), "Rewrite") || session.HTTPStatus(err) != 500 {
				t.Errorf("%s, %v: %v", name, mode, err)
			}
		}
		sv.check(rq.Finish(ctx, error500))
	}
	if p, _ := newService(t, session.Config{}).BeginPath(t.Context(), newExchange(), "GET", "host", "/(S(x))/"); p != nil {
		t.Error("paths are rewritten for cookies")
	}
}

// New warns, once, and neither that nor anything else that is logged, observed
// or returned has an ID in it.
func TestM23_NothingThatIsSaidHasAnID(t *testing.T) {
	var said logText
	g := newGuest(t, session.Config{Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if n := said.count("level=WARN"); n != 1 || said.count("docs/security.md") != 1 {
		t.Errorf("New warns %d times, want once:\n%s", n, said.String())
	}
	var ids []string
	at := g.follow("GET", "/", 1, func(s *session.Session) { ids = append(ids, s.ID()) })
	g.ask("GET", at, func(ctx context.Context, _ http.Header) int {
		s, err := session.Acquire(ctx)
		g.sv.check(err)
		g.sv.check(s.Renew())
		g.sv.check(s.Save(ctx))
		ids = append(ids, s.ID())
		return 200
	})
	g.ask("GET", at, func(ctx context.Context, _ http.Header) int {
		_, err := session.Acquire(ctx)
		wantIs(t, err, session.ErrRenewed)
		said.Write([]byte(err.Error()))
		return 409
	})
	g.ask("GET", "/", func(ctx context.Context, _ http.Header) int {
		_, err := session.Acquire(ctx)
		said.Write([]byte(err.Error()))
		return 302
	})
	for _, e := range g.sv.events.of(session.EventAcquireFailed) {
		said.Write([]byte(e.Err.Error()))
	}
	for _, id := range ids {
		if strings.Contains(said.String(), id) {
			t.Error("there is an ID in what is said")
		}
	}
}

// ErrRedirect has a status whether or not it comes from a request.
func TestM23_StatusOfARedirect(t *testing.T) {
	if got := session.HTTPStatus(errors.Join(session.ErrRedirect)); got != http.StatusFound {
		t.Error(got)
	}
}
