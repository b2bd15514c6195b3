package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
)

func newDetected(t testing.TB, cookies bool, cfg session.Config) *guest {
	t.Helper()
	if cfg.ID == nil {
		cfg.ID = session.AutoDetect{}
	}
	g := newGuest(t, cfg)
	if cookies {
		g.jar = map[string]string{}
	}
	return g
}

func TestM23_AutoDetectGivesACookieToWhoKeepsIt(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		g := newDetected(t, true, session.Config{ID: session.AutoDetect{Cookie: session.Cookie{SameSite: http.SameSiteStrictMode, Name: "id"}}})
		a := g.do(method, "/deep/link?a=b", session.Exclusive, nothing)
		test := (&http.Response{Header: a.Header}).Cookies()
		if len(test) != 1 || test[0].Name != "id-test" || !test[0].Secure || !test[0].HttpOnly || test[0].SameSite != http.SameSiteLaxMode || test[0].MaxAge != 0 || test[0].Value != "1" {
			t.Fatalf("the test cookie is %v", test)
		}
		if a.Get("Location") != "/(S())/deep/link?a=b" || a.Get("Cache-Control") != "no-store" || a.Get("Vary") != "Cookie" {
			t.Errorf("sent to %q", a.Get("Location"))
		}
		g.sv.stored(0)
		at := g.follow(method, a.Get("Location"), 1, func(s *session.Session) {
			set(t, s, 1)
			if s.URL("/x") != "/x" {
				t.Error("links have an ID although the client keeps cookies")
			}
		})
		if want := map[string]string{"GET": "/deep/link?a=b", "POST": "/(S())/deep/link?a=b"}[method]; at != want {
			t.Errorf("%s: served at %q, want %q", method, at, want)
		}
		if len(g.jar["id"]) != 24 {
			t.Error("the client has no session in its cookie")
		}
		g.follow(method, "/other", 0, func(s *session.Session) {
			if s.IsNew() || get(t, s) != 1 {
				t.Error("the session is not found by its cookie")
			}
		})
		// The test is remembered, also without a session.
		delete(g.jar, "id")
		g.follow("GET", "/other", 0, func(s *session.Session) { set(t, s, 1) })
		if len(g.jar["id"]) != 24 {
			t.Error("the client got no other session")
		}
	}
}

func TestM23_AutoDetectPutsTheIDIntoThePathOfWhoDoesNot(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		g := newDetected(t, false, session.Config{})
		at := g.follow(method, "/deep/link?a=b", 2, func(s *session.Session) { set(t, s, 1) })
		id := idIn(t, at)
		if at != "/(S("+id+"))/deep/link?a=b" {
			t.Errorf("served at a path of %d bytes", len(at))
		}
		a := g.ask(method, at, func(ctx context.Context, reply http.Header) int {
			s, err := session.Acquire(ctx)
			g.sv.check(err)
			if s.IsNew() || s.URL("/x") != "/(S("+id+"))/x" {
				t.Error("another session, or no links")
			}
			reply.Set("Location", "/x")
			return 303
		})
		if a.Get("Location") != "/(S("+id+"))/x" {
			t.Error("the redirect leads outside")
		}
		g.sv.stored(1)
		// An ID that has expired: it is asked again.
		if at := g.follow(method, "/(S("+id24('u')+"))/", 2, nothing); idIn(t, at) == id24('u') {
			t.Error("an unknown ID was taken over")
		}
	}
}

