package sessiontest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func departureActs() []act {
	gone := AdapterWant{Disconnect: true}
	return []act{
		{name: "M20/a client that goes away does not abort the save", run: savedForTheGone},
		{name: "M20/a client that goes away during the save does not abort it", needs: gone, run: savedWhileGoing},
		{name: "M20/no new session for a client that went away", needs: gone, run: noSessionForTheGone},
		{name: "M16/no Renew for a client that went away", needs: gone, run: noRenewForTheGone},
	}
}

// leaving makes a request and goes away when the handler has said on running
// that it runs; then it lets the handler go on. It returns when the request
// has given its session back.
func (v *visitor) leaving(path string, running <-chan struct{}, goOn chan<- struct{}) {
	v.Helper()
	before := len(v.events.of(session.EventReleased))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan reply, 1)
	go func() { done <- v.again().askCtx(ctx, "GET", path, nil) }() // ends with cancel
	await(v.stage, running, "the handler runs")
	cancel()
	if a := await(v.stage, done, "the client's end"); a.err == nil {
		v.Errorf("a client that went away got a reply")
	}
	if goOn != nil {
		close(goOn)
	}
	v.released(before + 1)
}

// released waits until that many requests have given their sessions back.
func (sv *server) released(n int) {
	sv.Helper()
	until(sv.stage, &sv.events.journalOf, "a request gives its session back", func(events []session.Event) bool {
		left := n
		for _, e := range events {
			if e.Kind == session.EventReleased {
				left--
			}
		}
		return left <= 0
	})
}

// untilGone waits until the client of a request has gone away.
func (st *stage) untilGone(request context.Context) {
	st.Helper()
	await(st, request.Done(), "the request's context ends with its client (AdapterWant.Disconnect)")
}

// afterClientLeft is a handler that goes on when its client is gone.
func (st *stage) afterClientLeft(running chan<- struct{}, change func(Conversation, *session.Session)) func(Conversation) error {
	return in(session.Exclusive, func(c Conversation, s *session.Session) error {
		change(c, s)
		tell(st, running, struct{}{})
		st.untilGone(c.Context())
		return say(c, "to nobody")
	})
}

func savedForTheGone(st *stage) {
	running, goOn := make(chan struct{}), make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "saved"))
			tell(st, running, struct{}{})
			if st.want.Disconnect {
				st.untilGone(c.Context())
			}
			await(st, goOn, "the client goes away")
			return say(c, "to nobody")
		})},
	}})
	v := sv.returning("old")
	v.leaving("/", running, goOn)
	v.wantNote("saved")
	v.wantUsable()
}

func savedWhileGoing(st *stage) {
	saving, contexts := make(chan struct{}), make(chan context.Context, 1)
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "saved"))
			tell(st, contexts, c.Context())
			return say(c, "to nobody")
		})},
	}})
	v := sv.returning("old")
	sv.store.on(OpSave, func(ctx context.Context) error {
		request := <-contexts
		tell(st, saving, struct{}{})
		st.untilGone(request)
		return ctx.Err()
	})
	v.leaving("/", saving, nil)
	sv.store.on(OpSave, nil)
	v.wantNote("saved")
	v.wantUsable()
}

func noSessionForTheGone(st *stage) {
	running := make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: st.afterClientLeft(running, func(c Conversation, s *session.Session) {
			st.try("Set", note.Set(s, "orphan"))
		})},
	}})
	sv.visitor().leaving("/", running, nil)
	sv.drain(sv.mgr)
	if calls := sv.store.calls(); len(calls) != 0 {
		sv.Errorf("a new session whose client is gone cost %v, want no call", calls)
	}
}

func noRenewForTheGone(st *stage) {
	running := make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: st.afterClientLeft(running, func(c Conversation, s *session.Session) {
			st.try("Set", note.Set(s, "logged in"))
			st.try("Renew", s.Renew())
		})},
	}})
	v := sv.returning("guest")
	v.leaving("/", running, nil)
	v.wantNote("guest")
	v.wantUsable()
}

func waitingActs() []act {
	return []act{
		{name: "A6/a client that goes away leaves the queue", needs: AdapterWant{Disconnect: true}, run: leavesQueue},
		{name: "A6/a client whose body was read leaves the queue", needs: AdapterWant{Disconnect: true}, run: readerLeavesQueue},
		{name: "A6/a wait ends at AcquireTimeout", run: acquireTimesOut},
		{name: "A6/an unread body does not prolong the wait", run: unreadBodyTimesOut},
	}
}

