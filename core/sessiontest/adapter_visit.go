package sessiontest

import (
	"fmt"
	"slices"
	"strings"

	session "github.com/sessionstate/sessionstate/core"
)

func visitActs() []act {
	return []act{
		{name: "A10/a visit, step by step", run: visit},
	}
}

// step is a request of a visit, and all that comes of it.
type step struct {
	method, path string
	status       int
	body         string
	cookie       string // as summary has it
	ops          []Op
	events       []session.EventKind
	note         string // as stored afterwards
}

// visit is one client's way through a service. Every framework must give the
// same replies, make the same calls of the store and report the same events.
func visit(st *stage) {
	put := func(text string, end func(Conversation) error) func(Conversation) error {
		return in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, text))
			return end(c)
		})
	}
	done := func(c Conversation) error { return say(c, "done") }
	sv := st.serve(Scenario{
		Recovered: func(any) {},
		Routes: []Route{
			{Method: "GET", Path: "/health", Handler: done},
			{Method: "GET", Path: "/look", Require: []session.Mode{session.ReadOnly}, Handler: func(c Conversation) error { return showNote(c, c.From()) }},
			{Method: "POST", Path: "/put", Handler: put("first", done)},
			{Method: "POST", Path: "/wrong", Handler: put("second", func(c Conversation) error { return c.Error(400, "wrong") })},
			{Method: "POST", Path: "/broken", Handler: put("dropped", func(c Conversation) error { return c.Error(500, "broken") })},
			{Method: "POST", Path: "/panic", Handler: put("dropped", func(Conversation) error { panic(errPlain) })},
			{Method: "POST", Path: "/login", Handler: in(session.Exclusive, login(st))},
			{Method: "POST", Path: "/together", Handler: in(session.Concurrent, func(c Conversation, s *session.Session) error {
				st.try("Update", note.Update(s, func(text string) string { return text + " again" }))
				return c.Redirect(303, "/look")
			})},
			{Method: "POST", Path: "/logout", Require: []session.Mode{session.Exclusive}, Handler: func(c Conversation) error {
				st.try("Abandon", c.From().Abandon())
				return say(c, "bye")
			}},
		},
	})
	const (
		acquired, saved, released = session.EventAcquired, session.EventSaved, session.EventReleased
	)
	v := sv.visitor()
	for _, want := range []step{
		{method: "GET", path: "/health", status: 200, body: "done"},
		{method: "GET", path: "/look", status: 200, events: []session.EventKind{acquired, released}},
		{method: "POST", path: "/broken", status: 500, events: []session.EventKind{acquired, released}},
		{method: "POST", path: "/put", status: 200, body: "done", cookie: "an ID", ops: []Op{OpCreate},
			events: []session.EventKind{acquired, saved, released}, note: "first"},
		{method: "GET", path: "/look", status: 200, body: "first", ops: []Op{OpLoad},
			events: []session.EventKind{acquired, released}, note: "first"},
		{method: "POST", path: "/wrong", status: 400, ops: []Op{OpAcquire, OpSave},
			events: []session.EventKind{acquired, saved, released}, note: "second"},
		{method: "POST", path: "/broken", status: 500, ops: []Op{OpAcquire, OpRelease},
			events: []session.EventKind{acquired, released}, note: "second"},
		{method: "POST", path: "/panic", status: 500, ops: []Op{OpAcquire, OpRelease},
			events: []session.EventKind{acquired, released}, note: "second"},
		{method: "POST", path: "/login", status: 200, body: "welcome", cookie: "an ID", ops: []Op{OpAcquire, OpSave},
			events: []session.EventKind{acquired, saved, released}, note: "logged in"},
		{method: "POST", path: "/together", status: 303, ops: []Op{OpLoad, OpSwap},
			events: []session.EventKind{acquired, saved, released}, note: "logged in again"},
		{method: "POST", path: "/logout", status: 200, body: "bye", cookie: "removing", ops: []Op{OpAcquire, OpRemove},
			events: []session.EventKind{acquired, saved, released}},
		{method: "GET", path: "/look", status: 200, events: []session.EventKind{acquired, released}},
	} {
		what := want.method + " " + want.path
		before, _ := sv.events.all()
		var a reply
		sv.cost(what, func() { a = v.do(want.method, want.path) }, want.ops...)
		after, _ := sv.events.all()
		sv.wantStatus(a, want.status)
		if want.body != "" && a.body != want.body {
			sv.Errorf("%s: got the body %.80q, want %q", what, a.body, want.body)
		}
		if got := summary(a.cookies(cookieName)); got != want.cookie {
			sv.Errorf("%s: got the cookie %q, want %q", what, got, want.cookie)
		}
		var kinds []session.EventKind
		for _, e := range after[len(before):] {
			if e.Kind != session.EventStoreCall { // these are counted above
				kinds = append(kinds, e.Kind)
			}
		}
		if !slices.Equal(kinds, want.events) {
			sv.Errorf("%s: got the events %s, want %s", what, listed(kinds), listed(want.events))
		}
		v.wantNote(want.note)
	}
}

func listed(kinds []session.EventKind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, fmt.Sprint(k))
	}
	return strings.Join(names, ", ")
}
