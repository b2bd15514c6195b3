package session_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// newSession makes a request that stores a new session, and returns its
// exchange.
func newSession(t *testing.T, id session.IDSource, prepare func(ex *exchange)) *exchange {
	t.Helper()
	m := newManager(t, memstore.New(), session.Config{ID: id, ReapInterval: -1})
	ex := newExchange()
	if prepare != nil {
		prepare(ex)
	}
	rq, ctx := m.Begin(t.Context(), ex)
	s, err := session.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := countKey.Set(s, 1); err != nil {
		t.Error(err)
	}
	if err := rq.Finish(ctx, ok200); err != nil {
		t.Error(err)
	}
	return ex
}

func TestCookie_Attributes(t *testing.T) {
	for want, cookie := range map[string]session.Cookie{
		"session=; Path=/; HttpOnly; Secure; SameSite=Lax":                            {},
		"session=; Path=/; HttpOnly; SameSite=Lax":                                    {Insecure: true},
		"id=; Path=/app; Domain=example.com; HttpOnly; Secure; SameSite=Strict":       {Name: "id", Path: "/app", Domain: "example.com", SameSite: http.SameSiteStrictMode},
		"__Host-id=; Path=/; HttpOnly; Secure; SameSite=None; Partitioned":            {Name: "__Host-id", SameSite: http.SameSiteNoneMode, Partitioned: true},
		"__Secure-id=; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax":    {Name: "__Secure-id", Domain: "example.com"},
		"session=; Path=/; Max-Age=1260; HttpOnly; Secure; SameSite=Lax":              {Persist: true},
		"session=; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax":        {Domain: ".example.com"},
		"session=; Path=/; HttpOnly; Secure":                                          {SameSite: http.SameSiteDefaultMode},
		"session=; Path=/a/b; Max-Age=1260; HttpOnly; Secure; SameSite=Strict":        {Path: "/a/b", Persist: true, SameSite: http.SameSiteStrictMode},
		"session=; Path=/; Max-Age=1260; HttpOnly; Secure; SameSite=Lax; Partitioned": {Persist: true, Partitioned: true},
	} {
		got := newSession(t, cookie, nil).reply.Values("Set-Cookie")
		if len(got) != 1 {
			t.Errorf("%d cookies", len(got))
			continue
		}
		name, rest, _ := strings.Cut(got[0], "=")
		value, attributes, _ := strings.Cut(rest, "; ")
		if len(value) != 24 || name+"=; "+attributes != want {
			t.Errorf("%s\nwant %s", got[0], want)
		}
	}
}

// What takes the cookie away must have its Name, Domain, Path and Partitioned.
func TestCookie_IsTakenAwayAsItWasSet(t *testing.T) {
	for _, cookie := range []session.Cookie{{}, {Name: "id", Path: "/app", Domain: "example.com", Persist: true}, {Partitioned: true}} {
		m := newManager(t, memstore.New(), session.Config{ID: cookie, ReapInterval: -1})
		ex := newExchange()
		rq, ctx := m.Begin(t.Context(), ex)
		s, _ := session.Acquire(ctx)
		_ = countKey.Set(s, 1)
		if err := s.Save(ctx); err != nil {
			t.Fatal(err)
		}
		set := (&http.Response{Header: ex.reply}).Cookies()[0]
		_ = s.Abandon()
		if err := rq.Finish(ctx, ok200); err != nil {
			t.Fatal(err)
		}
		gone := (&http.Response{Header: ex.reply}).Cookies()
		if len(gone) != 1 || gone[0].Name != set.Name || gone[0].Path != set.Path || gone[0].Domain != set.Domain ||
			gone[0].Partitioned != set.Partitioned || gone[0].MaxAge != -1 || gone[0].Value != "" || !gone[0].Secure || !gone[0].HttpOnly {
			t.Errorf("set %d bytes, gone %v", len(set.Raw), gone)
		}
	}
}

