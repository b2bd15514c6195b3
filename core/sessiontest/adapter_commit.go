package sessiontest

import (
	"net/http"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// large is more than an adapter holds back (32 KiB).
var large = strings.Repeat("0123456789abcdef", 100<<10/16)

func commitActs() []act {
	return []act{
		{name: "M12/who has the cookie finds the session", run: cookieFindsSession},
		{name: "M12/nobody sees what is not stored yet", run: unseenUntilStored},
		{name: "M12/Save stores before the reply and keeps the lock", run: saveKeepsLock},
		{name: "M12/Release stores before the reply and lets others in", run: releaseLetsIn},
		{name: "M12/changes of several Acquires are stored together", run: acquiresTwice},
	}
}

func cookieFindsSession(st *stage) {
	sv := st.serve(Scenario{})
	together(20, func(int) {
		v := sv.returning("first")
		v.wantNote("first")
		a := v.do("PUT", "/-/note", "X-Note", "second")
		sv.wantNoCookie(a)
		v.wantNote("second")
	})
}

func unseenUntilStored(st *stage) {
	changed, goOn := make(chan struct{}), make(chan struct{})
	var routes []Route
	for _, mode := range writing {
		routes = append(routes, Route{Method: "POST", Path: "/" + mode.String(), Handler: in(mode, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "new"))
			write(c, "do")
			tell(st, changed, struct{}{})
			await(st, goOn, "the test looks")
			return say(c, "ne")
		})})
	}
	sv := st.serve(Scenario{Routes: routes})
	for _, mode := range writing {
		v := sv.returning("old")
		done := v.again().asking("POST", "/"+mode.String())
		await(st, changed, "the handler changes the session")
		v.wantNote("old")
		tell(st, goOn, struct{}{})
		sv.wantOK(await(st, done, "the reply"), "done")
		v.wantNote("new")
	}
}

// saveKeepsLock and releaseLetsIn look at the store while the handler waits.
func saveKeepsLock(st *stage) {
	saved, goOn := make(chan session.StoreKey), make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "saved"))
			st.try("Save", s.Save(c.Context()))
			tell(st, saved, s.StoreKey())
			await(st, goOn, "the test looks at the store")
			st.try("Set after Save", count.Set(s, 1))
			return say(c, "done")
		})},
		{Method: "GET", Path: "/count", Handler: in(session.Snapshot, showCount)},
	}})
	for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
		done := v.asking("POST", "/")
		key := await(st, saved, "the handler saves")
		sv.wantStored(key, true)
		if v.id != "" {
			v.again().wantNote("saved")
		}
		tell(st, goOn, struct{}{})
		a := await(st, done, "the reply")
		sv.wantOK(a, "done")
		v.wantNote("saved")
		sv.wantOK(v.get("/count"), "1")
		sv.wantStored(key, false)
	}
}

func releaseLetsIn(st *stage) {
	released, goOn := make(chan session.StoreKey), make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "released"))
			key := s.StoreKey()
			st.try("Release", s.Release(c.Context()))
			st.wantError("Set after Release", note.Set(s, "x"), session.ErrReleased)
			tell(st, released, key)
			await(st, goOn, "the test looks at the store")
			return say(c, "done")
		})},
	}})

	v := sv.visitor()
	done := v.asking("POST", "/")
	sv.wantStored(await(st, released, "the handler releases"), false)
	tell(st, goOn, struct{}{})
	a := await(st, done, "the reply")
	sv.wantOK(a, "done")
	sv.wantCookie(a)
	v.wantNote("released")

	tab := v.again()
	done = v.asking("POST", "/")
	await(st, released, "the handler releases")
	tab.wantNote("released")
	tab.wantUsable()
	tell(st, goOn, struct{}{})
	sv.wantOK(await(st, done, "the reply"), "done")
	v.wantNote("usable")
}