// Somebody whose browser keeps cookies follows a link in which another's ID was
// planted.
func TestM23_AutoDetectBelievesNoIDInThePathOfWhoKeepsCookies(t *testing.T) {
	g := newDetected(t, false, session.Config{})
	planted := g.follow("GET", "/", 2, func(s *session.Session) { set(t, s, 666) })
	victim := &guest{sv: g.sv, jar: map[string]string{}}
	// The first request cannot be told from one of the ID's own client; but it
	// leaves the test cookie.
	for _, mode := range allModes {
		clear(victim.jar)
		victim.do("GET", planted, mode, nothing)
		if len(victim.jar) != 1 {
			t.Fatalf("%v: no test cookie", mode)
		}
	}
	for _, method := range []string{"POST", "GET"} {
		at := victim.follow(method, planted, 1, func(s *session.Session) {
			if n, _ := countKey.Get(s); n == 666 {
				t.Error("the victim has the attacker's session")
			}
			set(t, s, 1)
		})
		if method == "GET" && at != "/" {
			t.Errorf("the victim stays at a path of %d bytes", len(at))
		}
	}
	// Readers are not sent around, but have their own session as well.
	victim.do("GET", planted, session.ReadOnly, func(s *session.Session) {
		if get(t, s) != 1 {
			t.Error("the victim reads the attacker's session")
		}
	})
	a := victim.ask("GET", planted, func(_ context.Context, reply http.Header) int {
		reply.Set("Location", "/x")
		return 303
	})
	if a.Get("Location") != "/x" {
		t.Error("a redirect keeps the planted ID")
	}
}

func TestM23_AutoDetectNeverSendsBrowsersElsewhere(t *testing.T) {
	for _, path := range []string{"/(S())//evil.com", `/(S())/\evil.com`, "/(S())/%2Fevil.com", "/(S(x))//(S(y))//evil.com", "/(S())/\t/evil.com", "//evil.com"} {
		for _, jar := range []map[string]string{nil, {}, {"session-test": "1"}} {
			g := newDetected(t, false, session.Config{})
			g.jar = jar
			target := path
			for range 4 {
				a := g.do("GET", target, session.Exclusive, nothing)
				if a.status == 200 {
					break
				}
				target = a.Get("Location")
				if len(target) < 2 || target[0] != '/' || strings.ContainsAny(target[1:2], "/\\\t") || strings.ContainsAny(target, "\t\\") {
					t.Fatalf("%q with %d cookies: sent to %q", path, len(jar), target)
				}
			}
		}
	}
}

func TestM23_AutoDetectTakesTheCookieFromWhoLogsOut(t *testing.T) {
	g := newDetected(t, true, session.Config{})
	g.follow("GET", "/", 2, func(s *session.Session) { set(t, s, 1) })
	a := g.do("POST", "/logout", session.Snapshot, func(s *session.Session) { g.sv.check(s.Abandon()) })
	if c := (&http.Response{Header: a.Header}).Cookies(); len(c) != 1 || c[0].Name != "session" || c[0].MaxAge >= 0 {
		t.Errorf("the reply sets %d cookies", len(c))
	}
	g.sv.stored(0)
}

func TestM23_AutoDetectRemembersAndRenewsByCookie(t *testing.T) {
	g := newDetected(t, true, session.Config{})
	g.follow("GET", "/", 2, func(s *session.Session) { set(t, s, 1) })
	old := g.jar["session"]
	a := g.do("POST", "/login", session.Exclusive, func(s *session.Session) {
		g.sv.check(s.Renew())
		g.sv.check(s.Remember(true))
	})
	if c := (&http.Response{Header: a.Header}).Cookies(); len(c) != 1 || c[0].MaxAge <= 0 || c[0].Value == old {
		t.Error("the cookie is not renewed, or does not outlive the browser")
	}
	if g.sv.log.count("renewed by a reply that does not tell") != 0 {
		t.Error("a warning of nothing")
	}
}

// Without TLS a Secure cookie never comes along.
func TestM23_AutoDetectWarnsOfPlainHTTP(t *testing.T) {
	g := newDetected(t, false, session.Config{})
	ex := &exchange{request: http.Header{}, reply: http.Header{}}
	_, ctx := g.sv.BeginPath(t.Context(), ex, "GET", "host", "/(S())/")
	rq, ctx := g.sv.Begin(ctx, ex)
	_, err := session.Acquire(ctx)
	wantIs(t, err, session.ErrRedirect)
	g.sv.check(rq.Finish(ctx, ok200))
	if n := g.sv.log.count("over plain http"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}
