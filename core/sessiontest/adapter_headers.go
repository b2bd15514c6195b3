package sessiontest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// way is a way of sending the headers of a reply, and maybe a body.
type way struct {
	name  string
	needs AdapterWant
	head  bool // the request is a HEAD
	early bool // the reply begins while the handler runs, where it can
	send  func(Conversation) error
}

// errSending is what a way returns if a call of it failed that must not, as
// opposed to the errors that a framework's handlers return on purpose.
var errSending = errors.New("sending")

func ways() []way {
	modified := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	writes := func(parts ...string) func(Conversation) error {
		return func(c Conversation) error {
			for _, p := range parts {
				if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
					return fmt.Errorf("%w: Write of %d bytes: %d, %w", errSending, len(p), n, err)
				}
			}
			return nil
		}
	}
	status := func(code int, body string) func(Conversation) error {
		return func(c Conversation) error {
			c.WriteHeader(code)
			if body == "" {
				return nil
			}
			return writes(body)(c)
		}
	}
	copied := func(body string) func(Conversation) error {
		return func(c Conversation) error {
			if n, err := c.Copy(strings.NewReader(body)); n != int64(len(body)) || err != nil {
				return fmt.Errorf("%w: Copy of %d bytes: %d, %w", errSending, len(body), n, err)
			}
			return nil
		}
	}
	content := func(body string) func(Conversation) error {
		return func(c Conversation) error { return c.ServeContent("kit.txt", modified, strings.NewReader(body)) }
	}
	flush := func(c Conversation) error {
		if err := c.Flush(); err != nil {
			return fmt.Errorf("%w: Flush: %w", errSending, err)
		}
		return nil
	}
	with := func(name, value string, send func(Conversation) error) func(Conversation) error {
		return func(c Conversation) error {
			c.SetReplyHeader(name, value)
			return send(c)
		}
	}
	return []way{
		{name: "an empty handler", send: func(Conversation) error { return nil }},
		{name: "WriteHeader", send: status(201, "")},
		{name: "WriteHeader, Write", send: status(202, "accepted")},
		{name: "Write", send: writes("written")},
		{name: "Write, Write, Write", send: writes("one", "", "two")},
		{name: "Write of nothing", send: writes("")},
		{name: "Content-Length, Write", send: with("Content-Length", "5", writes("12345"))},
		{name: "Content-Type, Write", send: with("Content-Type", "application/kit", writes("{}"))},
		{name: "io.Copy", send: copied("copied")},
		{name: "io.Copy of nothing", send: copied("")},
		{name: "ServeContent", send: content("a file")},
		{name: "Error 409", send: func(c Conversation) error { return c.Error(409, "in conflict") }},
		{name: "Fail", send: func(c Conversation) error { return c.Fail(session.ErrRenewed) }},
		{name: "redirect 303", send: func(c Conversation) error { return c.Redirect(303, "/elsewhere") }},
		{name: "204", send: status(204, "")},
		{name: "304", send: with("Etag", `"same"`, status(304, ""))},
		{name: "an error of status 404", needs: AdapterWant{Errors: true}, send: func(c Conversation) error { return c.StatusError(404) }},
		{name: "HEAD, empty handler", head: true, send: func(Conversation) error { return nil }},
		{name: "HEAD, Write", head: true, send: writes("written")},
		{name: "HEAD, Content-Length", head: true, send: with("Content-Length", "7", status(200, ""))},
		{name: "HEAD, ServeContent", head: true, send: content("a file")},
		{name: "HEAD, large", head: true, send: writes(large)},

		{name: "a large Write", early: true, send: writes(large)},
		{name: "many Writes", early: true, send: writes(slices.Repeat([]string{large[:1<<10]}, 100)...)},
		{name: "a large io.Copy", early: true, send: copied(large)},
		{name: "a large ServeContent", early: true, send: content(large)},
		{name: "Flush", needs: AdapterWant{Flush: true}, early: true, send: flush},
		{name: "WriteHeader, Flush", needs: AdapterWant{Flush: true}, early: true, send: func(c Conversation) error {
			c.WriteHeader(202)
			return flush(c)
		}},
		{name: "Write, Flush, Write, Flush", needs: AdapterWant{Flush: true}, early: true, send: func(c Conversation) error {
			for range 2 {
				if err := writes("part")(c); err != nil {
					return err
				}
				if err := flush(c); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "Flush, io.Copy", needs: AdapterWant{Flush: true}, early: true, send: func(c Conversation) error {
			if err := flush(c); err != nil {
				return err
			}
			return copied(large)(c)
		}},
		{name: "103, Write", needs: AdapterWant{Informational: true}, send: func(c Conversation) error {
			if err := c.Informational(http.StatusEarlyHints); err != nil {
				return fmt.Errorf("%w: 103: %w", errSending, err)
			}
			return writes("after the hints")(c)
		}},
	}
}

// ways returns the ways that the framework has.
func (st *stage) ways() []way {
	return slices.DeleteFunc(ways(), func(w way) bool { return !w.needs.within(st.want) })
}

func (w way) method() string {
	if w.head {
		return "HEAD"
	}
	return "GET"
}

func sendingActs() []act {
	return []act{
		{name: "A1/the hook runs once, however the headers are sent", run: hookRunsOnce},
		{name: "A1/the reply is the same as without a session", run: replyIsTheSame},
		{name: "A1/a 1xx reply is not the reply", needs: AdapterWant{Informational: true}, run: informationalPasses},
		{name: "A1/the middleware nested twice is once", run: twiceIsOnce},
	}
}

// sent is a route that changes the session before and after sending, so that
// a hook that ran a second time would store a second time.
func (st *stage) sent(i int, w way) Route {
	return Route{Method: w.method(), Path: fmt.Sprintf("/way/%d", i), Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
		if err := note.Set(s, "before"); err != nil {
			st.Errorf("%s: %v", w.name, err)
		}
		err := w.send(c)
		if errSet := note.Set(s, "after"); errSet != nil {
			st.Errorf("%s: a change after it: %v", w.name, errSet)
		}
		if errors.Is(err, errSending) {
			st.Errorf("%s: %v", w.name, err)
			return nil
		}
		return err
	})}
}

