package sessiontest

import (
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

func flashActs() []act {
	return []act{
		{name: "M1/what is taken is got once", run: takenOnce},
		{name: "M13/what a handler took that failed is still there", run: takenInVain},
	}
}

// taking is a handler that takes the note, and says it.
func (st *stage) taking(status int) func(Conversation, *session.Session) error {
	return func(c Conversation, s *session.Session) error {
		text, found, err := note.Take(s)
		st.try("Take", err)
		if found != (text != "") {
			st.Errorf("Take says that there is a value: %v, and returns %q", found, text)
		}
		c.WriteHeader(status)
		return say(c, text)
	}
}

// takenOnce has several tabs ask at once for what is shown once: one gets it,
// and who comes later does not.
func takenOnce(st *stage) {
	const tabs = 6
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, st.taking(http.StatusOK))},
	}})
	for range 3 {
		v := sv.returning("shown once")
		got := new(journalOf[string])
		together(tabs, func(int) {
			a := v.again().do("POST", "/")
			sv.wantStatus(a, http.StatusOK)
			if a.body != "" {
				got.add(a.body)
			}
		})
		if texts, _ := got.all(); len(texts) != 1 || texts[0] != "shown once" {
			sv.Errorf("of %d tabs %d got the value that was to be taken once: %q", tabs, len(texts), texts)
		}
		v.wantNote("")
	}
}

// takenInVain: a client that got an error page instead has seen nothing.
func takenInVain(st *stage) {
	var routes []Route
	for _, mode := range writing {
		routes = append(routes,
			Route{Method: "POST", Path: "/failing/" + mode.String(), Handler: in(mode, st.taking(http.StatusServiceUnavailable))},
			Route{Method: "POST", Path: "/" + mode.String(), Handler: in(mode, st.taking(http.StatusOK))})
	}
	sv := st.serve(Scenario{Routes: routes})
	for _, mode := range writing {
		v := sv.returning("shown once")
		sv.wantStatus(v.do("POST", "/failing/"+mode.String()), http.StatusServiceUnavailable)
		v.wantNote("shown once")
		sv.wantOK(v.do("POST", "/"+mode.String()), "shown once")
		sv.wantOK(v.do("POST", "/"+mode.String()), "")
	}
}
