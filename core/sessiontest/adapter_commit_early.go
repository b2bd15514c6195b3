package sessiontest

import (
	"io"
	"net/http"
	"strconv"

	session "github.com/sessionstate/sessionstate/core"
)

func earlyCommitActs() []act {
	flush := AdapterWant{Flush: true}
	return []act{
		{name: "M12/a reply that begins early is stored before, and locked", needs: flush, run: earlyIsStoredLocked},
		{name: "M12/a large reply is stored before it begins, and locked", needs: flush, run: largeIsStoredLocked},
		{name: "M12/changes after the headers are stored at the end", needs: flush, run: changesAfterHeaders},
		{name: "M12/a new session after the headers refuses changes", needs: flush, run: newAfterHeaders},
		{name: "M12/a session found after the headers takes changes", needs: flush, run: foundAfterHeaders},
		{name: "M12/no early reply if it cannot be stored", needs: flush, run: earlyCannotBeStored},
		{name: "M16/Renew after the headers is refused", needs: flush, run: renewAfterHeaders},
		{name: "M13/a failure after the headers keeps what they stored", needs: flush, run: failsAfterHeaders},
	}
}

func showCount(c Conversation, s *session.Session) error {
	n, err := count.Get(s)
	if err != nil {
		return c.Fail(err)
	}
	return say(c, strconv.Itoa(n))
}

func earlyIsStoredLocked(st *stage) {
	st.storedLocked(func(c Conversation) {
		write(c, "begun")
		st.try("Flush", c.Flush())
	}, "begun")
}

func largeIsStoredLocked(st *stage) {
	st.storedLocked(func(c Conversation) {
		_, err := c.Write([]byte(large))
		st.try("Write", err)
		st.try("Flush", c.Flush()) // of what is below: the rest need not fill its buffers
	}, large)
}

// storedLocked looks at the session after a reply has begun by begin, and
// before its handler has ended.
func (st *stage) storedLocked(begin func(Conversation), body string) {
	goOn, keys := make(chan struct{}), make(chan session.StoreKey, 1)
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "early"))
			tell(st, keys, s.StoreKey())
			c.SetReplyHeader("X-Kit", "kept")
			begin(c)
			await(st, goOn, "the client has the headers")
			return say(c, ".")
		})},
	}})
	for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
		isNew := v.id == ""
		a, rest := v.begin("POST", "/")
		sv.wantStatus(a, http.StatusOK)
		if isNew {
			sv.wantCookie(a)
		} else {
			sv.wantNoCookie(a)
		}
		if a.Header.Get("X-Kit") != "kept" {
			sv.Errorf("the handler's header is missing")
		}
		v.wantNote("early") // who answers at once sees the data
		sv.wantStored(await(st, keys, "the handler"), true)
		tell(st, goOn, struct{}{})
		if got := rest(); got != body+"." {
			sv.Errorf("got the body %.80q (%d bytes), want %.80q", got, len(got), body+".")
		}
		v.wantUsable()
	}
}

// begin makes a request and returns when the headers of its reply are there.
// rest reads the body.
func (v *visitor) begin(method, path string) (a reply, rest func() string) {
	v.Helper()
	nothing := func() string { return "" }
	req, err := http.NewRequest(method, v.url+path, nil)
	if err != nil {
		v.Errorf("sessiontest: %v", err)
		return reply{Response: &http.Response{}}, nothing
	}
	if v.id != "" {
		req.Header.Set("Cookie", cookieName+"="+v.id)
	}
	res, err := v.client.Do(req) //nolint:bodyclose // rest closes it
	if err != nil {
		v.Errorf("%s %s: %v", method, path, err)
		return reply{Response: &http.Response{}}, nothing
	}
	a = reply{Response: res}
	v.keep(a)
	return a, func() string {
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		v.try("reading the reply", err)
		return string(body)
	}
}

func changesAfterHeaders(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "early"))
			st.try("Flush", c.Flush())
			st.try("Set after the headers", count.Set(s, 7))
			return say(c, "done")
		})},
		{Method: "POST", Path: "/untouched", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Flush", c.Flush())
			st.try("Set after the headers", count.Set(s, 8))
			return say(c, "done")
		})},
		{Method: "GET", Path: "/count", Handler: in(session.Snapshot, showCount)},
	}})
	for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
		sv.wantOK(v.do("POST", "/"), "done")
		v.wantNote("early")
		sv.wantOK(v.get("/count"), "7")
		sv.wantOK(v.do("POST", "/untouched"), "done")
		v.wantNote("early")
		sv.wantOK(v.get("/count"), "8")
	}
}

func newAfterHeaders(st *stage) {
	put := func(c Conversation, s *session.Session) error {
		st.wantError("Set in a new session after the headers", note.Set(s, "late"), session.ErrHeadersSent)
		return say(c, "refused")
	}
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/acquired-before", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Flush", c.Flush())
			return put(c, s)
		})},
		{Method: "POST", Path: "/acquired-after", Handler: func(c Conversation) error {
			st.try("Flush", c.Flush())
			return in(session.Exclusive, put)(c)
		}},
	}})
	for _, path := range []string{"/acquired-before", "/acquired-after"} {
		sv.cost(path, func() {
			a := sv.visitor().do("POST", path)
			sv.wantOK(a, "refused")
			sv.wantNoCookie(a)
		})
	}
}

func foundAfterHeaders(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: func(c Conversation) error {
			st.try("Flush", c.Flush())
			return in(session.Exclusive, func(c Conversation, s *session.Session) error {
				st.try("Set", note.Set(s, "late"))
				return say(c, "done")
			})(c)
		}},
	}})
	v := sv.returning("old")
	a := v.do("POST", "/")
	sv.wantOK(a, "done")
	sv.wantNoCookie(a)
	v.wantNote("late")
}

func earlyCannotBeStored(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "lost"))
			c.SetReplyHeader("Etag", `"held"`)
			write(c, "held")
			c.Flush() // it may say that it failed, and need not
			write(c, "after")
			return nil
		})},
	}}, st.hasty)
	v := sv.returning("old")
	sv.store.down(FailBefore)
	for _, v := range []*visitor{sv.visitor(), v} {
		sv.wantDropped(v.do("POST", "/"), http.StatusServiceUnavailable)
	}
	v.wantNote("old")
}

func renewAfterHeaders(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Flush", c.Flush())
			st.wantError("Renew after the headers", s.Renew(), session.ErrHeadersSent)
			return say(c, "refused")
		})},
	}})
	v := sv.returning("old")
	a := v.do("POST", "/")
	sv.wantOK(a, "refused")
	sv.wantNoCookie(a)
	v.wantNote("old")
	v.wantUsable()
}

func failsAfterHeaders(st *stage) {
	sv := st.serve(Scenario{
		Recovered: func(any) {},
		Routes: []Route{
			{Method: "POST", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
				st.try("Set", note.Set(s, "early"))
				write(c, "begun")
				st.try("Flush", c.Flush())
				st.try("Set", note.Set(s, "late"))
				panic("after the headers")
			})},
		},
	})
	for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
		a, rest := v.begin("POST", "/")
		sv.wantStatus(a, http.StatusOK)
		if got := rest(); got != "begun" {
			sv.Errorf("got the body %q, want what was sent before the panic", got)
		}
		v.wantNote("early")
		v.wantUsable()
	}
}
