package sessiontest

import (
	"context"
	"net/http"
	"strings"

	session "github.com/sessionstate/sessionstate/core"
)

func pathActs() []act {
	return []act{
		{name: "A11/a client without an ID is sent to its URL", run: sentToItsURL},
		{name: "A11/an unknown ID in the path is not taken over", run: unknownInPath},
		{name: "A11/routes and handlers do not see the ID", run: unseenInPath},
		{name: "A11/redirects stay inside", run: redirectsStayInside},
		{name: "A11/Renew and Abandon move the client", run: renewMovesTheClient},
		{name: "A11/every reply has a Referrer-Policy", run: referrerPolicy},
		{name: "A11/what cannot be stored is no redirect", run: unstoredIsNoRedirect},
		{name: "A11/AutoDetect gives a cookie to who keeps it", run: detectsCookies},
		{name: "A11/AutoDetect puts the ID into the path of who does not", run: detectsNoCookies},
		{name: "A11/AutoDetect believes no path of who keeps cookies", run: plantedInPath},
		{name: "A11/nobody is sent to another site", run: noOpenRedirect},
	}
}

// wanderer is a client of a server whose IDs are in paths. It keeps cookies if
// it has a jar.
type wanderer struct {
	*server
	jar map[string]string
}

func (st *stage) inPaths(sc Scenario, set ...func(*session.Config)) *wanderer {
	st.Helper()
	sc.Routes = append([]Route{{Method: "POST", Path: "/body", Handler: in(session.Exclusive, putBody)}}, sc.Routes...)
	set = append([]func(*session.Config){func(cfg *session.Config) { cfg.ID = session.URI{} }}, set...)
	return &wanderer{server: st.serve(sc, set...)}
}

func (st *stage) detecting(cookies bool, sc Scenario) *wanderer {
	st.Helper()
	w := st.inPaths(sc, func(cfg *session.Config) { cfg.ID = session.AutoDetect{Cookie: session.Cookie{Insecure: true}} })
	if cookies {
		w.jar = map[string]string{}
	}
	return w
}

// putBody stores the request's body.
func putBody(c Conversation, s *session.Session) error {
	text, err := c.ReadBody()
	if err == nil {
		err = note.Set(s, string(text))
	}
	if err != nil {
		return c.Fail(err)
	}
	return say(c, "stored")
}

// ask makes one request.
func (w *wanderer) ask(method, target, body string, header ...string) reply {
	w.Helper()
	for name, value := range w.jar {
		header = append(header, "Cookie", name+"="+value)
	}
	a := w.visitor().askCtx(context.Background(), method, target, strings.NewReader(body), header...)
	if a.err != nil {
		w.Errorf("%s: %v", method, a.err)
	}
	if w.jar != nil {
		for _, c := range a.Cookies() {
			w.jar[c.Name] = c.Value
		}
	}
	return a
}

// follow makes a request, and those that it is redirected to, as browsers do,
// and returns the reply that is none, and where it got that.
func (w *wanderer) follow(method, target, body string) (reply, string) {
	w.Helper()
	const most = 4
	for range most {
		a := w.ask(method, target, body)
		to := a.Header.Get("Location")
		if a.StatusCode/100 != 3 || to == "" {
			return a, target
		}
		if !strings.HasPrefix(to, "/") {
			w.Fatalf("a redirect does not lead to a path")
		}
		if target = to; a.StatusCode != http.StatusTemporaryRedirect && method != "HEAD" {
			method, body = "GET", ""
		}
	}
	w.Fatalf("more than %d redirects", most)
	return reply{}, ""
}

// settled returns the prefix of a client whose session has that note.
func (w *wanderer) settled(text string) (prefix string) {
	w.Helper()
	a, at := w.follow("POST", "/body", text)
	w.wantOK(a, "stored")
	prefix, rest := w.split(at)
	if rest != "/body" || prefix == "" {
		w.Fatalf("a client without an ID was served at a path that ends with %q", rest)
	}
	return prefix
}

// split takes the ID off a path.
func (w *wanderer) split(target string) (prefix, rest string) {
	w.Helper()
	const head, tail = len("/(S("), len("))")
	n := head + len(unknownID) + tail
	if len(target) < n || target[:head] != "/(S(" || target[n-tail:n] != "))" {
		return "", target
	}
	return target[:n], target[n:]
}