// held starts a server where one waits, at most, and holds the session there
// until letGo is closed.
func (st *stage) held(letGo <-chan struct{}, set ...func(*session.Config)) (v *visitor, holder <-chan reply) {
	st.Helper()
	holding := make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/hold", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			close(holding)
			await(st, letGo, "others wait")
			return say(c, "held")
		})},
		{Method: "POST", Path: "/read", Handler: func(c Conversation) error {
			body, err := c.ReadBody()
			st.try("ReadBody", err)
			if len(body) > 0 && string(body) != "a body" {
				st.Errorf("got the request's body %q, want %q", body, "a body")
			}
			return in(session.Exclusive, func(c Conversation, _ *session.Session) error { return say(c, "read") })(c)
		}},
		{Method: "POST", Path: "/require", Require: []session.Mode{session.Exclusive}, Handler: func(c Conversation) error {
			return say(c, "had")
		}},
	}}, append(set, func(cfg *session.Config) { cfg.RequestQueueLimit = 1 })...)
	v = sv.returning("old")
	holder = v.again().asking("POST", "/hold")
	await(st, holding, "the session is held")
	return v, holder
}

// waitingToLeave makes a request that waits, as waiting does, and returns when
// it waits. cancel makes its client go away.
func (v *visitor) waitingToLeave(method, path, body string) (cancel func(), left <-chan reply) {
	v.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	v.Cleanup(cancel)
	both := make(chan reply, 2)
	for range 2 {
		tab := v.again()
		go func() { both <- tab.askCtx(ctx, method, path, strings.NewReader(body)) }() // ends with cancel
	}
	v.wantStatus(await(v.stage, both, "of two requests, one is refused"), http.StatusTooManyRequests)
	return cancel, both
}

// refused waits until an Acquire has failed with one of these errors.
func (sv *server) refused(errs ...error) {
	sv.Helper()
	until(sv.stage, &sv.events.journalOf, "an Acquire that fails", func(events []session.Event) bool {
		for _, e := range events {
			for _, err := range errs {
				if e.Kind == session.EventAcquireFailed && errors.Is(e.Err, err) {
					return true
				}
			}
		}
		return false
	})
}

func leavesQueue(st *stage) {
	letGo := make(chan struct{})
	v, holder := st.held(letGo)
	cancel, left := v.waitingToLeave("PUT", "/-/note", "")
	cancel()
	if a := await(st, left, "the client's end"); a.err == nil {
		v.Errorf("a client that went away got a reply")
	}
	v.refused(context.Canceled)
	waited := v.waiting("PUT", "/-/note", "X-Note", "next") // there is room for another
	close(letGo)
	v.wantOK(await(st, holder, "the holder's reply"), "held")
	v.wantStatus(await(st, waited, "the next waiter's reply"), http.StatusOK)
	v.wantNote("next")
}

func readerLeavesQueue(st *stage) {
	letGo := make(chan struct{})
	v, holder := st.held(letGo)
	cancel, left := v.waitingToLeave("POST", "/read", "a body")
	cancel()
	await(st, left, "the client's end")
	v.refused(context.Canceled)
	waited := v.waiting("POST", "/read") // there is room for another
	close(letGo)
	v.wantOK(await(st, holder, "the holder's reply"), "held")
	v.wantOK(await(st, waited, "the next waiter's reply"), "read")
}

func acquireTimesOut(st *stage) {
	letGo := make(chan struct{})
	v, holder := st.held(letGo, func(cfg *session.Config) { cfg.AcquireTimeout = 200 * time.Millisecond })
	for _, r := range [][2]string{{"PUT", "/-/note"}, {"POST", "/require"}} {
		a := v.do(r[0], r[1])
		v.wantStatus(a, http.StatusServiceUnavailable)
		v.wantNoCookie(a)
		if got := a.Header.Get("Retry-After"); got != session.RetryAfter {
			v.Errorf("%s: Retry-After is %q, want %q", r[1], got, session.RetryAfter)
		}
	}
	close(letGo)
	v.wantOK(await(st, holder, "the holder's reply"), "held")
	v.wantUsable()
}

func unreadBodyTimesOut(st *stage) {
	letGo := make(chan struct{})
	v, holder := st.held(letGo, func(cfg *session.Config) { cfg.AcquireTimeout = time.Second })
	cancel, left := v.waitingToLeave("POST", "/require", "a body that nobody reads")
	cancel()
	await(st, left, "the client's end")
	v.refused(session.ErrAcquireTimeout, context.Canceled)
	v.waiting("POST", "/require") // there is room for another
	close(letGo)
	v.wantOK(await(st, holder, "the holder's reply"), "held")
	v.wantUsable()
}
