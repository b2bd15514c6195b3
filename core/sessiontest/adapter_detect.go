package sessiontest

import (
	"context"
	"net/http"
	"strings"

	session "github.com/sessionstate/sessionstate/core"
)

const testCookie = cookieName + "-test"

// reading is a route that shows the note of a session that it may change, with
// a link.
var reading = Route{Method: "GET", Path: "/deep/page", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
	text, err := note.Get(s)
	if err != nil {
		return c.Fail(err)
	}
	if err := note.Set(s, "seen"); err != nil {
		return c.Fail(err)
	}
	return say(c, text+" "+s.URL("/deep/page"))
})}

func detectsCookies(st *stage) {
	for _, method := range []string{"GET", "POST"} {
		w := st.detecting(true, Scenario{Routes: []Route{reading}})
		if method == "POST" {
			a, _ := w.follow("POST", "/body?a=b", "by post")
			w.wantOK(a, "stored")
		}
		a, at := w.follow("GET", "/deep/page?a=b", "")
		if at != "/deep/page?a=b" {
			w.Errorf("%s first: a client that keeps cookies is served at a path of %d bytes", method, len(at))
		}
		want := " /deep/page"
		if method == "POST" {
			want = "by post /deep/page"
		}
		w.wantOK(a, want)
		if w.jar[testCookie] != "1" || len(w.jar[cookieName]) != len(unknownID) {
			w.Errorf("%s first: the client has %d cookies, want that of the session and that of the test", method, len(w.jar))
		}
		a = w.ask("GET", "/deep/page", "") // once and for all
		w.wantOK(a, "seen /deep/page")
		w.wantNoCookie(a)
		delete(w.jar, cookieName)
		a = w.ask("GET", "/deep/page", "")
		w.wantOK(a, " /deep/page")
		w.wantCookie(a)
	}
}

func detectsNoCookies(st *stage) {
	w := st.detecting(false, Scenario{Routes: []Route{reading}})
	a := w.ask("GET", "/deep/page?a=b", "")
	if got := a.cookies(testCookie); len(got) != 1 || !got[0].HttpOnly || got[0].MaxAge != 0 || a.Header.Get("Location") != "/(S())/deep/page?a=b" ||
		a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Vary") != "Cookie" {
		w.Errorf("the test of a client that brings no cookie is %q, Cache-Control %q, Vary %q, with %d cookies",
			a.Header.Get("Location"), a.Header.Get("Cache-Control"), a.Header.Get("Vary"), len(got))
	}
	a, at := w.follow("GET", "/deep/page?a=b", "")
	prefix, rest := w.split(at)
	if prefix == "" || rest != "/deep/page?a=b" {
		w.Fatalf("a client that keeps no cookies is served at a path that ends with %q", rest)
	}
	w.wantOK(a, " "+prefix+"/deep/page")
	w.wantNoCookie(a)
	a = w.ask("GET", prefix+"/deep/page", "")
	w.wantOK(a, "seen "+prefix+"/deep/page")
	body := strings.Repeat("a body that is not lost ", 1000)
	w.wantOK(w.ask("GET", w.settled(body)+"/-/note", ""), body)
}

func plantedInPath(st *stage) {
	attacker := st.detecting(false, Scenario{Routes: []Route{reading}})
	planted := attacker.settled("the attacker's")
	victim := &wanderer{attacker.server, map[string]string{}}
	// This one cannot be told from one of the ID's own client.
	victim.wantStatus(victim.ask("GET", planted+"/deep/page", ""), http.StatusOK)
	if len(victim.jar) != 1 {
		victim.Fatalf("the client has %d cookies, want that of the test", len(victim.jar))
	}
	a, _ := victim.follow("POST", planted+"/body", "the victim's")
	victim.wantOK(a, "stored")
	a, at := victim.follow("GET", planted+"/deep/page", "")
	victim.wantOK(a, "the victim's /deep/page")
	if at != "/deep/page" {
		victim.Errorf("the client stays at a path of %d bytes", len(at))
	}
	attacker.wantOK(attacker.ask("GET", planted+"/-/note", ""), "seen") // by the victim's first request
	victim.wantOK(victim.ask("GET", planted+"/-/note", ""), "seen")     // its own
}

func noOpenRedirect(st *stage) {
	anywhere := in(session.Exclusive, func(c Conversation, _ *session.Session) error { return say(c, "here") })
	for _, jar := range []map[string]string{nil, {}, {testCookie: "1"}} {
		w := st.detecting(false, Scenario{Routes: []Route{
			{Method: "GET", Path: "/evil.example", Handler: anywhere},
			{Method: "GET", Path: "/", Handler: anywhere},
		}})
		w.jar = jar
		for _, target := range []string{
			"/(S())//evil.example", "/(S(x))//evil.example", "/(S(" + unknownID + "))//evil.example", "/(S())///evil.example",
			"/(S())/%5Cevil.example", "/(S())/%2Fevil.example", "/(S())/%09/evil.example", "/(S(x))/(S(y))//evil.example",
			"//evil.example", "/%2Fevil.example", "/(S())//evil.example/%2E%2E",
		} {
			for hops := 0; ; hops++ {
				a := w.visitor().askCtx(context.Background(), "GET", target, nil, "Cookie", crumbs(w.jar))
				to := a.Header.Get("Location")
				if a.err != nil || to == "" {
					break // whatever the router makes of it
				}
				if len(to) > 1 && strings.ContainsAny(to[1:2], "/\\") || to[0] != '/' || strings.ContainsAny(to, "\\\t\r\n") {
					w.Errorf("%q leads to %q", target, to)
					break
				}
				if hops == 6 {
					w.Errorf("%q leads to redirects without end", target)
					break
				}
				target = to
			}
		}
	}
}

func crumbs(jar map[string]string) string {
	var all []string
	for name, value := range jar {
		all = append(all, name+"="+value)
	}
	return strings.Join(all, "; ")
}
