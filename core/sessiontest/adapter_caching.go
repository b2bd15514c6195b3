package sessiontest

import (
	"net/http"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func cachingActs() []act {
	return []act{
		{name: "A9/a reply with the cookie is kept from caches", run: keptFromCaches},
		{name: "A9/the cookie has safe attributes", run: safeAttributes},
		{name: "A9/an ID in a header instead of a cookie", run: idInHeader},
	}
}

func keptFromCaches(st *stage) {
	cases := []struct{ cache, vary, wantCache, wantVary string }{
		{"", "", "no-store", "Cookie"},
		{"private, max-age=0", "", "private, max-age=0", "Cookie"},
		{"", "Accept-Encoding", "no-store", "Accept-Encoding, Cookie"},
		{"no-cache", "Accept, cookie", "no-cache", "Accept, cookie"},
		{"", "*", "no-store", "*"},
	}
	put := func(c Conversation, s *session.Session) error {
		if v := c.RequestHeader("X-Cache"); v != "" {
			c.SetReplyHeader("Cache-Control", v)
		}
		if v := c.RequestHeader("X-Vary"); v != "" {
			c.SetReplyHeader("Vary", v)
		}
		st.try("Set", note.Set(s, "x"))
		return say(c, "done")
	}
	sv := st.serve(Scenario{Routes: []Route{{Method: "POST", Path: "/", Handler: in(session.Exclusive, put)}}})
	for _, c := range cases {
		v := sv.visitor()
		a := v.do("POST", "/", "X-Cache", c.cache, "X-Vary", c.vary)
		sv.wantCookie(a)
		cache, vary := strings.Join(a.Header.Values("Cache-Control"), ", "), strings.Join(a.Header.Values("Vary"), ", ")
		if cache != c.wantCache || vary != c.wantVary {
			sv.Errorf("a reply with Cache-Control %q, Vary %q and the cookie: got %q and %q, want %q and %q",
				c.cache, c.vary, cache, vary, c.wantCache, c.wantVary)
		}
		a = v.do("POST", "/", "X-Cache", c.cache, "X-Vary", c.vary)
		sv.wantNoCookie(a)
		cache, vary = strings.Join(a.Header.Values("Cache-Control"), ", "), strings.Join(a.Header.Values("Vary"), ", ")
		if cache != c.cache || vary != c.vary {
			sv.Errorf("a reply with Cache-Control %q, Vary %q and no cookie: got %q and %q, want them untouched",
				c.cache, c.vary, cache, vary)
		}
	}
}

func safeAttributes(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/remember", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			c.SetReplyHeader("Set-Cookie", "flavour=oat; Path=/")
			st.try("Set", note.Set(s, "x"))
			st.try("Remember", s.Remember(true))
			return say(c, "done")
		})},
	}})
	plain := sv.visitor().do("PUT", "/-/note", "X-Note", "x")
	remembered := sv.visitor().do("POST", "/remember")
	for _, a := range []reply{plain, remembered} {
		sv.wantCookie(a)
		for _, c := range a.cookies(cookieName) {
			if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) != len(unknownID) {
				sv.Errorf("the cookie's attributes are %q, want HttpOnly, Secure, SameSite=Lax, Path=/ and no Domain",
					strings.Replace(c.String(), c.Value, "…", 1))
			}
			if a.Request.URL.Path != "/remember" && (c.MaxAge != 0 || !c.Expires.IsZero()) {
				sv.Errorf("the cookie outlives the browser, and nobody asked for it")
			}
			if a.Request.URL.Path == "/remember" && c.MaxAge < int(time.Minute/time.Second) {
				sv.Errorf("Max-Age of a session that is remembered is %d", c.MaxAge)
			}
		}
	}
	if n := len(remembered.cookies("flavour")); n != 1 {
		sv.Errorf("got %d cookies of the handler's own, want 1", n)
	}
}

func idInHeader(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/abandon", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Abandon", s.Abandon())
			return say(c, "gone")
		})},
	}}, func(cfg *session.Config) { cfg.ID = session.Header{} })
	const name = "Session-Id"
	a := sv.visitor().do("PUT", "/-/note", "X-Note", "by header")
	sv.wantNoCookie(a)
	id := a.Header.Get(name)
	if len(id) != len(unknownID) || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Vary") != name {
		sv.Errorf("the reply has an ID of %d characters, Cache-Control %q and Vary %q, want %d, %q and %q",
			len(id), a.Header.Get("Cache-Control"), a.Header.Get("Vary"), len(unknownID), "no-store", name)
	}
	sv.wantOK(sv.visitor().get("/-/note", name, id), "by header")
	sv.wantOK(sv.visitor().get("/-/note", "Cookie", cookieName+"="+id), "")
	a = sv.visitor().do("POST", "/abandon", name, id)
	if got, there := a.Header[name]; !there || a.Header.Get(name) != "" {
		sv.Errorf("the reply to Abandon has %s %q, want an empty one", name, got)
	}
	sv.wantOK(sv.visitor().get("/-/note", name, id), "")
}
