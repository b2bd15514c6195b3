package sessiontest

import (
	"context"
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

func revokeActs() []act {
	return []act{
		{name: "M15/logged out everywhere, no request in flight brings a session back", run: revokedInFlight},
	}
}

// revokedInFlight holds requests of an owner's sessions, in every mode, while
// all sessions of the owner are ended from outside. Then some of them try to
// change theirs, under a new ID as well.
func revokedInFlight(st *stage) {
	holding, goOn := make(chan struct{}), make(chan struct{})
	var routes []Route
	hold := func(mode session.Mode, early, renew bool) func(Conversation) error {
		return in(mode, func(c Conversation, s *session.Session) error {
			change := func() {
				if mode == session.Exclusive || mode == session.Concurrent {
					st.try("Set", note.Set(s, "back from the dead"))
				}
				if renew {
					st.try("Renew", s.Renew())
				}
			}
			if early { // before it ends
				change()
			}
			tell(st, holding, struct{}{})
			await(st, goOn, "the owner is logged out")
			if !early {
				change()
			}
			return say(c, "held")
		})
	}
	writes := func(mode session.Mode) bool { return mode == session.Exclusive || mode == session.Concurrent }
	type request struct {
		path   string
		writes bool
	}
	var requests []request
	for _, mode := range modes {
		for _, early := range []bool{false, true} {
			for _, renew := range []bool{false, true} {
				if !writes(mode) && (early || renew) {
					continue
				}
				path := "/" + mode.String()
				if early {
					path += "/early"
				}
				if renew {
					path += "/renew"
				}
				requests = append(requests, request{path, writes(mode)})
				routes = append(routes, Route{Method: "POST", Path: path, Handler: hold(mode, early, renew)})
			}
		}
	}
	sv := st.serve(Scenario{Routes: append(routes,
		Route{Method: "POST", Path: "/owner", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("SetOwner", s.SetOwner("ada"))
			return say(c, "yours")
		})})})
	if _, ok := sv.store.plain.(session.OwnerIndex); !ok {
		st.Skip("the store finds no sessions by their owner")
	}
	var ids []string
	var replies []<-chan reply
	for _, r := range requests {
		v := sv.returning("old")
		sv.wantOK(v.do("POST", "/owner"), "yours")
		ids = append(ids, v.id)
		replies = append(replies, v.asking("POST", r.path))
		await(st, holding, "a request holds its session")
	}
	stranger := sv.returning("another's")
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	n, err := sv.mgr.RevokeOwner(ctx, "ada")
	st.try("RevokeOwner", err)
	if n != len(requests) {
		sv.Errorf("RevokeOwner ended %d sessions, want %d", n, len(requests))
	}
	close(goOn)
	for i, r := range requests {
		a := await(st, replies[i], "the reply of a request in flight")
		sv.wantNoID(a)
		if r.writes {
			sv.wantStatus(a, http.StatusConflict)
		} else {
			sv.wantOK(a, "held")
		}
	}
	for _, id := range ids {
		(&visitor{sv, id}).wantNote("")
	}
	left, err := sv.mgr.SessionsOf(ctx, "ada")
	st.try("SessionsOf", err)
	if len(left) > 0 {
		sv.Errorf("the owner has %d sessions again", len(left))
	}
	stranger.wantNote("another's")
}
