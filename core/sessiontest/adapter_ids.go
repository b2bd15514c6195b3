package sessiontest

import (
	"net/http"
	"strings"

	session "github.com/sessionstate/sessionstate/core"
)

var modes = []session.Mode{session.Exclusive, session.ReadOnly, session.Snapshot, session.Concurrent}

// unknownID has the form of an ID and was never given out.
const unknownID = "never-given-out-by-anyon"

func emptyActs() []act {
	return []act{
		{name: "M10/who acquires nothing costs nothing", run: costsNothing},
		{name: "M10/an untouched new session costs nothing", run: untouchedCostsNothing},
		{name: "M10/a new session is stored once it has data", run: newWithData},
		{name: "M10/what is refused is not stored", run: refusedIsNotStored},
	}
}

func costsNothing(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: func(c Conversation) error { return say(c, "hello") }},
	}})
	sv.cost("a client without ID", func() {
		a := sv.visitor().get("/")
		sv.wantOK(a, "hello")
		sv.wantNoCookie(a)
	})
}

func untouchedCostsNothing(st *stage) {
	look := func(c Conversation, s *session.Session) error {
		if !s.IsNew() || s.Len() != 0 || s.Has("note") || len(s.Keys()) != 0 {
			st.Errorf("the session of a client without ID is not new and empty")
		}
		if _, found, err := note.Lookup(s); found || err != nil {
			st.Errorf("Lookup in a new session: %v, %v", found, err)
		}
		return say(c, "looked")
	}
	var routes []Route
	for _, mode := range modes {
		routes = append(routes,
			Route{Method: "GET", Path: "/acquire/" + mode.String(), Handler: in(mode, look)},
			Route{Method: "GET", Path: "/require/" + mode.String(), Require: []session.Mode{mode}, Handler: func(c Conversation) error {
				return look(c, c.From())
			}})
	}
	sv := st.serve(Scenario{Routes: routes})
	for _, r := range routes {
		sv.cost(r.Path, func() {
			a := sv.visitor().get(r.Path)
			sv.wantOK(a, "looked")
			sv.wantNoCookie(a)
		})
	}
}

func newWithData(st *stage) {
	var ids []string // one handler at a time appends
	put := func(c Conversation, s *session.Session) error {
		ids = append(ids, s.ID())
		st.try("Set", note.Set(s, "kept"))
		return say(c, "done")
	}
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/exclusive", Handler: in(session.Exclusive, put)},
		{Method: "GET", Path: "/concurrent", Handler: in(session.Concurrent, put)},
	}})
	for _, path := range []string{"/exclusive", "/concurrent"} {
		v := sv.visitor()
		sv.cost(path, func() {
			a := v.get(path)
			sv.wantOK(a, "done")
			sv.wantCookie(a)
		}, OpCreate)
		if id := ids[len(ids)-1]; v.id != id {
			sv.Errorf("%s: the cookie's ID is not the session's", path)
		}
		v.wantNote("kept")
		a := v.get(path)
		sv.wantNoCookie(a) // the client has it
		if ids[len(ids)-1] != v.id {
			sv.Errorf("%s: the session changed its ID", path)
		}
	}
}

func refusedIsNotStored(st *stage) {
	put := func(c Conversation, s *session.Session) error {
		st.wantError("Set", note.Set(s, "x"), session.ErrReadOnly)
		return say(c, "refused")
	}
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/readonly", Handler: in(session.ReadOnly, put)},
		{Method: "GET", Path: "/snapshot", Handler: in(session.Snapshot, put)},
	}})
	for _, path := range []string{"/readonly", "/snapshot"} {
		sv.cost(path, func() {
			a := sv.visitor().get(path)
			sv.wantOK(a, "refused")
			sv.wantNoCookie(a)
		})
	}
}

func unknownIDActs() []act {
	return []act{
		{name: "M11/an unknown ID is not taken over", run: unknownIsNotTakenOver},
		{name: "M11/an unknown ID costs one lookup", run: unknownCostsOneLookup},
		{name: "M11/an unknown ID makes nobody meet", run: unknownMakesNobodyMeet},
		{name: "M11/AdoptExpiredID takes an unknown ID over", run: adoptsUnknownID},
	}
}

func unknownIsNotTakenOver(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			if !s.IsNew() || s.ID() == unknownID {
				st.Errorf("the session of an unknown ID is new: %v, has that ID: %v, want new under another", s.IsNew(), s.ID() == unknownID)
			}
			st.try("Set", note.Set(s, "mine"))
			return say(c, "done")
		})},
	}})
	v := &visitor{sv, unknownID}
	sv.cost("an unknown ID and data", func() {
		a := v.get("/")
		sv.wantOK(a, "done")
		sv.wantCookie(a)
	}, OpAcquire, OpCreate)
	if v.id == unknownID {
		sv.Errorf("the client got the ID that it had made up")
	}
	v.wantNote("mine")
	sv.wantStranger(unknownID, "mine")
	if n := len(sv.events.of(session.EventUnknownID)); n == 0 {
		sv.Errorf("the observer heard of no unknown ID")
	}
}

func unknownCostsOneLookup(st *stage) {
	var routes []Route
	for _, mode := range modes {
		routes = append(routes, Route{Method: "GET", Path: "/" + mode.String(), Handler: in(mode, showNote)})
	}
	sv := st.serve(Scenario{Routes: routes})
	for i, mode := range modes {
		lookup := OpLoad
		if mode == session.Exclusive {
			lookup = OpAcquire
		}
		sv.cost("an unknown ID, "+mode.String(), func() {
			a := (&visitor{sv, unknownID}).get(routes[i].Path)
			sv.wantOK(a, "")
			sv.wantNoID(a)
		}, lookup)
	}
}

