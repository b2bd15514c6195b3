package sessiontest

import (
	"context"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func passiveActs() []act {
	return []act{
		{name: "M14/a passive route keeps no session alive", run: passiveKeepsNothingAlive},
		{name: "M14/a passive route may use the session all the same", run: passiveMayUse},
	}
}

// passiveKeepsNothingAlive has passive routes asked with a session that is due
// to have its expiry extended, and a cookie that is due too; and then another
// route, to see that they were.
func passiveKeepsNothingAlive(st *stage) {
	const idle, refresh = 20 * time.Minute, time.Millisecond
	brief := func(cfg *session.Config) {
		cfg.IdleTimeout, cfg.RefreshInterval = idle, refresh
		cfg.ID = session.Cookie{Persist: true}
	}
	var key session.StoreKey
	showKey := func(c Conversation, s *session.Session) error {
		key = s.StoreKey()
		return say(c, "known")
	}
	sv := st.serve(Scenario{Routes: []Route{{Method: "GET", Path: "/", Handler: in(session.Exclusive, showKey)}}}, brief)
	v := sv.returning("old")
	sv.wantOK(v.get("/"), "known")
	sv.drain(sv.mgr) // nothing of that is under way any more

	// At another process, which has not seen the session yet.
	idly := func(c Conversation) error { return say(c, "hello") }
	show := func(c Conversation) error { return showNote(c, c.From()) }
	readers := []session.Mode{session.ReadOnly, session.Snapshot, session.Concurrent}
	routes := []Route{
		{Method: "GET", Path: "/idle", Passive: true, Handler: idly},
		{Method: "GET", Path: "/active", Handler: in(session.Snapshot, showNote)},
	}
	for _, mode := range readers {
		routes = append(routes,
			Route{Method: "GET", Path: "/require/" + mode.String(), Passive: true, Require: []session.Mode{mode}, Handler: show},
			Route{Method: "GET", Path: "/acquire/" + mode.String(), Passive: true, Handler: in(mode, showNote)})
	}
	v = v.at(st.serveOn(sv.store, Scenario{Routes: routes}, brief))
	v.due(key, idle)
	before := v.store.calls()
	ops := []Op{}
	a := v.get("/idle")
	v.wantOK(a, "hello")
	v.wantNoCookie(a)
	for _, mode := range readers {
		for _, how := range []string{"/require/", "/acquire/"} {
			a := v.get(how + mode.String())
			v.wantOK(a, "old")
			v.wantNoCookie(a)
			ops = append(ops, OpLoad)
		}
	}
	a = v.get("/active")
	v.wantOK(a, "old")
	v.wantCookie(a)
	v.drain(v.mgr)
	// That is what the last one costs: the touch of its cookie, and its own.
	v.wantCalls("passive requests, and one that is not", before, append(ops, OpLoad, OpTouch, OpTouch)...)
}

// due waits until less than the idle timeout is left of a session.
func (v *visitor) due(key session.StoreKey, idle time.Duration) {
	v.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	for {
		rec, err := v.store.plain.Load(ctx, key, false)
		if err != nil {
			v.Fatalf("the session is not there, or not due in time: %v", err)
		}
		if rec.ExpiresIn < idle {
			return
		}
		pause()
	}
}

// passiveMayUse: what a passive route does with a session is done.
func passiveMayUse(st *stage) {
	put := func(c Conversation, s *session.Session) error {
		st.try("Set", note.Set(s, s.Mode().String()))
		return say(c, "put")
	}
	var routes []Route
	for _, mode := range []session.Mode{session.Exclusive, session.Concurrent} {
		routes = append(routes,
			Route{Method: "POST", Path: "/acquire/" + mode.String(), Passive: true, Handler: in(mode, put)},
			Route{Method: "POST", Path: "/require/" + mode.String(), Passive: true, Require: []session.Mode{mode},
				Handler: func(c Conversation) error { return put(c, c.From()) }})
	}
	sv := st.serve(Scenario{Routes: append(routes,
		Route{Method: "POST", Path: "/logout", Passive: true, Handler: in(session.Snapshot, func(c Conversation, s *session.Session) error {
			st.try("Abandon", s.Abandon())
			return say(c, "bye")
		})})})
	for _, mode := range []session.Mode{session.Exclusive, session.Concurrent} {
		for _, how := range []string{"/acquire/", "/require/"} {
			for _, v := range []*visitor{sv.returning("old"), sv.visitor()} {
				sv.wantOK(v.do("POST", how+mode.String()), "put")
				v.wantNote(mode.String())
				v.wantUsable()
			}
		}
	}
	v := sv.returning("old")
	id := v.id
	a := v.do("POST", "/logout")
	sv.wantStatus(a, http.StatusOK)
	sv.wantRemoved(a)
	sv.wantStranger(id, "old")
}
