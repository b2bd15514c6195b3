package sessiontest

import (
	"fmt"
	"net/http"
	"sync/atomic"

	session "github.com/sessionstate/sessionstate/core"
)

func queueActs() []act {
	return []act{
		{name: "M6/of 200 at once, one runs, 50 wait, 149 are refused", run: queueIsExact},
		{name: "M2/readers wait for the writer that is under way, not for each other", run: readersAndWriter},
		{name: "M3/a Snapshot never waits", run: snapshotNeverWaits},
	}
}

func queueIsExact(st *stage) {
	const requests, limit = 200, 50
	var running, ran atomic.Int64
	var crowded atomic.Bool
	holding, letGo := make(chan struct{}, requests), make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Require: []session.Mode{session.Exclusive}, Handler: func(c Conversation) error {
			if running.Add(1) > 1 {
				crowded.Store(true)
			}
			defer running.Add(-1)
			ran.Add(1)
			tell(st, holding, struct{}{})
			await(st, letGo, "all others have come")
			st.try("Update", count.Update(c.From(), func(n int) int { return n + 1 }))
			return say(c, "had")
		}},
		{Method: "GET", Path: "/count", Handler: in(session.Snapshot, showCount)},
	}})
	v := sv.returning("old")
	replies := make(chan reply, requests)
	for range requests {
		tab := v.again()
		go func() { replies <- tab.do("POST", "/") }() // ends with the client's Timeout
	}
	await(st, holding, "one runs")
	for range requests - limit - 1 {
		a := await(st, replies, "those that find the queue full are refused at once")
		if a.Response == nil {
			break
		}
		sv.wantDropped(a, http.StatusTooManyRequests)
		sv.wantNoCookie(a)
	}
	if n := ran.Load(); n != 1 {
		sv.Errorf("%d requests hold the session at once", n)
	}
	close(letGo)
	for range limit + 1 {
		if a := await(st, replies, "those that wait get their turn"); a.Response != nil {
			sv.wantOK(a, "had")
		}
	}
	if crowded.Load() {
		sv.Errorf("several requests held the session at once")
	}
	sv.wantOK(v.get("/count"), fmt.Sprint(limit+1))
}

func readersAndWriter(st *stage) {
	holding, letGo := make(chan struct{}), make(chan struct{})
	reading, goOn := make(chan struct{}), make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/hold", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			tell(st, holding, struct{}{})
			await(st, letGo, "others wait")
			st.try("Set", note.Set(s, "new"))
			return say(c, "held")
		})},
		{Method: "GET", Path: "/read", Handler: in(session.ReadOnly, showNote)},
		{Method: "GET", Path: "/together", Handler: in(session.ReadOnly, func(c Conversation, s *session.Session) error {
			tell(st, reading, struct{}{})
			await(st, goOn, "all readers and a writer")
			return showNote(c, s)
		})},
	}}, func(cfg *session.Config) { cfg.RequestQueueLimit = 1 })
	v := sv.returning("old")

	// Readers are at it together, and keep no writer out.
	var replies []<-chan reply
	for range 3 {
		replies = append(replies, v.again().asking("GET", "/together"))
	}
	for range replies {
		await(st, reading, "readers are at it together")
	}
	sv.wantStatus(v.do("PUT", "/-/note", "X-Note", "written meanwhile"), http.StatusOK)
	close(goOn)
	for _, r := range replies {
		sv.wantOK(await(st, r, "the reader's reply"), "old")
	}

	// A reader that comes while a writer is at it sees what that one stores.
	written := v.again().asking("POST", "/hold")
	await(st, holding, "the session is held")
	read := v.waiting("GET", "/read")
	close(letGo)
	sv.wantOK(await(st, written, "the writer's reply"), "held")
	sv.wantOK(await(st, read, "the reader's reply"), "new")
}

func snapshotNeverWaits(st *stage) {
	letGo := make(chan struct{})
	v, holder := st.held(letGo)
	for range 3 {
		v.wantNote("old")
	}
	close(letGo)
	v.wantOK(await(st, holder, "the holder's reply"), "held")
}

func counterActs() []act {
	return []act{
		{name: "M1/3200 increments, Exclusive", run: func(st *stage) { st.increments(session.Exclusive, 1) }},
		{name: "M1/3200 increments, Exclusive, by two processes", run: func(st *stage) { st.increments(session.Exclusive, 2) }},
		{name: "M4/3200 increments, Concurrent", run: func(st *stage) { st.increments(session.Concurrent, 1) }},
		{name: "M4/3200 increments, Concurrent, by two processes", run: func(st *stage) { st.increments(session.Concurrent, 2) }},
		{name: "M4/changes of different keys both win", run: differentKeys},
		{name: "M21/round trips", run: roundTrips},
	}
}