func TestCookie_Read(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.visitor()
	id, other := c.id, id24('o')
	found := map[string][]string{
		"alone":                 {"session=" + id},
		"among others":          {"a=1; session=" + id + "; b=2"},
		"without spaces":        {"a=1;session=" + id + ";b=2"},
		"with many spaces":      {"  a=1 ;\tsession=" + id + "  ;  "},
		"quoted":                {`session="` + id + `"`},
		"first well-formed":     {"session=garbage; session=; session; session=" + id},
		"the first of two":      {"session=" + id + "; session=" + other},
		"in another line":       {"a=1", "session=short", "session=" + id},
		"after an empty pair":   {";;;= ;=x; session=" + id},
		"after a longer name":   {"xsession=" + other + "; sessions=" + other + "; Session=" + other + "; session=" + id},
		"after a broken cookie": {`a="; session=` + id},
	}
	for name, lines := range found {
		if s := sv.with(lines); s == nil || s.IsNew() {
			t.Errorf("%s: the session was not found", name)
		}
	}
	sv.reset()
	for name, lines := range map[string][]string{
		"none":               nil,
		"empty":              {""},
		"another name":       {"Session=" + id, "session2=" + id},
		"a part of it":       {"session=" + id[1:]},
		"more than it":       {"session=" + id + "x"},
		"half a quote":       {`session="` + id},
		"a quote too many":   {`session=""` + id[:22] + `""`},
		"an equals sign":     {"session==" + id[1:]},
		"space in the name":  {"session =" + id},
		"space in the value": {"session= " + id},
		"comma":              {"a=1, session=" + id},
		"padding":            {"session=" + id[:23] + "="},
		"other base64":       {"session=" + id[:23] + "/"},
		"percent":            {"session=%41" + id[3:]},
		"non-ASCII":          {"session=" + id[:22] + "é"},
		"NUL":                {"session=" + id[:23] + "\x00"},
	} {
		if s := sv.with(lines); s == nil || !s.IsNew() {
			t.Errorf("%s: a session was found", name)
		}
	}
	sv.total(0) // they cost nothing
}

// with makes a request with these Cookie headers, and returns its released
// session.
func (sv *service) with(lines []string) *session.Session {
	ex := newExchange()
	if lines != nil {
		ex.request["Cookie"] = lines
	}
	rq, ctx := sv.Begin(sv.t.Context(), ex)
	s, err := session.Acquire(ctx, session.Snapshot)
	sv.check(err)
	sv.check(rq.Finish(ctx, ok200))
	return s
}

// Cookies of the handler stay, an earlier one of the session's name does not.
func TestCookie_OnePerReply(t *testing.T) {
	ex := newSession(t, session.Cookie{}, func(ex *exchange) {
		ex.reply["Set-Cookie"] = []string{"a=1", "session=old; Path=/", "sessions=2", "session=older"}
	})
	got := ex.reply["Set-Cookie"]
	if len(got) != 3 || got[0] != "a=1" || got[1] != "sessions=2" || !strings.HasPrefix(got[2], "session=") || strings.Contains(got[2], "old") {
		t.Error(len(got), "cookies")
	}

	sv := newService(t, session.Config{ID: session.Cookie{Persist: true}})
	r := sv.client().begin()
	s := r.acquire(session.Exclusive)
	for i := range 5 {
		sv.check(countKey.Set(s, i))
		sv.check(s.Renew())
		sv.check(s.Save(r.ctx))
		if r.cookie() == nil {
			t.Error("no cookie")
		}
	}
	sv.check(r.end(ok200))
	if ck := r.cookie(); ck == nil || ck.Value != s.ID() {
		t.Error("not the newest cookie")
	}
}