func sentToItsURL(st *stage) {
	fails := func(Conversation, error) error {
		st.Errorf("the error handler is asked about a redirect")
		return nil
	}
	for _, handler := range []func(Conversation, error) error{nil, fails} {
		w := st.inPaths(Scenario{ErrorHandler: handler, Routes: []Route{
			{Method: "GET", Path: "/acquire", Handler: in(session.Exclusive, showNote)},
			{Method: "POST", Path: "/acquire", Handler: in(session.Concurrent, showNote)},
			{Method: "GET", Path: "/require", Require: []session.Mode{session.Exclusive}, Handler: func(c Conversation) error {
				return showNote(c, c.From())
			}},
			{Method: "GET", Path: "/static", Handler: func(c Conversation) error { return say(c, "static") }},
			{Method: "GET", Path: "/read", Handler: in(session.ReadOnly, showNote)},
		}})
		for _, c := range []struct {
			method, target string
			status         int
		}{
			{"GET", "/acquire", 302}, {"POST", "/acquire?a=b", 307}, {"GET", "/require?a=%20b&c", 302},
		} {
			var a reply
			w.cost(c.method+" "+c.target, func() { a = w.ask(c.method, c.target, "") }, OpCreate)
			w.wantStatus(a, c.status)
			prefix, rest := w.split(a.Header.Get("Location"))
			if prefix == "" || rest != c.target || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Vary") != "" {
				w.Errorf("%s %s: the Location ends with %q; Cache-Control %q, Vary %q", c.method, c.target, rest, a.Header.Get("Cache-Control"), a.Header.Get("Vary"))
			}
			w.wantNoCookie(a)
			w.wantOK(w.ask(c.method, a.Header.Get("Location"), ""), "")
		}
		for target, body := range map[string]string{"/static": "static", "/read": ""} {
			w.cost(target, func() { w.wantOK(w.ask("GET", target, ""), body) })
		}
		body := strings.Repeat("a body that is not lost ", 1000)
		prefix := w.settled(body)
		w.wantOK(w.ask("GET", prefix+"/-/note", ""), body)
		w.wantStatus(w.ask("GET", "/nowhere", ""), http.StatusNotFound)
	}
}

func unknownInPath(st *stage) {
	w := st.inPaths(Scenario{})
	for _, prefix := range []string{"/(S(" + unknownID + "))", "/%28S%28" + unknownID + "%29%29", "/(S(no-id))", "/(S())", "/(S(x))/(S(" + unknownID + "))"} {
		a, at := w.follow("POST", prefix+"/body", "mine")
		w.wantOK(a, "stored")
		own, rest := w.split(at)
		if own == "" || rest != "/body" || strings.Contains(own, unknownID) {
			w.Errorf("a client that came with %s is served at a path that ends with %q", strings.ReplaceAll(prefix, unknownID, "…"), rest)
		}
		w.wantOK(w.ask("GET", own+"/-/note", ""), "mine")
		w.wantOK(w.ask("GET", prefix+"/-/note", ""), "")
	}
}

func unseenInPath(st *stage) {
	seen := func(c Conversation) error {
		if from := c.RequestHeader("Referer"); from != "http://host/page?x" {
			st.Errorf("the Referer has another path than the client's page without the ID")
		}
		return say(c, "found")
	}
	w := st.inPaths(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: seen},
		{Method: "GET", Path: "/deep/er", Handler: seen},
	}})
	prefix := w.settled("x")
	id := prefix[len("/(S(") : len(prefix)-len("))")]
	for _, p := range []string{prefix, "/%28S%28" + id + "%29%29", "/(S(no-id))", "/(S())", prefix + prefix} {
		for _, target := range []string{p + "/", p + "/deep/er", p + "/deep/er?a=b"} {
			w.wantOK(w.ask("GET", target, "", "Referer", "http://host"+prefix+"/page?x"), "found")
		}
		w.wantStatus(w.ask("GET", p+"/nowhere", ""), http.StatusNotFound)
	}
	w.wantOK(w.ask("GET", prefix, "", "Referer", "http://host"+prefix+"/page?x"), "found")
}

