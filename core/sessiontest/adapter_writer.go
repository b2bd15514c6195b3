package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func writerActs() []act {
	writer := AdapterWant{Writer: true}
	return []act{
		{name: "A3/the writer says what net/http's says", needs: writer, run: writerSaysTheSame},
		{name: "A3/http.ResponseController finds the connection", needs: writer, run: controllerWorks},
		{name: "A3/trailers", needs: AdapterWant{Trailers: true}, run: trailersArrive},
		{name: "A1/Hijack stores, releases and hands over the cookie", needs: AdapterWant{Hijack: true}, run: hijacks},
		{name: "A2/no Hijack if it cannot be stored", needs: AdapterWant{Hijack: true}, run: hijackCannotBeStored},
		{name: "A3/what the framework cannot do says so", run: absentSaysSo},
	}
}

// writerSaysTheSame makes calls that net/http refuses, with a session that has
// something to store and without, and compares what they say.
func writerSaysTheSame(st *stage) {
	misuses := map[string]func(c Conversation) string{
		"a body on 204": func(c Conversation) string {
			c.WriteHeader(204)
			return said(c.Writer().Write([]byte("body")))
		},
		"a body on 304": func(c Conversation) string {
			c.WriteHeader(304)
			return said(c.Writer().Write([]byte("body")))
		},
		"more than Content-Length": func(c Conversation) string {
			c.SetReplyHeader("Content-Length", "3")
			return said(c.Writer().Write([]byte("12345"))) + said(c.Writer().Write([]byte("123")))
		},
		"more than Content-Length, in parts": func(c Conversation) string {
			c.SetReplyHeader("Content-Length", "3")
			return said(c.Writer().Write([]byte("12"))) + said(c.Writer().Write([]byte("3"))) + said(c.Writer().Write([]byte("4")))
		},
		"io.WriteString": func(c Conversation) string { return said(io.WriteString(c.Writer(), "written")) },
	}
	var told journalOf[string]
	var routes []Route
	paths := map[string]string{}
	for what, misuse := range misuses {
		path := fmt.Sprintf("/%d", len(paths))
		paths[what] = path
		routes = append(routes,
			Route{Method: "GET", Path: "/plain" + path, Handler: func(c Conversation) error {
				told.add(misuse(c))
				return nil
			}},
			Route{Method: "GET", Path: "/with" + path, Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
				st.try("Set", note.Set(s, "stored"))
				told.add(misuse(c))
				return nil
			})})
	}
	sv := st.serve(Scenario{Routes: routes})
	for what, path := range paths {
		v := sv.visitor()
		plain, with := v.ask("GET", "/plain"+path), v.ask("GET", "/with"+path)
		all, _ := told.all()
		if n := len(all); n < 2 || all[n-1] != all[n-2] {
			sv.Errorf("%s: the handler was told %q, want %q as without a session", what, all[n-1], all[n-2])
		}
		if with.StatusCode != plain.StatusCode || with.body != plain.body || (with.err == nil) != (plain.err == nil) {
			sv.Errorf("%s: got %d %q (%v), want %d %q (%v) as without a session",
				what, with.StatusCode, with.body, with.err, plain.StatusCode, plain.body, plain.err)
		}
		v.wantNote("stored")
	}
}

func said(n int, err error) string { return fmt.Sprintf("%d %v; ", n, err) }

func controllerWorks(st *stage) {
	control := func(c Conversation) {
		rc := http.NewResponseController(c.Writer())
		st.try("SetReadDeadline", rc.SetReadDeadline(time.Now().Add(waitLimit)))
		st.try("SetWriteDeadline", rc.SetWriteDeadline(time.Now().Add(waitLimit)))
		st.try("EnableFullDuplex", rc.EnableFullDuplex())
		if _, ok := c.Writer().(http.Flusher); st.want.Flush && !ok {
			st.Errorf("the writer is no http.Flusher")
		}
		if _, ok := c.Writer().(http.Hijacker); st.want.Hijack && !ok {
			st.Errorf("the writer is no http.Hijacker")
		}
		if p, ok := c.Writer().(http.Pusher); ok {
			st.wantError("Push over HTTP/1.1", p.Push("/style.css", nil), http.ErrNotSupported)
		}
	}
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/plain", Handler: func(c Conversation) error {
			control(c)
			return say(c, "done")
		}},
		{Method: "GET", Path: "/with", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "stored"))
			control(c)
			say(c, "do") //nolint:errcheck // always nil
			control(c)
			return say(c, "ne")
		})},
	}})
	v := sv.visitor()
	sv.wantOK(v.get("/plain"), "done")
	sv.wantOK(v.get("/with"), "done")
	v.wantNote("stored")
}