func unknownMakesNobodyMeet(st *stage) {
	sv := st.serve(Scenario{})
	attacker, victim := &visitor{sv, unknownID}, &visitor{sv, unknownID}
	sv.wantStatus(attacker.do("PUT", "/-/note", "X-Note", "attacker"), http.StatusOK)
	sv.wantStatus(victim.do("PUT", "/-/note", "X-Note", "victim"), http.StatusOK)
	if attacker.id == victim.id {
		sv.Errorf("two clients with the same made-up ID got the same session")
	}
	attacker.wantNote("attacker")
	victim.wantNote("victim")
}

func adoptsUnknownID(st *stage) {
	sv := st.serve(Scenario{}, func(cfg *session.Config) { cfg.AdoptExpiredID = true })
	v := &visitor{sv, unknownID}
	sv.wantStatus(v.do("PUT", "/-/note", "X-Note", "adopted"), http.StatusOK)
	(&visitor{sv, unknownID}).wantNote("adopted")
}

func malformedIDActs() []act {
	return []act{
		{name: "M11/what is no ID costs nothing", run: malformedCostsNothing},
		{name: "M11/what is no ID is not kept alive", run: malformedIsNotTouched},
		{name: "M11/the first well-formed ID counts", run: firstWellFormedCounts},
	}
}

// malformed are Cookie headers that present no ID.
func malformed() map[string][]string {
	return map[string][]string{
		"no value":            {"session="},
		"no equals sign":      {"session"},
		"too short":           {"session=" + unknownID[1:]},
		"too long":            {"session=" + unknownID + "A"},
		"a dot":               {"session=" + unknownID[1:] + "."},
		"base64 of old":       {"session=" + unknownID[2:] + "+/"},
		"padding":             {"session=" + unknownID[1:] + "="},
		"percent":             {"session=" + unknownID[3:] + "%41"},
		"not ASCII":           {"session=" + unknownID[2:] + "é"},
		"a space within":      {"session=" + unknownID[13:] + " " + unknownID[12:]},
		"quotes around less":  {`session="` + unknownID[1:] + `"`},
		"one quote":           {`session="` + unknownID[1:]},
		"another name":        {"sessions=" + unknownID + "; xsession=" + unknownID},
		"the name in capital": {"SESSION=" + unknownID},
		"10 kB":               {"session=" + strings.Repeat("A", 10<<10)},
		"10 kB of IDs":        {"session=" + strings.Repeat(unknownID, 10<<10/24)},
		"10 kB of others":     {strings.Repeat("other=value; ", 10<<10/13) + "last=one"},
		"many":                {"session=a; session=b", "session=c", ";;=; session"},
	}
}

func malformedCostsNothing(st *stage) {
	sv := st.serve(Scenario{})
	for what, cookies := range malformed() {
		var header []string
		for _, line := range cookies {
			header = append(header, "Cookie", line)
		}
		sv.cost(what, func() {
			a := sv.visitor().get("/-/note", header...)
			sv.wantOK(a, "")
			sv.wantNoCookie(a)
		})
		sv.cost(what+", and data", func() {
			a := sv.visitor().do("PUT", "/-/note", append(header, "X-Note", "x")...)
			sv.wantStatus(a, http.StatusOK)
			sv.wantCookie(a)
		}, OpCreate)
	}
}

func malformedIsNotTouched(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: func(c Conversation) error { return say(c, "hello") }},
	}})
	for _, cookies := range malformed() {
		var header []string
		for _, line := range cookies {
			header = append(header, "Cookie", line)
		}
		sv.wantOK(sv.visitor().get("/", header...), "hello")
	}
	sv.drain(sv.mgr)
	if calls := sv.store.calls(); len(calls) != 0 {
		sv.Errorf("requests that present no ID and acquire nothing cost %v, want no call", calls)
	}
}

func firstWellFormedCounts(st *stage) {
	sv := st.serve(Scenario{})
	v := sv.returning("found")
	for what, c := range map[string]struct {
		cookies []string
		found   bool
	}{
		"alone":                     {[]string{"session=" + v.id}, true},
		"quoted":                    {[]string{`session="` + v.id + `"`}, true},
		"after one that is no ID":   {[]string{"session=forged; session=" + v.id}, true},
		"after a line with no ID":   {[]string{"session=forged", "session=" + v.id}, true},
		"among others":              {[]string{"a=b; session=" + v.id + "; c=d"}, true},
		"after 10 kB of others":     {[]string{strings.Repeat("other=value; ", 10<<10/13) + "session=" + v.id}, true},
		"after 10 kB that is no ID": {[]string{"session=" + strings.Repeat("A", 10<<10) + "; session=" + v.id}, true},
		"before an unknown one":     {[]string{"session=" + v.id + "; session=" + unknownID}, true},
		"after an unknown one":      {[]string{"session=" + unknownID + "; session=" + v.id}, false},
	} {
		var header []string
		for _, line := range c.cookies {
			header = append(header, "Cookie", line)
		}
		a := sv.visitor().get("/-/note", header...)
		sv.wantStatus(a, http.StatusOK)
		if found := a.body == "found"; found != c.found {
			sv.Errorf("the ID %s: found %v, want %v", what, found, c.found)
		}
	}
}