func TestA9_KeptFromCaches(t *testing.T) {
	tests := map[string]struct {
		control, vary         []string
		wantControl, wantVary []string
	}{
		"nothing set":      {nil, nil, []string{"no-store"}, []string{"Cookie"}},
		"control set":      {[]string{"private, max-age=5"}, nil, []string{"private, max-age=5"}, []string{"Cookie"}},
		"vary set":         {nil, []string{"Accept-Encoding"}, []string{"no-store"}, []string{"Accept-Encoding", "Cookie"}},
		"vary on cookie":   {nil, []string{"Accept, cookie"}, []string{"no-store"}, []string{"Accept, cookie"}},
		"vary on all":      {nil, []string{"Origin", "*"}, []string{"no-store"}, []string{"Origin", "*"}},
		"vary on similar":  {nil, []string{"Cookies"}, []string{"no-store"}, []string{"Cookies", "Cookie"}},
		"both set already": {[]string{"no-cache"}, []string{"Cookie"}, []string{"no-cache"}, []string{"Cookie"}},
	}
	for name, tt := range tests {
		ex := newSession(t, session.Cookie{}, func(ex *exchange) {
			ex.reply["Cache-Control"], ex.reply["Vary"] = tt.control, tt.vary
		})
		if got := ex.reply["Cache-Control"]; !slices.Equal(got, tt.wantControl) {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		if got := ex.reply["Vary"]; !slices.Equal(got, tt.wantVary) {
			t.Errorf("%s: Vary %q", name, got)
		}
	}
	if got := newSession(t, session.Header{Name: "x-sid"}, nil).reply; got.Get("Vary") != "X-Sid" || got.Get("Cache-Control") != "no-store" {
		t.Error(got.Get("Vary"), got.Get("Cache-Control"))
	}

	// A reply without the cookie is the handler's own affair.
	sv := newService(t, session.Config{})
	c := sv.visitor()
	r := c.begin()
	sv.check(countKey.Set(r.acquire(session.Exclusive), 2))
	sv.check(r.end(ok200))
	r.noCookie()
}

func TestHeader_Source(t *testing.T) {
	m := newManager(t, memstore.New(), session.Config{ID: session.Header{}, ReapInterval: -1})
	request := func(f func(s *session.Session), values ...string) http.Header {
		ex := newExchange()
		ex.request["Session-Id"] = values
		ex.request.Set("Cookie", "session="+id24('x')) // is not looked at
		rq, ctx := m.Begin(t.Context(), ex)
		s, err := session.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f(s)
		if err := rq.Finish(ctx, ok200); err != nil {
			t.Error(err)
		}
		return ex.reply
	}
	set := func(s *session.Session) { _ = countKey.Set(s, 1) }
	id := request(set).Get("Session-Id")
	if len(id) != 24 {
		t.Fatal("no ID in the reply")
	}
	if len(request(set, "nonsense", id)) != 0 {
		t.Error("the first well-formed one was not used")
	}
	renewed := request(func(s *session.Session) { _ = s.Renew() }, id).Get("Session-Id")
	if len(renewed) != 24 || renewed == id {
		t.Error("no new ID in the reply")
	}
	gone := request(func(s *session.Session) { _ = s.Abandon() }, renewed)
	if v, ok := gone["Session-Id"]; !ok || !slices.Equal(v, []string{""}) {
		t.Errorf("an ended session is told by an empty header, not by %q", v)
	}
}

func TestCookie_PlainHTTPIsWarnedOfOnce(t *testing.T) {
	sv := newService(t, session.Config{})
	const warning = "plain http"
	request := func(prepare func(ex *exchange)) {
		ex := newExchange()
		prepare(ex)
		rq, ctx := sv.Begin(t.Context(), ex)
		s, _ := session.Acquire(ctx)
		_ = countKey.Set(s, 1)
		sv.check(rq.Finish(ctx, ok200))
	}
	request(func(*exchange) {})
	request(func(ex *exchange) { ex.secure = false; ex.request.Set("X-Forwarded-Proto", "HTTPS") })
	if sv.log.count(warning) != 0 {
		t.Error("warned though TLS is there")
	}
	for range 5 {
		request(func(ex *exchange) { ex.secure = false })
	}
	if n := sv.log.count(warning); n != 1 || sv.log.count("Insecure: true") != 1 {
		t.Errorf("warned %d times", n)
	}

	for _, id := range []session.IDSource{session.Cookie{Insecure: true}, session.Header{}} {
		sv = newService(t, session.Config{ID: id})
		request(func(ex *exchange) { ex.secure = false })
		if sv.log.count(warning) != 0 {
			t.Error("warned of what is as it should be")
		}
	}
}

func TestID_Form(t *testing.T) {
	seen := make(map[string]bool)
	var ones [24 * 6]int
	const n = 2000
	m := newManager(t, memstore.New(), session.Config{})
	for range n {
		_, ctx := m.Begin(t.Context(), newExchange())
		s, _ := session.Acquire(ctx, session.Snapshot)
		id := s.ID()
		if len(id) != 24 || seen[id] {
			t.Fatalf("%d characters, seen before: %v", len(id), seen[id])
		}
		seen[id] = true
		for i := range id {
			v := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", id[i])
			if v < 0 {
				t.Fatalf("character %q", id[i])
			}
			for b := range 6 {
				ones[i*6+b] += v >> b & 1
			}
		}
		_ = s.Release(ctx)
	}
	for i, k := range ones { // 144 fair coins: none is off by more than 6 sigma
		if k < n/2-6*22 || k > n/2+6*22 {
			t.Errorf("bit %d is set in %d of %d IDs", i, k, n)
		}
	}
}