func hookRunsOnce(st *stage) { st.hookRunsOnce(Scenario{}) }

func twiceIsOnce(st *stage) { st.hookRunsOnce(Scenario{Twice: true}) }

func (st *stage) hookRunsOnce(sc Scenario) {
	ways := st.ways()
	for i, w := range ways {
		sc.Routes = append(sc.Routes, st.sent(i, w))
	}
	sv := st.serve(sc)
	for i, w := range ways {
		for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
			isNew := v.id == ""
			cost := []Op{OpAcquire, OpSave}
			if isNew {
				cost = []Op{OpCreate}
			}
			if w.early && st.want.Flush {
				cost = append(cost, OpSave)
			}
			released := len(sv.events.of(session.EventReleased))
			var a reply
			sv.cost(fmt.Sprintf("%s, new %v", w.name, isNew), func() {
				a = v.do(w.method(), sv.path(i))
				sv.released(released + 1) // a client that knows the length need not wait for the handler's end
			}, cost...)
			if n := len(a.cookies(cookieName)); isNew && n != 1 || !isNew && n != 0 {
				sv.Errorf("%s, new %v: got %d cookies", w.name, isNew, n)
			}
			if n := len(sv.events.of(session.EventReleased)) - released; n != 1 {
				sv.Errorf("%s, new %v: the session was given back %d times, want once", w.name, isNew, n)
			}
			if a := v.get("/-/note"); a.body != "after" {
				sv.Errorf("%s, new %v: the note is %q, want both changes stored", w.name, isNew, a.body)
			}
		}
	}
}

func (*server) path(i int) string { return fmt.Sprintf("/way/%d", i) }

func replyIsTheSame(st *stage) {
	ways := st.ways()
	var routes []Route
	for i, w := range ways {
		routes = append(routes, st.sent(i, w),
			Route{Method: w.method(), Path: fmt.Sprintf("/plain/%d", i), Handler: func(c Conversation) error { return w.send(c) }})
	}
	sv := st.serve(Scenario{Routes: routes})
	v := sv.returning("old")
	for i, w := range ways {
		plain := sv.visitor().do(w.method(), fmt.Sprintf("/plain/%d", i))
		for _, v := range []*visitor{sv.visitor(), v} {
			with := v.do(w.method(), sv.path(i))
			if with.StatusCode != plain.StatusCode {
				sv.Errorf("%s: got status %d, want %d as without a session", w.name, with.StatusCode, plain.StatusCode)
			}
			if with.body != plain.body {
				sv.Errorf("%s: got the body %.80q (%d bytes), want %.80q (%d bytes) as without a session",
					w.name, with.body, len(with.body), plain.body, len(plain.body))
			}
			if got, want := lasting(with, w), lasting(plain, w); got != want {
				sv.Errorf("%s: got the headers\n%s\nwant, as without a session,\n%s", w.name, got, want)
			}
		}
	}
}

// comparable returns the headers that must not depend on a session: all but
// those of the cookie (A9), the time, and how the length of a large body is told.
func lasting(a reply, w way) string {
	h := a.Header.Clone()
	for _, name := range []string{"Set-Cookie", "Cache-Control", "Vary", "Date"} {
		h.Del(name)
	}
	if !w.early && !(w.head && a.ContentLength < 0) {
		h.Set("Content-Length", fmt.Sprint(a.ContentLength))
	} else {
		h.Del("Content-Length")
	}
	var lines bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&lines, "%s: %q\n", name, h[name])
	}
	return lines.String()
}
