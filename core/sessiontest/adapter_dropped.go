package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	session "github.com/sessionstate/sessionstate/core"
)

func droppedReplyActs() []act {
	return []act{
		{name: "A2/no reply that could not be stored, however it was sent", run: failingStoreDropsReply},
		{name: "A2/the status tells what went wrong", run: statusTells},
		{name: "A2/no session, no handler", run: noSessionNoHandler},
		{name: "M19/who acquires nothing needs no store", run: needsNoStore},
		{name: "A2/Fail answers by HTTPStatus", run: failAnswers},
		{name: "A2/the error handler answers", run: errorHandlerAnswers},
	}
}

// held are the headers that describe a reply; none may be on the error reply
// that takes its place.
var held = map[string]string{
	"Etag":                `"held"`,
	"Last-Modified":       "Thu, 29 Feb 2024 12:00:00 GMT",
	"Location":            "/held",
	"Content-Language":    "held",
	"Content-Disposition": "held",
	"Content-Type":        "application/held",
	"Set-Cookie":          "held=1; Path=/",
}

// wantDropped reports a reply that is not an error reply of that status in
// place of another one.
func (sv *server) wantDropped(a reply, status int) {
	sv.Helper()
	sv.wantStatus(a, status)
	sv.wantNoID(a)
	if strings.Contains(a.body, "held") || strings.Contains(a.body, "after") {
		sv.Errorf("%s: got the body %.80q, a part of the reply that was to be dropped", a.request(), a.body)
	}
	for name, value := range held {
		for _, got := range a.Header.Values(name) {
			// An error reply has a Content-Type, and may remove the cookie.
			if got == value || name != "Content-Type" && name != "Set-Cookie" {
				sv.Errorf("%s: got the header %s: %s, of the reply that was to be dropped", a.request(), name, got)
			}
		}
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		if got := a.Header.Get("Retry-After"); got != session.RetryAfter {
			sv.Errorf("%s: Retry-After is %q, want %q", a.request(), got, session.RetryAfter)
		}
	}
}

// failingStoreDropsReply lets the store refuse by ErrTooLarge, which no repeat
// can mend, so that it is quick.
func failingStoreDropsReply(st *stage) {
	ways := st.ways()
	var routes []Route
	for i, w := range ways {
		routes = append(routes, Route{Method: w.method(), Path: fmt.Sprintf("/way/%d", i), Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "lost"))
			for name, value := range held {
				c.SetReplyHeader(name, value)
			}
			if err := w.send(c); !errors.Is(err, errSending) {
				return err
			}
			return nil // it may say that it failed, and need not
		})})
	}
	sv := st.serve(Scenario{Routes: routes})
	old := sv.returning("old")
	tooLarge := func(context.Context) error { return session.ErrTooLarge }
	sv.store.on(OpCreate, tooLarge)
	sv.store.on(OpSave, tooLarge)
	for i, w := range ways {
		for _, v := range []*visitor{sv.visitor(), old} {
			a := v.do(w.method(), sv.path(i))
			if a.StatusCode != http.StatusRequestEntityTooLarge {
				sv.Errorf("%s: got status %d, want %d", w.name, a.StatusCode, http.StatusRequestEntityTooLarge)
			}
			for _, part := range []string{"written", "accepted", "one", "copied", "a file", "conflict", "part", "hints", "0123456789"} {
				if strings.Contains(a.body, part) {
					sv.Errorf("%s: got the body %.80q, a part of the reply that was to be dropped", w.name, a.body)
				}
			}
			sv.wantDropped(a, http.StatusRequestEntityTooLarge)
		}
	}
	old.wantNote("old")
	sv.store.up()
	old.wantUsable()
}

func statusTells(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "lost"))
			for name, value := range held {
				c.SetReplyHeader(name, value)
			}
			return say(c, "held")
		})},
	}}, st.hasty)
	v := sv.returning("old")
	for err, status := range map[error]int{
		session.ErrTooLarge:    http.StatusRequestEntityTooLarge,
		session.ErrLockLost:    http.StatusConflict,
		session.ErrUnavailable: http.StatusServiceUnavailable,
	} {
		sv.store.on(OpSave, func(context.Context) error { return err })
		sv.wantDropped(v.again().do("POST", "/"), status)
		sv.store.up()
		v.wantNote("old")
	}
}

