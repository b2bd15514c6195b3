package sessiontest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func afterwardsActs() []act {
	return []act{
		{name: "M22/a session used after its request says so", run: usedAfterEnd},
		{name: "M22/a context used after its request says so", run: acquiredAfterEnd},
		{name: "M22/no goroutine stays", run: noGoroutineStays},
	}
}

func usedAfterEnd(st *stage) {
	sessions := make(chan *session.Session, 1)
	keep := func(c Conversation, s *session.Session) error {
		tell(st, sessions, s)
		return say(c, "done")
	}
	var routes []Route
	for _, mode := range modes {
		routes = append(routes, Route{Method: "GET", Path: "/" + mode.String(), Handler: in(mode, keep)})
	}
	sv := st.serve(Scenario{Routes: routes})
	for _, mode := range modes {
		for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
			sv.wantOK(v.get("/"+mode.String()), "done")
			s := await(st, sessions, "the handler")
			ctx := context.Background()
			_, getErr := note.Get(s)
			_, _, lookupErr := note.Lookup(s)
			_, _, takeErr := note.Take(s)
			for what, err := range map[string]error{
				"Get":        getErr,
				"Lookup":     lookupErr,
				"Take":       takeErr,
				"Set":        note.Set(s, "late"),
				"Update":     note.Update(s, func(string) string { return "late" }),
				"Key.Delete": note.Delete(s),
				"Delete":     s.Delete("note"),
				"Clear":      s.Clear(),
				"SetTimeout": s.SetTimeout(time.Hour),
				"SetOwner":   s.SetOwner("somebody"),
				"Remember":   s.Remember(true),
				"Save":       s.Save(ctx),
				"Renew":      s.Renew(),
				"Abandon":    s.Abandon(),
			} {
				st.wantError(what+" after the request, "+mode.String(), err, session.ErrReleased)
			}
			if s.Len() != 0 || s.Has("note") || len(s.Keys()) != 0 || s.Owner() != "" || s.Timeout() != 0 {
				sv.Errorf("%v: a session still has items, an owner or a timeout after its request", mode)
			}
			if v.id != "" {
				v.wantNote("old")
			}
		}
	}
}

func acquiredAfterEnd(st *stage) {
	contexts := make(chan context.Context, 1)
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/acquired", Handler: in(session.Exclusive, func(c Conversation, _ *session.Session) error {
			tell(st, contexts, c.Context())
			return say(c, "done")
		})},
		{Method: "GET", Path: "/untouched", Handler: func(c Conversation) error {
			tell(st, contexts, c.Context())
			return say(c, "done")
		}},
	}})
	v := sv.returning("old")
	for _, path := range []string{"/acquired", "/untouched"} {
		sv.wantOK(v.get(path), "done")
		ctx := await(st, contexts, "the handler")
		for _, mode := range modes {
			_, err := session.Acquire(ctx, mode)
			st.wantError("Acquire after the request, "+mode.String(), err, session.ErrNoSession)
			_, err = sv.mgr.Acquire(ctx, mode)
			st.wantError("Manager.Acquire after the request, "+mode.String(), err, session.ErrNoSession)
		}
	}
	v.wantUsable()
}

// noGoroutineStays makes requests of each kind, again and again, and compares
// the goroutines that came from the server.
func noGoroutineStays(st *stage) {
	label := fmt.Sprintf("kit-%p", st)
	pprof.Do(context.Background(), pprof.Labels("sessiontest", label), func(context.Context) {
		running := make(chan struct{})
		fails, failures := st.endingWith(failures(), func(c Conversation, s *session.Session) error { return note.Set(s, "x") })
		holding, letGo := make(chan struct{}), make(chan struct{})
		sv := st.serve(Scenario{Recovered: func(any) {}, Routes: append(fails,
			Route{Method: "GET", Path: "/", Handler: func(c Conversation) error { return say(c, "hello") }},
			Route{Method: "GET", Path: "/leave", Handler: st.afterClientLeft(running, func(_ Conversation, s *session.Session) {
				st.try("Set", note.Set(s, "x"))
			})},
			Route{Method: "POST", Path: "/hold", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
				tell(st, holding, struct{}{})
				await(st, letGo, "others wait")
				return say(c, "held")
			})},
			Route{Method: "POST", Path: "/abandon", Handler: in(session.Snapshot, func(c Conversation, s *session.Session) error {
				st.try("Abandon", s.Abandon())
				return say(c, "gone")
			})},
		)}, func(cfg *session.Config) {
			cfg.RequestQueueLimit = 1
		})
		other := st.serveOn(sv.store, Scenario{}, func(cfg *session.Config) { cfg.AcquireTimeout = 20 * time.Millisecond })
		round := func() {
			v := sv.returning("x")
			v.get("/")
			for i, e := range failures {
				v.do("POST", pathOf(e, i, session.Exclusive))
			}
			if st.want.Disconnect {
				v.leaving("/leave", running, nil)
			}
			held := v.again().asking("POST", "/hold")
			await(st, holding, "the session is held")
			leave, left := v.waitingToLeave("PUT", "/-/note", "") // and one is refused
			together(3, func(int) {
				v.at(other).do("PUT", "/-/note", "X-Note", "x") // times out
			})
			leave()
			await(st, left, "the client's end")
			tell(st, letGo, struct{}{})
			await(st, held, "the holder's reply")
			v.do("POST", "/abandon")
			sv.client.CloseIdleConnections()
			other.client.CloseIdleConnections()
		}
		wantSteady(st, label, round)
	})
}

// wantSteady reports a round that leaves goroutines behind with that label. A
// server's workers and a store's connections may have some that stay, and become
// more as they are needed; but not for ever.
func wantSteady(st *stage, label string, round func()) {
	st.Helper()
	const rounds = 10
	round() // for what starts with the first
	var more int
	for range 4 {
		before := atRest(st, label)
		for range rounds {
			round()
		}
		if more = atRest(st, label) - before; more <= 0 {
			return
		}
	}
	st.Errorf("%d goroutines stay behind after %d requests of each kind, and that each time:\n%s", more, rounds, profile(st))
}

var labelled = regexp.MustCompile(`(?m)^(\d+) @.*\n# labels: (.*)$`)

// goroutines counts those with that label, which they have from their
// parents: other acts run meanwhile.
func goroutines(st *stage, label string) (n int) {
	for _, group := range labelled.FindAllStringSubmatch(profile(st), -1) {
		if strings.Contains(group[2], strconv.Quote(label)) {
			k, err := strconv.Atoi(group[1])
			st.try("reading the goroutine profile", err)
			n += k
		}
	}
	return n
}

// atRest counts them when they have not become fewer for a while: those of
// connections that are being closed must not be taken for such that are there
// for good, or a leak hides behind them. A while is how often this goroutine
// has had its turn, which says that the others have had theirs, however busy
// the machine is.
func atRest(st *stage, label string) int {
	const turns = 30
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	least := goroutines(st, label)
	for same := 0; same < turns; same++ {
		<-ticker.C
		if n := goroutines(st, label); n < least {
			least, same = n, 0
		}
	}
	return least
}

func profile(st *stage) string {
	var text bytes.Buffer
	st.try("goroutine profile", pprof.Lookup("goroutine").WriteTo(&text, 1))
	return text.String()
}

// wantError reports an error that is not want.
func (st *stage) wantError(what string, err, want error) {
	st.Helper()
	if !errors.Is(err, want) {
		st.Errorf("%s: got %v, want %v", what, err, want)
	}
}
