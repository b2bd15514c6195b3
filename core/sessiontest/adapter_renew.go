package sessiontest

import (
	"context"
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

// login is what a login does: user data and a new ID.
func login(st *stage) func(Conversation, *session.Session) error {
	return func(c Conversation, s *session.Session) error {
		st.try("Set", note.Set(s, "logged in"))
		st.try("Renew", s.Renew())
		return say(c, "welcome")
	}
}

func renewActs() []act {
	return []act{
		{name: "M16/Renew gives a new ID and keeps the data", run: renews},
		{name: "M16/the old ID is told so within RenewGrace", run: renewGrace},
		{name: "M16/the old ID is unknown without RenewGrace", run: renewWithoutGrace},
		{name: "M16/who waits under the old ID is told so", run: renewTellsWaiter},
		{name: "M16/who waits in another process is told so", run: renewTellsOtherProcess},
		{name: "M16/Renew of a new session", run: renewsNew},
		{name: "M16/Renew before an early reply", needs: AdapterWant{Flush: true}, run: renewEarly},
	}
}

func renews(st *stage) {
	routes := []Route{{Method: "GET", Path: "/count", Handler: in(session.Snapshot, showCount)}}
	for _, mode := range writing {
		routes = append(routes, Route{Method: "POST", Path: "/" + mode.String(), Handler: in(mode, login(st))})
	}
	routes = append(routes, Route{Method: "POST", Path: "/count", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
		st.try("Set", count.Set(s, 5))
		return say(c, "5")
	})})
	sv := st.serve(Scenario{Routes: routes})
	for _, mode := range writing {
		v := sv.returning("guest")
		v.do("POST", "/count")
		id := v.id
		a := v.do("POST", "/"+mode.String())
		sv.wantOK(a, "welcome")
		sv.wantCookie(a)
		if v.id == id {
			sv.Errorf("%v: the ID is the old one", mode)
		}
		v.wantNote("logged in")
		sv.wantOK(v.get("/count"), "5")
		sv.wantStranger(id, "guest")
		sv.wantStranger(id, "logged in")
		v.wantUsable()
	}
}

func renewGrace(st *stage) {
	routes := []Route{{Method: "POST", Path: "/login", Handler: in(session.Exclusive, login(st))}}
	for _, mode := range modes {
		routes = append(routes, Route{Method: "GET", Path: "/" + mode.String(), Handler: func(c Conversation) error {
			_, err := c.Acquire(mode)
			st.wantError("Acquire of the old ID, "+mode.String(), err, session.ErrRenewed)
			return c.Fail(err)
		}})
	}
	sv := st.serve(Scenario{Routes: routes})
	v := sv.returning("guest")
	old := v.again()
	v.do("POST", "/login")
	for _, mode := range modes {
		a := old.get("/" + mode.String())
		sv.wantStatus(a, http.StatusConflict)
		sv.wantNoCookie(a) // or it would overwrite the new one
	}
	v.wantNote("logged in")
}

func renewWithoutGrace(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/login", Handler: in(session.Exclusive, login(st))},
	}}, func(cfg *session.Config) { cfg.RenewGrace = -1 })
	v := sv.returning("guest")
	old := v.again()
	v.do("POST", "/login")
	old.wantNote("")
	v.wantNote("logged in")
}

func renewTellsWaiter(st *stage) {
	holding, goOn := make(chan struct{}), make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/login", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			tell(st, holding, struct{}{})
			await(st, goOn, "another request waits")
			return login(st)(c, s)
		})},
	}}, func(cfg *session.Config) { cfg.RequestQueueLimit = 1 })
	v := sv.returning("guest")
	waiter := v.again()
	done := v.asking("POST", "/login")
	await(st, holding, "the session is held")
	waited := waiter.waiting("PUT", "/-/note", "X-Note", "overwritten")
	tell(st, goOn, struct{}{})
	sv.wantCookie(await(st, done, "the login's reply"))
	a := await(st, waited, "the waiter's reply")
	sv.wantStatus(a, http.StatusConflict)
	sv.wantNoCookie(a)
	v.wantNote("logged in")
}

