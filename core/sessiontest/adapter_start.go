package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

func startActs() []act {
	return []act{
		{name: "M17/OnStart runs once, before the first handler", run: startsOnce},
		{name: "M17/an untouched new session is stored once it is started", run: startedIsStored},
		{name: "M17/a request that fails starts no session", run: failedStartsNothing},
		{name: "M17/OnStart that fails refuses the request", run: failingStart},
	}
}

// starting has OnStart put a note and a count of its calls into new sessions.
func (st *stage) starting(starts *journalOf[struct{}]) func(*session.Config) {
	return func(cfg *session.Config) {
		cfg.OnStart = func(_ context.Context, s *session.Session) error {
			starts.add(struct{}{})
			return errors.Join(note.Set(s, "started"), count.Update(s, func(n int) int { return n + 1 }))
		}
	}
}

func (sv *server) wantStarts(starts *journalOf[struct{}], n int) {
	sv.Helper()
	if got, _ := starts.all(); len(got) != n {
		sv.Errorf("OnStart ran %d times, want %d", len(got), n)
	}
}

// startsOnce: the handler finds what OnStart has made of its session, with
// Require in front of it or Acquire in it, in every mode; the next one finds it
// again, and OnStart does not run for it.
func startsOnce(st *stage) {
	starts := new(journalOf[struct{}])
	show := func(c Conversation, s *session.Session) error {
		text, err := note.Get(s)
		n, errCount := count.Get(s)
		st.try("Get", errors.Join(err, errCount))
		return say(c, fmt.Sprint(text, " ", n, " ", s.IsNew()))
	}
	var routes []Route
	var paths []string
	for _, mode := range modes {
		require, acquire := "/require/"+mode.String(), "/acquire/"+mode.String()
		paths = append(paths, require, acquire)
		routes = append(routes,
			Route{Method: "GET", Path: acquire, Handler: in(mode, show)},
			Route{Method: "GET", Path: require, Require: []session.Mode{mode}, Handler: func(c Conversation) error { return show(c, c.From()) }})
	}
	sv := st.serve(Scenario{Routes: routes}, st.starting(starts))
	for i, path := range paths {
		v := sv.visitor()
		a := v.get(path)
		sv.wantOK(a, "started 1 true")
		sv.wantCookie(a)
		for range 2 {
			a = v.get(path)
			sv.wantOK(a, "started 1 false")
			sv.wantNoCookie(a)
		}
		sv.wantStarts(starts, i+1)
		v.wantUsable()
	}
}

// startedIsStored: a session that no handler has changed is stored by one call,
// and its client keeps it; who acquires nothing starts nothing.
func startedIsStored(st *stage) {
	starts := new(journalOf[struct{}])
	var routes []Route
	for _, mode := range modes {
		routes = append(routes, Route{Method: "GET", Path: "/" + mode.String(), Handler: in(mode, func(c Conversation, s *session.Session) error {
			return say(c, "untouched")
		})})
	}
	sv := st.serve(Scenario{Routes: append(routes,
		Route{Method: "GET", Path: "/idle", Handler: func(c Conversation) error { return say(c, "hello") }},
	)}, st.starting(starts))
	for i, mode := range modes {
		v := sv.visitor()
		sv.cost("a first request that acquires nothing", func() {
			a := v.get("/idle")
			sv.wantOK(a, "hello")
			sv.wantNoCookie(a)
		})
		sv.wantStarts(starts, i)
		sv.cost("a new session that was started and left alone", func() {
			a := v.get("/" + mode.String())
			sv.wantOK(a, "untouched")
			sv.wantCookie(a)
		}, OpCreate)
		v.wantNote("started")
		sv.wantStarts(starts, i+1)
	}
}

// failedStartsNothing: what OnStart has done shares the fate of the handler's
// changes (M13), and so the client's next request starts another session.
func failedStartsNothing(st *stage) {
	starts := new(journalOf[struct{}])
	routes, endings := st.endingWith(failures(), func(Conversation, *session.Session) error { return nil })
	sv := st.serve(Scenario{Routes: routes, Recovered: func(any) {}}, st.starting(starts))
	n := 0
	for i, e := range endings {
		for _, mode := range modes {
			v := sv.visitor()
			sv.cost("a new session whose handler fails", func() {
				a := v.do("POST", pathOf(e, i, mode))
				sv.wantStatus(a, e.status)
				sv.wantNoCookie(a)
			})
			n++
			sv.wantStarts(starts, n)
		}
	}
}

// failingStart: no handler runs without the session, and nothing is stored.
func failingStart(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Require: []session.Mode{session.Exclusive}, Handler: func(c Conversation) error {
			st.Errorf("the handler runs")
			return say(c, "started")
		}},
	}}, func(cfg *session.Config) {
		cfg.OnStart = func(context.Context, *session.Session) error { return session.ErrUnavailable }
	})
	sv.cost("a new session that cannot be started", func() {
		a := sv.visitor().get("/")
		sv.wantStatus(a, http.StatusServiceUnavailable)
		sv.wantNoCookie(a)
	})
}
