package sessiontest

import (
	"errors"
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

// ending is a way in which a handler ends.
type ending struct {
	name   string
	needs  AdapterWant
	end    func(Conversation) error
	status int // of the reply
}

var errPlain = errors.New("a handler's own error")

// failures are the endings that drop unsaved changes (M13).
func failures() []ending {
	return []ending{
		{name: "500 by the framework", status: 500, end: func(c Conversation) error { return c.Error(500, "failed") }},
		{name: "503 by WriteHeader", status: 503, end: func(c Conversation) error {
			c.WriteHeader(503)
			return say(c, "failed")
		}},
		{name: "502 without body", status: 502, end: func(c Conversation) error {
			c.WriteHeader(502)
			return nil
		}},
		{name: "Fail with ErrUnavailable", status: 503, end: func(c Conversation) error { return c.Fail(session.ErrUnavailable) }},
		{name: "panic", status: 500, end: func(Conversation) error { panic(errPlain) }},
		{name: "panic after a reply was written", status: 500, end: func(c Conversation) error {
			write(c, "held")
			panic(errPlain)
		}},
		{name: "an error of status 500", needs: AdapterWant{Errors: true}, status: 500, end: func(c Conversation) error { return c.StatusError(500) }},
		{name: "an error without status", needs: AdapterWant{Errors: true}, status: 500, end: func(Conversation) error { return errPlain }},
	}
}

// successes are the endings that keep the changes.
func successes() []ending {
	return []ending{
		{name: "nothing written", status: 200, end: func(Conversation) error { return nil }},
		{name: "302", status: 302, end: func(c Conversation) error { return c.Redirect(302, "/elsewhere") }},
		{name: "404 by the framework", status: 404, end: func(c Conversation) error { return c.Error(404, "nothing here") }},
		{name: "403 by WriteHeader", status: 403, end: func(c Conversation) error {
			c.WriteHeader(403)
			return say(c, "forbidden")
		}},
		{name: "Fail with ErrTooLarge", status: 413, end: func(c Conversation) error { return c.Fail(session.ErrTooLarge) }},
		{name: "an error of status 422", needs: AdapterWant{Errors: true}, status: 422, end: func(c Conversation) error { return c.StatusError(422) }},
	}
}

// endingWith makes routes for those endings that the framework has: for each,
// one whose handler does first and then ends so.
func (st *stage) endingWith(endings []ending, first func(Conversation, *session.Session) error) (routes []Route, had []ending) {
	for _, e := range endings {
		if !e.needs.within(st.want) {
			continue
		}
		had = append(had, e)
		for _, mode := range modes {
			routes = append(routes, Route{Method: "POST", Path: pathOf(e, len(had)-1, mode),
				Handler: in(mode, func(c Conversation, s *session.Session) error {
					if err := first(c, s); err != nil {
						st.Errorf("%s, %v: %v", e.name, mode, err)
					}
					return e.end(c)
				})})
		}
	}
	return routes, had
}

func pathOf(_ ending, i int, mode session.Mode) string {
	return "/" + string(rune('a'+i)) + "/" + mode.String()
}

var writing = []session.Mode{session.Exclusive, session.Concurrent}

func discardActs() []act {
	return []act{
		{name: "M13/a handler that failed changes nothing", run: failureDiscards},
		{name: "M13/a handler that failed makes no session", run: failureMakesNoSession},
		{name: "M13/other replies keep the changes", run: successKeeps},
		{name: "M13/what Save stored before stays", run: savedBeforeStays},
		{name: "M13/Config.Discard decides instead", run: discardDecides},
	}
}

func failureDiscards(st *stage) {
	routes, failures := st.endingWith(failures(), func(c Conversation, s *session.Session) error {
		return note.Set(s, "dropped")
	})
	sv := st.serve(Scenario{Routes: routes, Recovered: func(any) {}})
	v := sv.returning("old")
	for i, e := range failures {
		for _, mode := range writing {
			a := v.do("POST", pathOf(e, i, mode))
			if a.StatusCode != e.status {
				sv.Errorf("%s: got status %d, want %d", e.name, a.StatusCode, e.status)
			}
			sv.wantNoCookie(a)
			if a := v.get("/-/note"); a.body != "old" {
				sv.Errorf("%s, %v: the note is %q, want the change discarded", e.name, mode, a.body)
			}
			// A lock that is left behind would make this wait.
			sv.wantStatus(v.do("PUT", "/-/note", "X-Note", "old"), http.StatusOK)
		}
	}
}

func failureMakesNoSession(st *stage) {
	routes, failures := st.endingWith(failures(), func(c Conversation, s *session.Session) error {
		return note.Set(s, "dropped")
	})
	sv := st.serve(Scenario{Routes: routes, Recovered: func(any) {}})
	for i, e := range failures {
		for _, mode := range writing {
			sv.cost(e.name+", "+mode.String(), func() {
				a := sv.visitor().do("POST", pathOf(e, i, mode))
				if a.StatusCode != e.status {
					sv.Errorf("%s: got status %d, want %d", e.name, a.StatusCode, e.status)
				}
				sv.wantNoCookie(a)
			})
		}
	}
}

func successKeeps(st *stage) {
	routes, successes := st.endingWith(successes(), func(c Conversation, s *session.Session) error {
		return note.Set(s, "kept by "+c.RequestHeader("X-By"))
	})
	sv := st.serve(Scenario{Routes: routes})
	old := sv.returning("old")
	for i, e := range successes {
		for _, mode := range writing {
			for _, v := range []*visitor{sv.visitor(), old} {
				isNew := v.id == ""
				a := v.do("POST", pathOf(e, i, mode), "X-By", e.name)
				if a.StatusCode != e.status {
					sv.Errorf("%s: got status %d, want %d", e.name, a.StatusCode, e.status)
				}
				if isNew {
					sv.wantCookie(a)
				} else {
					sv.wantNoCookie(a)
				}
				v.wantNote("kept by " + e.name)
			}
		}
	}
}

func savedBeforeStays(st *stage) {
	routes, failures := st.endingWith(failures(), func(c Conversation, s *session.Session) error {
		return errors.Join(note.Set(s, "saved"), s.Save(c.Context()), note.Set(s, "dropped"))
	})
	sv := st.serve(Scenario{Routes: routes, Recovered: func(any) {}})
	for i, e := range failures {
		for _, mode := range writing {
			for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
				isNew := v.id == ""
				a := v.do("POST", pathOf(e, i, mode))
				if a.StatusCode != e.status {
					sv.Errorf("%s: got status %d, want %d", e.name, a.StatusCode, e.status)
				}
				if isNew && v.id == "" {
					sv.Errorf("%s, %v: the cookie of a session that was stored did not go out", e.name, mode)
					continue
				}
				if a := v.get("/-/note"); a.body != "saved" {
					sv.Errorf("%s, %v: the note is %q, want what Save stored", e.name, mode, a.body)
				}
				sv.wantStatus(v.do("PUT", "/-/note", "X-Note", "free"), http.StatusOK)
			}
		}
	}
}