func renewTellsOtherProcess(st *stage) {
	holding, goOn := make(chan struct{}), make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/login", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			tell(st, holding, struct{}{})
			await(st, goOn, "another request waits")
			return login(st)(c, s)
		})},
	}})
	other := st.serveOn(sv.store, Scenario{})
	v := sv.returning("guest")
	waiter := v.at(other)
	done := v.asking("POST", "/login")
	await(st, holding, "the session is held")
	asked := make(chan struct{}, 1)
	sv.store.on(OpAcquire, func(context.Context) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil
	})
	waited := waiter.asking("PUT", "/-/note", "X-Note", "overwritten")
	await(st, asked, "the other process asks for the lock")
	tell(st, goOn, struct{}{})
	sv.wantCookie(await(st, done, "the login's reply"))
	a := await(st, waited, "the waiter's reply")
	sv.wantStatus(a, http.StatusConflict)
	sv.wantNoCookie(a)
	v.wantNote("logged in")
}

func renewsNew(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/login", Handler: in(session.Exclusive, login(st))},
	}})
	v := sv.visitor()
	a := v.do("POST", "/login")
	sv.wantOK(a, "welcome")
	sv.wantCookie(a)
	v.wantNote("logged in")
	v.wantUsable()
}

func renewEarly(st *stage) {
	goOn := make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/login", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "logged in"))
			st.try("Renew", s.Renew())
			st.try("Flush", c.Flush())
			await(st, goOn, "the client has the headers")
			st.try("Set", note.Set(s, "still in"))
			return say(c, "welcome")
		})},
	}})
	v := sv.returning("guest")
	old := v.again()
	a, rest := v.begin("POST", "/login")
	sv.wantStatus(a, http.StatusOK)
	sv.wantCookie(a)
	v.wantNote("logged in")
	sv.wantStatus(old.again().get("/-/note"), http.StatusConflict)
	tell(st, goOn, struct{}{})
	if got := rest(); got != "welcome" {
		sv.Errorf("got the body %q, want %q", got, "welcome")
	}
	v.wantNote("still in")
	v.wantUsable()
}

func renewFailureActs() []act {
	return []act{
		{name: "M16/Renew that cannot be stored changes nothing", run: renewCannotBeStored},
		{name: "M16/Renew of a handler that failed changes nothing", run: renewDiscarded},
		{name: "M16/Renew of a read-only session is refused", run: renewReadOnly},
	}
}

func renewCannotBeStored(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/login", Handler: in(session.Exclusive, login(st))},
	}}, st.hasty)
	v := sv.returning("guest")
	sv.store.down(FailBefore)
	a := v.do("POST", "/login")
	sv.wantStatus(a, http.StatusServiceUnavailable)
	sv.wantNoCookie(a)
	sv.store.up()
	v.wantNote("guest")
	v.wantUsable()
	a = v.do("POST", "/login")
	sv.wantOK(a, "welcome")
	v.wantNote("logged in")
}

func renewDiscarded(st *stage) {
	routes, failures := st.endingWith(failures(), func(c Conversation, s *session.Session) error {
		if err := note.Set(s, "logged in"); err != nil {
			return err
		}
		return s.Renew()
	})
	sv := st.serve(Scenario{Routes: routes, Recovered: func(any) {}})
	for i, e := range failures {
		for _, mode := range writing {
			v := sv.returning("guest")
			a := v.do("POST", pathOf(e, i, mode))
			if a.StatusCode != e.status {
				sv.Errorf("%s: got status %d, want %d", e.name, a.StatusCode, e.status)
			}
			sv.wantNoCookie(a)
			v.wantNote("guest")
			v.wantUsable()
		}
	}
}

func renewReadOnly(st *stage) {
	refuse := func(c Conversation, s *session.Session) error {
		st.wantError("Renew", s.Renew(), session.ErrReadOnly)
		return say(c, "refused")
	}
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/readonly", Handler: in(session.ReadOnly, refuse)},
		{Method: "POST", Path: "/snapshot", Handler: in(session.Snapshot, refuse)},
	}})
	v := sv.returning("guest")
	for _, path := range []string{"/readonly", "/snapshot"} {
		a := v.do("POST", path)
		sv.wantOK(a, "refused")
		sv.wantNoCookie(a)
	}
	v.wantNote("guest")
}