func noSessionNoHandler(st *stage) {
	var routes []Route
	for _, mode := range modes {
		routes = append(routes, Route{Method: "GET", Path: "/" + mode.String(), Require: []session.Mode{mode}, Handler: func(c Conversation) error {
			st.Errorf("%v: the handler ran without the session that Require was to acquire", mode)
			return say(c, "held")
		}})
	}
	sv := st.serve(Scenario{Routes: routes}, st.hasty)
	v := sv.returning("old")
	sv.store.faults.Next(OpAcquire, -1, Fault{Kind: FailBefore})
	sv.store.faults.Next(OpLoad, -1, Fault{Kind: FailBefore})
	for _, mode := range modes {
		sv.wantDropped(v.get("/"+mode.String()), http.StatusServiceUnavailable)
	}
	sv.store.up()
	v.wantNote("old")
	v.wantUsable()
}

func needsNoStore(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: func(c Conversation) error { return say(c, "hello") }},
	}}, st.hasty)
	v := sv.returning("old")
	sv.store.faults.Next(OpAny, -1, Fault{Kind: HangBefore})
	for range 3 {
		sv.wantOK(v.get("/"), "hello")
	}
	sv.wantDropped(v.get("/-/note"), http.StatusServiceUnavailable)
	sv.store.up()
	v.wantNote("old") // all works again by itself
	v.wantUsable()
}

var sentinels = []error{
	session.ErrQueueFull, session.ErrAcquireTimeout, session.ErrUnavailable, session.ErrRenewed, session.ErrLockLost,
	session.ErrConflict, session.ErrTooLarge, session.ErrNoSession, session.ErrReleased, session.ErrReadOnly,
	session.ErrHeadersSent, session.ErrCorrupt, errPlain,
}

func failAnswers(st *stage) {
	var routes []Route
	for i, err := range sentinels {
		routes = append(routes, Route{Method: "GET", Path: fmt.Sprintf("/%d", i), Handler: func(c Conversation) error {
			return c.Fail(fmt.Errorf("wrapped: %w", err))
		}})
	}
	sv := st.serve(Scenario{Routes: routes})
	for i, err := range sentinels {
		a := sv.visitor().get(fmt.Sprintf("/%d", i))
		if want := session.HTTPStatus(err); a.StatusCode != want {
			sv.Errorf("%v: got status %d, want %d", err, a.StatusCode, want)
		}
		sv.wantDropped(a, session.HTTPStatus(err))
		if strings.Contains(a.body, "wrapped") || strings.Contains(a.body, err.Error()) {
			sv.Errorf("%v: the client is told the error: %.80q", err, a.body)
		}
	}
}

// errorHandlerAnswers has the adapter's error handler, which the user gives,
// answer what could not be acquired and what could not be stored.
func errorHandlerAnswers(st *stage) {
	put := func(c Conversation, s *session.Session) error {
		st.try("Set", note.Set(s, "lost"))
		for name, value := range held {
			c.SetReplyHeader(name, value)
		}
		return say(c, "held")
	}
	var told journalOf[error]
	sv := st.serve(Scenario{
		ErrorHandler: func(c Conversation, err error) error {
			told.add(err)
			c.SetReplyHeader("X-Handled", "yes")
			return c.Error(http.StatusTeapot, "handled")
		},
		Routes: []Route{
			{Method: "POST", Path: "/acquire", Handler: in(session.Exclusive, put)},
			{Method: "POST", Path: "/require", Require: []session.Mode{session.Exclusive}, Handler: func(c Conversation) error { return put(c, c.From()) }},
		},
	}, st.hasty)
	v := sv.returning("old")
	for _, down := range []Op{OpSave, OpAcquire} {
		for _, path := range []string{"/acquire", "/require"} {
			sv.store.faults.Next(down, -1, Fault{Kind: FailBefore})
			before, _ := told.all()
			a := v.do("POST", path)
			sv.wantDropped(a, http.StatusTeapot)
			if a.Header.Get("X-Handled") != "yes" || !strings.Contains(a.body, "handled") {
				sv.Errorf("%s, %s fails: the error handler's reply did not arrive: %.80q", path, down, a.body)
			}
			after, _ := told.all()
			if len(after) != len(before)+1 || !errors.Is(after[len(after)-1], session.ErrUnavailable) {
				sv.Errorf("%s, %s fails: the error handler was told %v, want %v once", path, down, after[len(before):], session.ErrUnavailable)
			}
			sv.store.up()
		}
	}
	v.wantNote("old")
	v.wantUsable()
}
