package sessiontest

import (
	"context"
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

const innerName = "inner"

func managersActs() []act {
	return []act{
		{name: "A7/two Managers serve one request", run: twoManagers},
		{name: "A7/one of two Managers that cannot store", run: twoManagersOneFails},
		{name: "A7/a handler that failed changes neither", run: twoManagersDiscard},
	}
}

// twoManagersOf starts a server with an outer and an inner Manager, whose
// handlers put a note into both sessions and then end as end says.
func (st *stage) twoManagersOf(end func(Conversation) error) (sv *server, inner *backing) {
	st.Helper()
	inner = st.newBacking()
	innerMgr := st.manager(inner, func(cfg *session.Config) { cfg.ID = session.Cookie{Name: innerName} })
	sv = new(server)
	put := func(c Conversation) error {
		second, err := c.Acquire() // of the innermost
		if err != nil {
			return c.Fail(err)
		}
		first, err := sv.mgr.Acquire(c.Context())
		if err != nil {
			return c.Fail(err)
		}
		if first == second || innerMgr.From(c.Context()) != second || c.From() != second || sv.mgr.From(c.Context()) != first {
			st.Errorf("the sessions of two Managers are mixed up")
		}
		st.try("Set in the outer's", note.Set(first, c.RequestHeader("X-Note")+" outside"))
		st.try("Set in the inner's", note.Set(second, c.RequestHeader("X-Note")+" inside"))
		return end(c)
	}
	show := func(c Conversation) error {
		second, err := innerMgr.Acquire(c.Context(), session.Snapshot)
		if err != nil {
			return c.Fail(err)
		}
		first, err := sv.mgr.Acquire(c.Context(), session.Snapshot)
		if err != nil {
			return c.Fail(err)
		}
		outside, err := note.Get(first)
		st.try("Get", err)
		inside, err := note.Get(second)
		st.try("Get", err)
		return say(c, outside+", "+inside)
	}
	*sv = *st.serve(Scenario{
		Inner:     innerMgr,
		Recovered: func(any) {},
		Routes: []Route{
			{Method: "POST", Path: "/", Handler: put},
			{Method: "GET", Path: "/", Handler: show},
		},
	})
	return sv, inner
}

// both returns the Cookie header with the IDs that a reply sets.
func both(a reply) (header string) {
	for _, name := range []string{cookieName, innerName} {
		for _, c := range a.cookies(name) {
			header += name + "=" + c.Value + "; "
		}
	}
	return header + "last=one"
}

func twoManagers(st *stage) {
	sv, _ := st.twoManagersOf(func(c Conversation) error { return say(c, "done") })
	a := sv.visitor().do("POST", "/", "X-Note", "first")
	sv.wantOK(a, "done")
	sv.wantCookie(a)
	if n := len(a.cookies(innerName)); n != 1 {
		sv.Errorf("got %d cookies of the inner Manager, want 1", n)
	}
	cookies := both(a)
	sv.wantOK(sv.visitor().get("/", "Cookie", cookies), "first outside, first inside")
	a = sv.visitor().do("POST", "/", "X-Note", "second", "Cookie", cookies)
	sv.wantOK(a, "done")
	if n := len(a.Cookies()); n != 0 {
		sv.Errorf("got %d cookies for two sessions that the client knows, want none", n)
	}
	sv.wantOK(sv.visitor().get("/", "Cookie", cookies), "second outside, second inside")
}

func twoManagersOneFails(st *stage) {
	sv, inner := st.twoManagersOf(func(c Conversation) error {
		c.SetReplyHeader("Etag", `"held"`)
		return say(c, "held")
	})
	cookies := both(sv.visitor().do("POST", "/", "X-Note", "old"))
	for name, failing := range map[string]*backing{cookieName: sv.store, innerName: inner} {
		tooLarge := func(context.Context) error { return session.ErrTooLarge }
		failing.on(OpCreate, tooLarge)
		failing.on(OpSave, tooLarge)
		a := sv.visitor().do("POST", "/", "X-Note", "lost")
		sv.wantStatus(a, http.StatusRequestEntityTooLarge)
		if a.body == "held" || a.Header.Get("Etag") != "" {
			sv.Errorf("%s fails: got the reply that was to be dropped", name)
		}
		if n := len(a.cookies(name)); n != 0 {
			sv.Errorf("%s fails: got its cookie", name)
		}
		a = sv.visitor().do("POST", "/", "X-Note", "lost", "Cookie", cookies)
		sv.wantStatus(a, http.StatusRequestEntityTooLarge)
		failing.up()
		// Nothing stays locked, in either store.
		sv.wantOK(sv.visitor().do("POST", "/", "X-Note", "old", "Cookie", cookies), "held")
	}
}

func twoManagersDiscard(st *stage) {
	routes := failures()
	for _, e := range routes {
		if !e.needs.within(st.want) {
			continue
		}
		fail := false
		sv, _ := st.twoManagersOf(func(c Conversation) error {
			if fail {
				return e.end(c)
			}
			return say(c, "done")
		})
		cookies := both(sv.visitor().do("POST", "/", "X-Note", "old"))
		fail = true
		a := sv.visitor().do("POST", "/", "X-Note", "dropped", "Cookie", cookies)
		if a.StatusCode != e.status {
			sv.Errorf("%s: got status %d, want %d", e.name, a.StatusCode, e.status)
		}
		sv.wantOK(sv.visitor().get("/", "Cookie", cookies), "old outside, old inside")
		a = sv.visitor().do("POST", "/", "X-Note", "dropped")
		if n := len(a.Cookies()); n != 0 {
			sv.Errorf("%s: got %d cookies of new sessions that were discarded", e.name, n)
		}
		fail = false
		sv.wantOK(sv.visitor().do("POST", "/", "X-Note", "free", "Cookie", cookies), "done")
	}
}