// acquiresTwice acquires a second time in one request: at an equal or weaker
// mode that is the session in hand, after Release it is a new one.
func acquiresTwice(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			for _, mode := range []session.Mode{session.Exclusive, session.ReadOnly} {
				same, err := c.Acquire(mode)
				st.try("Acquire again", err)
				if same != s {
					st.Errorf("Acquire again, %v: another session than the one in hand", mode)
				}
			}
			st.try("Set", note.Set(s, "one"))
			st.try("Release", s.Release(c.Context()))
			later, err := c.Acquire()
			if err != nil {
				return c.Fail(err)
			}
			if text, err := note.Get(later); text != "one" || err != nil {
				st.Errorf("acquired after Release: the note is %q, %v", text, err)
			}
			st.try("Set", count.Set(later, 2))
			return say(c, "done")
		})},
		{Method: "GET", Path: "/count", Handler: in(session.Snapshot, showCount)},
	}})
	for _, v := range []*visitor{sv.returning("old"), sv.visitor()} {
		sv.wantOK(v.do("POST", "/"), "done")
		v.wantNote("one")
		sv.wantOK(v.get("/count"), "2")
	}
}

func commitFailureActs() []act {
	return []act{
		{name: "M12/no reply of a new session that cannot be stored", run: newCannotBeStored},
		{name: "M12/no reply of changes that cannot be stored", run: changesCannotBeStored},
		{name: "M12/no reply while the store hangs", run: storeHangs},
		{name: "M12/Save says that it failed", run: saveFails},
		{name: "M12/no reply of what a Release has lost", run: releaseFails},
	}
}

func newCannotBeStored(st *stage) {
	sv := st.serve(Scenario{}, st.hasty)
	sv.store.down(FailBefore)
	a := sv.visitor().do("PUT", "/-/note", "X-Note", "lost")
	sv.wantStatus(a, http.StatusServiceUnavailable)
	sv.wantNoID(a)
}

func changesCannotBeStored(st *stage) {
	sv := st.serve(Scenario{}, st.hasty)
	v := sv.returning("old")
	sv.store.down(FailBefore)
	a := v.do("PUT", "/-/note", "X-Note", "lost")
	sv.wantStatus(a, http.StatusServiceUnavailable)
	sv.wantNoCookie(a)
	v.wantNote("old")
	sv.store.up()
	v.wantUsable()
}

func storeHangs(st *stage) {
	sv := st.serve(Scenario{}, st.hasty)
	v := sv.returning("old")
	sv.store.down(HangBefore)
	for _, v := range []*visitor{sv.visitor(), v} {
		a := v.do("PUT", "/-/note", "X-Note", "lost")
		sv.wantStatus(a, http.StatusServiceUnavailable)
		sv.wantNoID(a)
	}
	v.wantNote("old")
	sv.store.up()
	v.wantUsable()
}

func saveFails(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "lost"))
			err := s.Save(c.Context())
			st.wantError("Save", err, session.ErrUnavailable)
			return c.Fail(err)
		})},
	}}, st.hasty)
	v := sv.returning("old")
	sv.store.down(FailBefore)
	for _, v := range []*visitor{sv.visitor(), v} {
		a := v.do("POST", "/")
		sv.wantStatus(a, http.StatusServiceUnavailable)
		sv.wantNoID(a)
	}
	v.wantNote("old")
}

// hasty makes a Manager give up soon on a store that fails or hangs; not so soon
// if a server may be behind it, which has to succeed in that time otherwise.
func (st *stage) hasty(cfg *session.Config) {
	cfg.StoreTimeout = 500 * time.Millisecond
	if st.want.Store != nil {
		cfg.StoreTimeout = 2 * time.Second
	}
	cfg.SaveTimeout = cfg.StoreTimeout
}

// releaseFails has handlers drop the error of a Release: in a defer, and before
// they reply.
func releaseFails(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/defer", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			defer func() { _ = s.Release(c.Context()) }()
			st.try("Set", note.Set(s, "lost"))
			return say(c, "well")
		})},
		{Method: "POST", Path: "/first", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "lost"))
			_ = s.Release(c.Context())
			return say(c, "well")
		})},
	}}, st.hasty)
	v := sv.returning("old")
	sv.store.down(FailBefore)
	for _, path := range []string{"/defer", "/first"} {
		for _, v := range []*visitor{sv.visitor(), v} {
			a := v.do("POST", path)
			sv.wantStatus(a, http.StatusServiceUnavailable)
			sv.wantNoID(a)
		}
	}
	v.wantNote("old")
	sv.store.up()
	v.wantUsable()
}