func trailersArrive(st *stage) {
	send := func(c Conversation, body string, flush bool) {
		c.SetReplyHeader("Trailer", "X-Sum")
		write(c, body)
		if flush {
			st.try("Flush", c.Flush())
		}
		c.SetReplyHeader("X-Sum", "42")
		c.SetReplyHeader("X-Late", "not a trailer")
	}
	var routes []Route
	for i, body := range []string{"short", large} {
		for j, flush := range []bool{false, st.want.Flush} {
			routes = append(routes, Route{Method: "GET", Path: fmt.Sprintf("/%d%d", i, j), Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
				st.try("Set", note.Set(s, "stored"))
				send(c, body, flush)
				return nil
			})})
		}
	}
	sv := st.serve(Scenario{Routes: routes})
	for _, r := range routes {
		v := sv.visitor()
		a := v.get(r.Path)
		sv.wantCookie(a)
		if got := a.Trailer.Get("X-Sum"); got != "42" {
			sv.Errorf("%s: the trailer is %q, want %q", r.Path, got, "42")
		}
		if a.Header.Get("X-Sum")+a.Header.Get("X-Late")+a.Trailer.Get("X-Late") != "" {
			sv.Errorf("%s: what was set after the headers went out as a header", r.Path)
		}
		v.wantNote("stored")
	}
}

func informationalPasses(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "before"))
			c.SetReplyHeader("Link", "</style.css>; rel=preload")
			st.try("103", c.Informational(http.StatusEarlyHints))
			st.try("Set after 103", note.Set(s, "after"))
			return say(c, "done")
		})},
	}})
	for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
		var hints []textproto.MIMEHeader
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, h)
				return nil
			},
		})
		isNew := v.id == ""
		a := v.askCtx(ctx, "GET", "/", nil)
		st.try("GET", a.err)
		sv.wantOK(a, "done")
		if isNew {
			sv.wantCookie(a)
		}
		if len(hints) != 1 || hints[0].Get("Link") == "" {
			sv.Errorf("got %d 103 replies (%v), want one with its Link", len(hints), hints)
		}
		for _, h := range hints {
			if len(h["Set-Cookie"]) > 0 {
				sv.Errorf("the 103 reply sets a cookie")
			}
		}
		v.wantNote("after")
	}
}

// hijacked is a handler that takes the connection over with change made, and
// answers by hand, with the cookies that are in the reply's headers.
func (st *stage) hijacked(letGo <-chan struct{}) func(Conversation) error {
	return in(session.Exclusive, func(c Conversation, s *session.Session) error {
		st.try("Set", note.Set(s, "upgraded"))
		conn, err := c.Hijack()
		if err != nil {
			return nil // the reply is what the adapter has made of it
		}
		defer conn.Close()
		st.wantError("Set after Hijack", note.Set(s, "late"), session.ErrReleased)
		var reply strings.Builder
		reply.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: kit\r\n")
		for _, cookie := range c.ReplyHeader("Set-Cookie") {
			fmt.Fprintf(&reply, "Set-Cookie: %s\r\n", cookie)
		}
		_, err = io.WriteString(conn, reply.String()+"\r\n")
		st.try("writing to the hijacked connection", err)
		await(st, letGo, "the client goes on")
		_, err = io.WriteString(conn, "over")
		st.try("writing to the hijacked connection", err)
		return nil
	})
}

func hijacks(st *stage) {
	letGo := make(chan struct{})
	sv := st.serve(Scenario{Routes: []Route{{Method: "GET", Path: "/", Handler: st.hijacked(letGo)}}})
	for _, v := range []*visitor{sv.visitor(), sv.returning("old")} {
		isNew := v.id == ""
		a, rest := v.begin("GET", "/")
		sv.wantStatus(a, http.StatusSwitchingProtocols)
		if isNew {
			sv.wantCookie(a)
		}
		v.wantNote("upgraded")
		v.wantUsable() // while the connection lasts
		tell(st, letGo, struct{}{})
		if got := rest(); got != "over" {
			sv.Errorf("got %q over the hijacked connection, want %q", got, "over")
		}
		v.wantNote("usable")
	}
}

func hijackCannotBeStored(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{{Method: "GET", Path: "/", Handler: st.hijacked(nil)}}}, st.hasty)
	v := sv.returning("old")
	sv.store.down(FailBefore)
	for _, v := range []*visitor{sv.visitor(), v} {
		sv.wantDropped(v.get("/"), http.StatusServiceUnavailable)
	}
	v.wantNote("old")
	sv.store.up()
	v.wantUsable()
}

func absentSaysSo(st *stage) {
	sv := st.serve(Scenario{Routes: []Route{
		{Method: "GET", Path: "/", Handler: in(session.Exclusive, func(c Conversation, s *session.Session) error {
			st.try("Set", note.Set(s, "stored"))
			absent := func(what string, err error) {
				if !errors.Is(err, errors.ErrUnsupported) {
					st.Errorf("%s is not wanted and says %v, want %v", what, err, errors.ErrUnsupported)
				}
			}
			if !st.want.Flush {
				absent("Flush", c.Flush())
			}
			if !st.want.Informational {
				absent("Informational", c.Informational(http.StatusEarlyHints))
			}
			if !st.want.Hijack {
				_, err := c.Hijack()
				absent("Hijack", err)
			}
			if (c.Writer() != nil) != st.want.Writer {
				st.Errorf("there is an http.ResponseWriter: %v, want %v", c.Writer() != nil, st.want.Writer)
			}
			return say(c, "done")
		})},
	}})
	v := sv.visitor()
	sv.wantOK(v.get("/"), "done")
	v.wantNote("stored")
}
