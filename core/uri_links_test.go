package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
)

func TestM23_RenewMovesTheClient(t *testing.T) {
	for _, mode := range writeModes {
		g := newGuest(t, session.Config{})
		at := g.follow("GET", "/", 1, func(s *session.Session) { set(t, s, 1) })
		var link string
		a := g.ask("POST", at+"login", func(ctx context.Context, reply http.Header) int {
			s, err := session.Acquire(ctx, mode)
			g.sv.check(err)
			before := s.URL("/home")
			g.sv.check(s.Renew())
			link = s.URL("/home")
			if idIn(t, before) == idIn(t, link) || idIn(t, before) != s.ID() {
				t.Error("links have the old ID after Renew, or the new one before")
			}
			reply.Set("Location", "home?a")
			return 303
		})
		id := idIn(t, link)
		if a.Get("Location") != "/(S("+id+"))/home?a" || a.Get("Cache-Control") != "no-store" {
			t.Errorf("%v: the client is not sent to its new ID", mode)
		}
		g.do("GET", link, session.ReadOnly, func(s *session.Session) {
			if s.ID() != id || get(t, s) != 1 {
				t.Errorf("%v: the new ID is another", mode)
			}
		})
		if a := g.do("GET", at, mode, nothing); a.status != 409 || a.Get("Location") != "" {
			t.Errorf("%v: who knows the old ID gets %d", mode, a.status)
		}
		if g.sv.log.count("renewed by a reply that does not tell") != 0 {
			t.Error("a warning of nothing")
		}
	}
}

func TestM23_ARenewThatIsNotToldIsWarnedOf(t *testing.T) {
	g := newGuest(t, session.Config{})
	at := g.follow("GET", "/", 1, nothing)
	for range 2 {
		g.do("GET", at, session.Exclusive, func(s *session.Session) {
			g.sv.check(s.Renew())
			g.sv.check(s.Save(t.Context()))
			at = "/(S(" + s.ID() + "))/"
		})
	}
	if n := g.sv.log.count("renewed by a reply that does not tell"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
	g = newGuest(t, session.Config{})
	at = g.follow("GET", "/", 1, nothing)
	g.do("GET", at, session.Exclusive, func(s *session.Session) {
		g.sv.check(s.Renew())
		s.URL("/")
	})
	if g.sv.log.count("renewed by a reply that does not tell") != 0 {
		t.Error("a warning although the page has links")
	}
}

func TestM23_AbandonLeadsOutside(t *testing.T) {
	g := newGuest(t, session.Config{})
	at := g.follow("GET", "/", 1, nothing)
	a := g.ask("POST", at+"a/logout", func(ctx context.Context, reply http.Header) int {
		s, err := session.Acquire(ctx)
		g.sv.check(err)
		g.sv.check(s.Abandon())
		if to := s.URL(at + "bye"); to != "/bye" {
			t.Error("links have the ID of a session that ends")
		}
		reply.Set("Location", "../bye")
		return 303
	})
	if a.Get("Location") != "/bye" {
		t.Errorf("it leads to a Location of %d bytes", len(a.Get("Location")))
	}
	g.sv.stored(0)
}

func TestM23_URLIsForPathsOfThisSite(t *testing.T) {
	g := newGuest(t, session.Config{})
	at := g.follow("GET", "/", 1, nothing)
	prefix := strings.TrimSuffix(at, "/")
	var over *session.Session
	g.do("GET", at, session.Exclusive, func(s *session.Session) {
		over = s
		for path, want := range map[string]string{
			"/": prefix + "/", "/a?b=/#c": prefix + "/a?b=/#c", prefix + "/a": prefix + "/a", "/(S(x))//a": prefix + "/a",
			"": "", "a": "a", "?a": "?a", "#a": "#a", "//evil.com/": "//evil.com/", `/\evil.com`: `/\evil.com`,
			"https://host/": "https://host/", "javascript:alert(1)": "javascript:alert(1)", "/\n/evil.com": "/\n/evil.com",
		} {
			if got := s.URL(path); got != want {
				t.Errorf("%q: got %d bytes, want %d", path, len(got), len(want))
			}
		}
	})
	if over.URL("/a") != prefix+"/a" {
		t.Error("after the release there are no links")
	}
	if (*session.Session)(nil).URL("/a") != "/a" {
		t.Error("without a session there are links")
	}
	for _, source := range []session.IDSource{session.Cookie{}, session.Header{}} {
		sv := newService(t, session.Config{ID: source})
		sv.check(sv.client().do(session.Exclusive, func(s *session.Session) {
			set(t, s, 1)
			sv.check(s.Save(t.Context()))
			if s.URL("/a") != "/a" {
				t.Errorf("%T: the ID is in links", source)
			}
		}))
	}
}