// increments has 64 clients increment one counter 50 times each.
func (st *stage) increments(mode session.Mode, processes int) {
	const clients, each = 64, 50
	store := st.newBacking()
	var servers []*server
	for range processes {
		servers = append(servers, st.serveOn(store, Scenario{Routes: []Route{
			{Method: "POST", Path: "/", Handler: in(mode, func(c Conversation, s *session.Session) error {
				if mode == session.Concurrent {
					st.try("Update", count.Update(s, func(n int) int { return n + 1 }))
					return say(c, "counted")
				}
				n, err := count.Get(s)
				st.try("Get", err)
				st.try("Set", count.Set(s, n+1))
				return say(c, "counted")
			})},
			{Method: "GET", Path: "/count", Handler: in(session.Snapshot, showCount)},
		}}, func(cfg *session.Config) { cfg.RequestQueueLimit = -1 }))
	}
	v := servers[0].returning("counting")
	together(clients, func(i int) {
		tab := v.at(servers[i%processes])
		for range each {
			if a := tab.do("POST", "/"); a.StatusCode != http.StatusOK || a.body != "counted" {
				st.Errorf("an increment got status %d (body %.80q)", a.StatusCode, a.body)
				return
			}
		}
	})
	v.wantOK(v.get("/count"), fmt.Sprint(clients*each))
}

func differentKeys(st *stage) {
	ready, goOn := make(chan struct{}), make(chan struct{})
	both := func(change func(*session.Session) error) func(Conversation) error {
		return in(session.Concurrent, func(c Conversation, s *session.Session) error {
			st.try("change", change(s))
			tell(st, ready, struct{}{})
			await(st, goOn, "the other request")
			return say(c, "done")
		})
	}
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/note", Handler: both(func(s *session.Session) error { return note.Set(s, "mine") })},
		{Method: "POST", Path: "/count", Handler: both(func(s *session.Session) error { return count.Set(s, 3) })},
		{Method: "GET", Path: "/count", Handler: in(session.Snapshot, showCount)},
	}})
	v := sv.returning("old")
	one, two := v.again().asking("POST", "/note"), v.again().asking("POST", "/count")
	await(st, ready, "one request")
	await(st, ready, "both requests")
	close(goOn)
	sv.wantOK(await(st, one, "a reply"), "done")
	sv.wantOK(await(st, two, "a reply"), "done")
	v.wantNote("mine")
	sv.wantOK(v.get("/count"), "3")
}

func roundTrips(st *stage) {
	look := func(c Conversation, _ *session.Session) error { return say(c, "looked") }
	put := func(c Conversation, s *session.Session) error {
		st.try("Update", count.Update(s, func(n int) int { return n + 1 }))
		return say(c, "put")
	}
	same := func(c Conversation, s *session.Session) error {
		st.try("Set", note.Set(s, "old"))
		return say(c, "same")
	}
	var routes []Route
	for _, mode := range modes {
		routes = append(routes, Route{Method: "GET", Path: "/" + mode.String(), Handler: in(mode, look)})
	}
	for _, mode := range writing {
		routes = append(routes,
			Route{Method: "POST", Path: "/" + mode.String(), Handler: in(mode, put)},
			Route{Method: "PUT", Path: "/" + mode.String(), Handler: in(mode, same)})
	}
	sv := st.serve(Scenario{Routes: routes})
	v := sv.returning("old")
	for _, c := range []struct {
		method string
		mode   session.Mode
		ops    []Op
	}{
		{"GET", session.ReadOnly, []Op{OpLoad}},
		{"GET", session.Snapshot, []Op{OpLoad}},
		{"GET", session.Concurrent, []Op{OpLoad}},
		{"GET", session.Exclusive, []Op{OpAcquire, OpRelease}},
		{"PUT", session.Exclusive, []Op{OpAcquire, OpRelease}}, // set to what it was
		{"PUT", session.Concurrent, []Op{OpLoad}},
		{"POST", session.Exclusive, []Op{OpAcquire, OpSave}},
		{"POST", session.Concurrent, []Op{OpLoad, OpSwap}},
	} {
		sv.cost(c.method+" "+c.mode.String(), func() {
			sv.wantStatus(v.do(c.method, "/"+c.mode.String()), http.StatusOK)
		}, c.ops...)
	}
}