func discardDecides(st *stage) {
	put := func(c Conversation, s *session.Session) error { return note.Set(s, "changed") }
	routes, failures := st.endingWith(failures(), put)
	var outcomes journalOf[session.Outcome]
	sv := st.serve(Scenario{Routes: routes, Recovered: func(any) {}}, func(cfg *session.Config) {
		cfg.Discard = func(out session.Outcome) bool {
			outcomes.add(out)
			return false
		}
	})
	for i, e := range failures {
		v := sv.returning("old")
		before, _ := outcomes.all()
		sv.wantNoCookie(v.do("POST", pathOf(e, i, session.Exclusive)))
		after, _ := outcomes.all()
		v.wantNote("changed")
		for _, out := range after[len(before):] {
			if !out.Failed() {
				sv.Errorf("%s: the adapter reported the outcome %+v, which is no failure", e.name, out)
			}
		}
		if len(after) == len(before) {
			sv.Errorf("%s: Discard was not asked", e.name)
		}
	}

	routes, successes := st.endingWith(successes(), put)
	sv = st.serve(Scenario{Routes: routes}, func(cfg *session.Config) {
		cfg.Discard = func(out session.Outcome) bool { return out.Status == 404 || out.Status == 422 }
	})
	for i, e := range successes {
		v := sv.returning("old")
		sv.wantNoCookie(v.do("POST", pathOf(e, i, session.Exclusive)))
		if e.status == 404 || e.status == 422 {
			v.wantNote("old")
		} else {
			v.wantNote("changed")
		}
	}
}
