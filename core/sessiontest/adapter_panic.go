package sessiontest

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	session "github.com/sessionstate/sessionstate/core"
)

func panicActs() []act {
	return []act{
		{name: "A4/a panic goes on up unchanged", run: panicGoesUp},
		{name: "A4/a panic in Config.Discard keeps no lock", run: panicInDiscard},
		{name: "A4/a panic in the store keeps no lock", run: panicInStore},
		{name: "A4/a panic in Key.Update keeps no lock", run: panicInUpdate},
	}
}

// panicGoesUp panics at each stage of a request with each kind of value.
func panicGoesUp(st *stage) {
	values := []any{"a text", errPlain, http.ErrAbortHandler, &struct{ n int }{7}, 42}
	set := func(s *session.Session) { st.try("Set", note.Set(s, "dropped")) }
	stages := []struct {
		name  string
		needs AdapterWant
		begun bool // the reply has
		until func(Conversation)
	}{
		{name: "before Acquire", until: func(Conversation) {}},
		{name: "after Acquire", until: func(c Conversation) {
			_, err := c.Acquire()
			st.try("Acquire", err)
		}},
		{name: "with changes", until: func(c Conversation) {
			s, err := c.Acquire()
			st.try("Acquire", err)
			set(s)
		}},
		{name: "with a reply that is held", until: func(c Conversation) {
			s, err := c.Acquire()
			st.try("Acquire", err)
			set(s)
			c.SetReplyHeader("Etag", `"held"`)
			write(c, "held")
		}},
		{name: "after Release", until: func(c Conversation) {
			s, err := c.Acquire()
			st.try("Acquire", err)
			st.try("Release", s.Release(c.Context()))
		}},
		{name: "after Flush", needs: AdapterWant{Flush: true}, begun: true, until: func(c Conversation) {
			s, err := c.Acquire()
			st.try("Acquire", err)
			write(c, "held")
			st.try("Flush", c.Flush())
			set(s)
		}},
	}
	var routes []Route
	for i, at := range stages {
		for j, value := range values {
			routes = append(routes, Route{Method: "POST", Path: fmt.Sprintf("/%d/%d", i, j), Handler: func(c Conversation) error {
				at.until(c)
				panic(value)
			}})
		}
	}
	sv := st.serve(Scenario{Routes: routes, Recovered: func(any) {}})
	v := sv.returning("old")
	for i, at := range stages {
		if !at.needs.within(st.want) {
			continue
		}
		for j, value := range values {
			before, _ := sv.panics.all()
			a := v.ask("POST", fmt.Sprintf("/%d/%d", i, j))
			if after, _ := sv.panics.all(); !slices.Equal(after[len(before):], []any{value}) {
				sv.Errorf("%s: the recoverer saw %v, want %v once", at.name, after[len(before):], value)
			}
			if !at.begun {
				sv.wantDropped(a, http.StatusInternalServerError)
			}
			sv.wantNoCookie(a)
			if a := v.get("/-/note"); a.body != "old" {
				sv.Errorf("%s: the note is %q, want the change discarded", at.name, a.body)
			}
			// A lock that is left behind would make this wait.
			sv.wantStatus(v.do("PUT", "/-/note", "X-Note", "old"), http.StatusOK)
		}
	}
}

// wantFree reports a session that another process cannot have at once.
func (v *visitor) wantFree() {
	v.Helper()
	v.at(v.serveOn(v.store, Scenario{})).wantUsable()
}

func panicInDiscard(st *stage) {
	sv := st.serve(Scenario{Recovered: func(any) {}}, func(cfg *session.Config) {
		cfg.Discard = func(session.Outcome) bool { panic(errPlain) }
	})
	v := st.serveOn(sv.store, Scenario{}).returning("old").at(sv)
	a := v.do("PUT", "/-/note", "X-Note", "new")
	sv.wantStatus(a, http.StatusInternalServerError)
	sv.wantNoCookie(a)
	if seen, _ := sv.panics.all(); !slices.Equal(seen, []any{errPlain}) {
		sv.Errorf("the recoverer saw %v, want %v once", seen, errPlain)
	}
	v.wantFree()
}

func panicInStore(st *stage) {
	sv := st.serve(Scenario{Recovered: func(any) {}})
	v := sv.returning("old")
	sv.store.on(OpSave, func(context.Context) error { panic(errPlain) })
	a := v.do("PUT", "/-/note", "X-Note", "new")
	if a.StatusCode < 500 {
		sv.Errorf("got status %d for a save that panicked, want 5xx", a.StatusCode)
	}
	sv.wantNoCookie(a)
	sv.store.up()
	v.wantNote("old")
	v.wantFree()
	v.wantUsable()
}

// panicInUpdate lets a function that Concurrent mode runs again at a conflict
// panic at that time: then the request may hold the lock.
func panicInUpdate(st *stage) {
	var runs int // the handler and the hook are one goroutine
	sv := st.serve(Scenario{
		Recovered: func(any) {},
		Routes: []Route{
			{Method: "POST", Path: "/", Handler: in(session.Concurrent, func(c Conversation, s *session.Session) error {
				st.try("Update", count.Update(s, func(n int) int {
					if runs++; runs > 1 {
						panic(errPlain)
					}
					return n + 1
				}))
				return say(c, "done")
			})},
		},
	})
	v := sv.returning("old")
	sv.store.on(OpSwap, func(context.Context) error { return session.ErrConflict })
	a := v.do("POST", "/")
	sv.wantStatus(a, http.StatusInternalServerError)
	if runs < 2 {
		sv.Errorf("Update was run %d times, want again after a conflict", runs)
	}
	if seen, _ := sv.panics.all(); !slices.Equal(seen, []any{errPlain}) {
		sv.Errorf("the recoverer saw %v, want %v once", seen, errPlain)
	}
	sv.store.up()
	v.wantNote("old")
	v.wantFree()
	v.wantUsable()
}
