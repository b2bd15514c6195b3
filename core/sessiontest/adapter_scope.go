package sessiontest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	session "github.com/sessionstate/sessionstate/core"
)

func contextActs() []act {
	return []act{
		{name: "A5/the session is in both contexts", run: sessionIsInBoth},
		{name: "A5/Require acquires before the handler", run: requireAcquires},
		{name: "A5/the adapter's Acquire is the Manager's", run: acquireIsTheSame},
	}
}

func sessionIsInBoth(st *stage) {
	handler := func(mode session.Mode) func(Conversation) error {
		return func(c Conversation) error {
			if c.From() != nil || session.From(c.Context()) != nil {
				st.Errorf("%v: there is a session before Acquire", mode)
			}
			s, err := c.Acquire(mode)
			if err != nil {
				return c.Fail(err)
			}
			if s == nil || c.From() != s || session.From(c.Context()) != s {
				st.Errorf("%v: From, or session.From, does not return what Acquire did", mode)
			}
			if s.Mode() != mode {
				st.Errorf("acquired %v, got %v", mode, s.Mode())
			}
			return say(c, "done")
		}
	}
	var routes []Route
	for _, mode := range modes {
		routes = append(routes, Route{Method: "GET", Path: "/" + mode.String(), Handler: handler(mode)})
	}
	sv := st.serve(Scenario{Routes: routes})
	for _, mode := range modes {
		for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
			sv.wantOK(v.get("/"+mode.String()), "done")
		}
	}
}

func requireAcquires(st *stage) {
	for _, c := range []struct {
		require []session.Mode
		want    session.Mode
	}{
		{[]session.Mode{session.Exclusive}, session.Exclusive},
		{[]session.Mode{session.ReadOnly}, session.ReadOnly},
		{[]session.Mode{session.Snapshot}, session.Snapshot},
		{[]session.Mode{session.Concurrent}, session.Concurrent},
		{[]session.Mode{session.ReadOnly, session.Exclusive}, session.Exclusive},
		{[]session.Mode{session.Exclusive, session.ReadOnly}, session.Exclusive},
		{[]session.Mode{session.Exclusive, session.Exclusive}, session.Exclusive},
	} {
		sv := st.serve(Scenario{Routes: []Route{
			{Method: "GET", Path: "/", Require: c.require, Handler: func(conv Conversation) error {
				s := conv.From()
				if s == nil || session.From(conv.Context()) != s {
					st.Errorf("Require %v: From is nil, or another than session.From", c.require)
				}
				if s.Mode() != c.want {
					st.Errorf("Require %v: the mode is %v, want %v", c.require, s.Mode(), c.want)
				}
				return say(conv, "done")
			}},
		}})
		v := sv.returning("old")
		sv.wantOK(v.get("/"), "done")
		v.wantUsable()
	}
}

func acquireIsTheSame(st *stage) {
	sv := new(server)
	same := func(c Conversation, s *session.Session) error {
		for what, acquire := range map[string]func(context.Context, ...session.Mode) (*session.Session, error){
			"session.Acquire": session.Acquire, "Manager.Acquire": sv.mgr.Acquire,
		} {
			got, err := acquire(c.Context())
			if got != s || err != nil {
				st.Errorf("%s after the adapter's Acquire: another session, or %v", what, err)
			}
		}
		if sv.mgr.From(c.Context()) != s {
			st.Errorf("Manager.From: another session than the adapter's")
		}
		st.try("Set", note.Set(s, "stored"))
		return say(c, "done")
	}
	*sv = *st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/adapter", Handler: in(session.Exclusive, same)},
		{Method: "GET", Path: "/default", Handler: func(c Conversation) error {
			s, err := c.Acquire()
			if err != nil {
				return c.Fail(err)
			}
			return same(c, s)
		}},
		{Method: "GET", Path: "/below", Handler: func(c Conversation) error {
			s, err := session.Acquire(c.Context())
			if err != nil {
				return c.Fail(err)
			}
			if c.From() != s {
				st.Errorf("From does not return what session.Acquire did")
			}
			return same(c, s)
		}},
	}})
	for _, path := range []string{"/adapter", "/default", "/below"} {
		v := sv.visitor()
		a := v.get(path)
		sv.wantOK(a, "done")
		sv.wantCookie(a)
		v.wantNote("stored")
	}
}

func reuseActs() []act {
	return []act{
		{name: "A8/no request changes what another was given", run: nothingIsReused},
	}
}

// nothingIsReused sends the requests of many clients over one connection, so
// that a framework that reuses the memory of a request reuses it.
func nothingIsReused(st *stage) {
	const clients, rounds = 20, 5
	var (
		mu  sync.Mutex
		ids = map[string][]string{} // that handlers were given, by client
	)
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			who := strings.Clone(c.RequestHeader("X-Who"))
			mu.Lock()
			defer mu.Unlock()
			ids[who] = append(ids[who], s.ID())
			st.try("Update", count.Update(s, func(n int) int { return n + 1 }))
			st.try("Set", note.Set(s, who))
			return say(c, who)
		})},
		{Method: "GET", Path: "/idle", Handler: func(c Conversation) error { return say(c, "hello") }},
		{Method: "GET", Path: "/count", Handler: in(session.Snapshot, showCount)},
	}})
	sv.client.Transport.(*http.Transport).MaxConnsPerHost = 1
	var visitors []*visitor
	for range clients {
		visitors = append(visitors, sv.visitor())
	}
	for range rounds {
		for i, v := range visitors {
			who := fmt.Sprintf("client-%02d", i)
			sv.wantOK(v.do("POST", "/", "X-Who", who), who)
			sv.wantOK(v.get("/idle"), "hello")
		}
	}
	for i, v := range visitors {
		v.wantNote(fmt.Sprintf("client-%02d", i))
		sv.wantOK(v.get("/count"), fmt.Sprint(rounds))
	}
	for i, v := range visitors { // after the last request, which may have changed any
		who := fmt.Sprintf("client-%02d", i)
		if !slices.Equal(ids[who], slices.Repeat([]string{v.id}, rounds)) {
			sv.Errorf("the IDs that the handlers for %s were given have changed afterwards", who)
		}
	}
}