func redirectsStayInside(st *stage) {
	w := st.inPaths(Scenario{Routes: []Route{
		{Method: "GET", Path: "/to", Handler: func(c Conversation) error {
			return c.Redirect(http.StatusSeeOther, c.RequestHeader("X-To"))
		}},
	}})
	prefix := w.settled("x")
	for to, want := range map[string]string{
		"/here?a=b#c":              prefix + "/here?a=b#c",
		"/(S(x))/here":             prefix + "/here",
		prefix + "/here":           prefix + "/here",
		"https://example.com/here": "https://example.com/here",
		"//example.com/here":       "//example.com/here",
	} {
		a := w.ask("GET", prefix+"/to", "", "X-To", to)
		w.wantStatus(a, http.StatusSeeOther)
		if got := a.Header.Get("Location"); got != want {
			w.Errorf("a redirect to %.20q leads to a Location of %d bytes, want %d", to, len(got), len(want))
		}
		if to == "/here?a=b#c" {
			if got := w.ask("GET", "/to", "", "X-To", to).Header.Get("Location"); got != to {
				w.Errorf("without an ID, a redirect to %q leads to %q", to, got)
			}
		}
	}
}

func renewMovesTheClient(st *stage) {
	var link string // one request at a time
	w := st.inPaths(Scenario{Routes: []Route{
		{Method: "POST", Path: "/login", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Renew", s.Renew())
			link = s.URL("/-/note")
			return c.Redirect(http.StatusSeeOther, "/-/note")
		})},
		{Method: "POST", Path: "/logout", Handler: in(session.Snapshot, func(c Conversation, s *session.Session) error {
			st.try("Abandon", s.Abandon())
			return c.Redirect(http.StatusSeeOther, "/bye")
		})},
	}})
	old := w.settled("kept")
	a := w.ask("POST", old+"/login", "")
	w.wantStatus(a, http.StatusSeeOther)
	to := a.Header.Get("Location")
	prefix, rest := w.split(to)
	if prefix == "" || prefix == old || rest != "/-/note" || to != link || a.Header.Get("Cache-Control") != "no-store" {
		w.Errorf("after Renew the client is sent to a path that ends with %q, under another ID: %v, that of Session.URL: %v", rest, prefix != old, to == link)
	}
	w.wantOK(w.ask("GET", to, ""), "kept")
	w.wantStatus(w.ask("GET", old+"/-/note", ""), http.StatusConflict)
	a = w.ask("POST", prefix+"/logout", "")
	if got := a.Header.Get("Location"); got != "/bye" {
		w.Errorf("after Abandon the client is sent to a Location of %d bytes, want %q", len(got), "/bye")
	}
	w.wantOK(w.ask("GET", prefix+"/-/note", ""), "")
}

func referrerPolicy(st *stage) {
	sc := Scenario{
		Recovered: func(any) {},
		Routes: []Route{
			{Method: "GET", Path: "/nothing", Handler: func(Conversation) error { return nil }},
			{Method: "GET", Path: "/text", Handler: func(c Conversation) error { return say(c, "text") }},
			{Method: "GET", Path: "/error", Handler: func(c Conversation) error { return c.Error(500, "error") }},
			{Method: "GET", Path: "/panic", Handler: func(Conversation) error { panic("on purpose") }},
			{Method: "GET", Path: "/own", Handler: func(c Conversation) error {
				c.SetReplyHeader("Referrer-Policy", "no-referrer")
				return say(c, "own")
			}},
		},
	}
	if st.want.Errors {
		sc.Routes = append(sc.Routes, Route{Method: "GET", Path: "/status", Handler: func(c Conversation) error { return c.StatusError(418) }})
	}
	w := st.inPaths(sc)
	prefix := w.settled("x")
	for _, r := range append(sc.Routes, Route{Path: "/nowhere"}, Route{Path: "/-/note"}) {
		want := "same-origin"
		if r.Path == "/own" {
			want = "no-referrer"
		}
		for _, target := range []string{r.Path, prefix + r.Path} {
			a := w.ask("GET", target, "")
			if got := a.Header.Values("Referrer-Policy"); len(got) != 1 || got[0] != want {
				w.Errorf("%s: Referrer-Policy %q, want %q", r.Path, got, want)
			}
			w.wantNoCookie(a)
		}
	}
}

func unstoredIsNoRedirect(st *stage) {
	w := st.inPaths(Scenario{}, st.hasty)
	w.store.down(FailBefore)
	a := w.ask("POST", "/body", "x")
	w.wantStatus(a, http.StatusServiceUnavailable)
	if to := a.Header.Get("Location"); to != "" {
		w.Errorf("a client whose session could not be stored is sent elsewhere")
	}
}
