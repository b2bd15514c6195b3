package sessiontest

import (
	"context"

	session "github.com/sessionstate/sessionstate/core"
)

func keepAliveActs() []act {
	return []act{
		{name: "M14/who acquires nothing keeps the session alive", run: keepsAlive},
		{name: "M14/keeping alive never delays a reply", run: touchDelaysNothing},
		{name: "M14/SkipKeepAliveWhenUnused", run: skipsKeepAlive},
	}
}

// idly starts a server that has never seen v's session, with a route that
// acquires nothing, and returns v there.
func (v *visitor) idly(set ...func(*session.Config)) *visitor {
	return v.at(v.serveOn(v.store, Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: func(c Conversation) error { return say(c, "hello") }},
	}}, set...))
}

func keepsAlive(st *stage) {
	v := st.serve(Scenario{}).returning("old").idly()
	before := v.store.calls()
	for range 3 {
		a := v.get("/")
		v.wantOK(a, "hello")
		v.wantNoCookie(a)
	}
	v.drain(v.mgr)
	// At most one within RefreshInterval.
	v.wantCalls("three requests that acquire nothing", before, OpTouch)
}

func touchDelaysNothing(st *stage) {
	sv := st.serve(Scenario{})
	touching, goOn := make(chan struct{}, 1), make(chan struct{})
	sv.store.on(OpTouch, func(context.Context) error {
		tell(st, touching, struct{}{})
		await(st, goOn, "the replies")
		return nil
	})
	v := sv.returning("old").idly()
	for range 3 {
		v.wantOK(v.get("/"), "hello")
	}
	await(st, touching, "the touch in the background")
	v.wantOK(v.get("/"), "hello")
	close(goOn)
}

func skipsKeepAlive(st *stage) {
	v := st.serve(Scenario{}).returning("old").idly(func(cfg *session.Config) { cfg.SkipKeepAliveWhenUnused = true })
	before := v.store.calls()
	v.wantOK(v.get("/"), "hello")
	v.drain(v.mgr)
	v.wantCalls("a request that acquires nothing", before)
}
