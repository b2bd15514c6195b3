package sessiontest

import (
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

func abandonActs() []act {
	return []act{
		{name: "M15/Abandon removes the session and its cookie", run: abandons},
		{name: "M15/Abandon of a new session leaves nothing", run: abandonsNew},
		{name: "M15/a request in flight cannot bring the session back", run: inFlightCannotRevive},
		{name: "M15/who waited for an abandoned session gets a new one", run: waiterOfAbandoned},
		{name: "M15/Abandon fails if the store does", run: abandonFails},
	}
}

// abandonEndings are all ways in which a handler ends: Abandon is for all.
func abandonEndings() []ending { return append(failures(), successes()...) }

func abandons(st *stage) {
	routes, endings := st.endingWith(abandonEndings(), func(c Conversation, s *session.Session) error {
		return s.Abandon()
	})
	sv := st.serve(Scenario{Routes: routes, Recovered: func(any) {}})
	for i, e := range endings {
		for _, mode := range modes {
			v := sv.returning("old")
			id := v.id
			a := v.do("POST", pathOf(e, i, mode))
			if a.StatusCode != e.status {
				sv.Errorf("%s: got status %d, want %d", e.name, a.StatusCode, e.status)
			}
			if v.id != "" {
				sv.Errorf("%s, %v: the cookie was not removed", e.name, mode)
			}
			if n := len(a.cookies(cookieName)); n != 1 {
				sv.Errorf("%s, %v: got %d cookies, want one that removes the client's", e.name, mode, n)
			}
			late := &visitor{sv, id}
			if a := late.get("/-/note"); a.StatusCode != http.StatusOK || a.body != "" {
				sv.Errorf("%s, %v: the ID is still good: status %d, note %q", e.name, mode, a.StatusCode, a.body)
			}
			if late.do("PUT", "/-/note", "X-Note", "mine"); late.id == id {
				sv.Errorf("%s, %v: the abandoned ID was given out again", e.name, mode)
			}
		}
	}
}

func abandonsNew(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "short-lived"))
			st.try("Abandon", s.Abandon())
			return say(c, "gone")
		})},
	}})
	sv.cost("a new session that was abandoned", func() {
		a := sv.visitor().do("POST", "/")
		sv.wantOK(a, "gone")
		sv.wantNoID(a)
	})
}

func inFlightCannotRevive(st *stage) {
	holding, goOn := make(chan struct{}), make(chan struct{})
	hold := func(c Conversation, s *session.Session) error {
		if s.Mode() == session.Exclusive || s.Mode() == session.Concurrent {
			st.try("Set", note.Set(s, "back from the dead"))
		}
		tell(st, holding, struct{}{})
		await(st, goOn, "the other request abandons")
		return say(c, "held")
	}
	routes := []Route{{Method: "POST", Path: "/abandon", Handler: in(session.Snapshot, func(c Conversation, s *session.Session) error {
		st.try("Abandon", s.Abandon())
		return say(c, "gone")
	})}}
	for _, mode := range modes {
		routes = append(routes, Route{Method: "POST", Path: "/" + mode.String(), Handler: in(mode, hold)})
	}
	sv := st.serve(Scenario{Routes: routes})
	for _, mode := range modes {
		v := sv.returning("old")
		id, other := v.id, v.again()
		done := v.asking("POST", "/"+mode.String())
		await(st, holding, "the request in flight")
		sv.wantRemoved(other.do("POST", "/abandon"))
		tell(st, goOn, struct{}{})
		a := await(st, done, "the reply of the request in flight")
		sv.wantNoID(a)
		if mode == session.Exclusive || mode == session.Concurrent {
			sv.wantStatus(a, http.StatusConflict)
		} else {
			sv.wantOK(a, "held")
		}
		(&visitor{sv, id}).wantNote("")
	}
}

func waiterOfAbandoned(st *stage) {
	holding, goOn := make(chan struct{}), make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/hold", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			tell(st, holding, struct{}{})
			await(st, goOn, "another request waits")
			st.try("Abandon", s.Abandon())
			return say(c, "gone")
		})},
	}}, func(cfg *session.Config) { cfg.RequestQueueLimit = 1 })
	v := sv.returning("old")
	id := v.id
	waiter := v.again()
	done := v.asking("POST", "/hold")
	await(st, holding, "the session is held")
	waited := waiter.waiting("PUT", "/-/note", "X-Note", "fresh")
	tell(st, goOn, struct{}{})
	sv.wantRemoved(await(st, done, "the reply to Abandon"))
	a := await(st, waited, "the waiter's reply")
	sv.wantStatus(a, http.StatusOK)
	sv.wantCookie(a)
	fresh := cookieValue(a)
	if fresh == id {
		sv.Errorf("the waiter's session has the abandoned ID")
	}
	(&visitor{sv, fresh}).wantNote("fresh")
	(&visitor{sv, id}).wantNote("")
}

func abandonFails(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Abandon", s.Abandon())
			c.SetReplyHeader("Etag", `"held"`)
			return say(c, "held")
		})},
	}}, st.hasty)
	v := sv.returning("old")
	sv.store.faults.Next(OpRemove, -1, Fault{Kind: FailBefore})
	a := v.again().do("POST", "/")
	// Who is told that the logout worked must be logged out.
	sv.wantDropped(a, http.StatusServiceUnavailable)
	v.wantNote("old")
}

// waiting makes a request that must wait for the session, which another holds
// and for which RequestQueueLimit lets one wait, and returns when it waits: of
// two that come, one is refused.
func (v *visitor) waiting(method, path string, header ...string) <-chan reply {
	v.Helper()
	both := make(chan reply, 2)
	for range 2 {
		tab := v.again()
		go func() { both <- tab.do(method, path, header...) }() // ends with the client's Timeout
	}
	refused := await(v.stage, both, "of two requests, one is refused")
	v.wantStatus(refused, http.StatusTooManyRequests)
	return both
}

func cookieValue(a reply) string {
	for _, c := range a.cookies(cookieName) {
		return c.Value
	}
	return ""
}
