package sessiontest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// cookieName is the default name of the cookie.
const cookieName = "session"

// visitor is a client with at most one session, which it keeps by the cookies
// that it is given. It is used from one goroutine at a time; again gives
// others one of their own.
type visitor struct {
	*server
	id string
}

func (sv *server) visitor() *visitor { return &visitor{server: sv} }

// again returns another client with the same session, as a second tab would.
func (v *visitor) again() *visitor { return &visitor{v.server, v.id} }

// at returns another client with the same session at another server.
func (v *visitor) at(sv *server) *visitor { return &visitor{sv, v.id} }

// returning returns a client whose session has that note.
func (sv *server) returning(text string) *visitor {
	sv.Helper()
	v := sv.visitor()
	sv.wantStatus(v.do("PUT", "/-/note", "X-Note", text), http.StatusOK)
	if v.id == "" {
		sv.Fatal("M10: a new session with data got no cookie")
	}
	return v
}

// reply is a reply that has come to its end.
type reply struct {
	*http.Response
	body string
	err  error // the reply did not come, or not to its end
}

func (v *visitor) get(path string, header ...string) reply {
	v.Helper()
	return v.do("GET", path, header...)
}

// do makes a request with these headers, in pairs, reports a reply that does
// not come to its end, and keeps the cookie.
func (v *visitor) do(method, path string, header ...string) reply {
	v.Helper()
	a := v.ask(method, path, header...)
	if a.err != nil && !errors.Is(a.err, errHangs) {
		v.Errorf("%s %s: %v", method, path, a.err)
	}
	return a
}

// errHangs is why a request is not made: one before it got no reply in time,
// so that each of many would take that long.
var errHangs = errors.New("an earlier request of the act got no reply")

// ask is do for requests that may remain without a reply.
func (v *visitor) ask(method, path string, header ...string) reply {
	v.Helper()
	return v.askCtx(context.Background(), method, path, nil, header...)
}

func (v *visitor) askCtx(ctx context.Context, method, path string, body io.Reader, header ...string) reply {
	v.Helper()
	req, err := http.NewRequestWithContext(ctx, method, v.url+path, body)
	if err != nil {
		v.Errorf("sessiontest: %v", err)
		return reply{Response: &http.Response{}, err: err}
	}
	if v.id != "" {
		req.Header.Set("Cookie", cookieName+"="+v.id)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if v.hangs.Load() {
		return reply{Response: &http.Response{}, err: errHangs}
	}
	res, err := v.client.Do(req)
	if err != nil {
		if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
			v.hangs.Store(true)
		}
		return reply{Response: &http.Response{}, err: err}
	}
	a := reply{Response: res}
	v.keep(a)
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	a.body, a.err = string(text), err
	return a
}

// keep does what a browser does with the cookie of a reply.
func (v *visitor) keep(a reply) {
	for _, c := range a.cookies(cookieName) {
		if v.id = c.Value; c.MaxAge < 0 {
			v.id = ""
		}
	}
}

// asking makes a request in the background. The visitor is the goroutine's
// until the reply is there.
func (v *visitor) asking(method, path string, header ...string) <-chan reply {
	v.Helper()
	done := make(chan reply, 1)
	go func() { done <- v.do(method, path, header...) }() // ends with the client's Timeout
	return done
}

// cookies returns the cookies of that name that the reply sets or removes.
func (a reply) cookies(name string) (found []*http.Cookie) {
	for _, c := range a.Cookies() {
		if c.Name == name {
			found = append(found, c)
		}
	}
	return found
}

func (sv *server) wantStatus(a reply, status int) {
	sv.Helper()
	if a.StatusCode != status {
		sv.Errorf("%s: got status %d, want %d (body %.80q)", a.request(), a.StatusCode, status, a.body)
	}
}

// wantOK reports a reply that has another status than 200, or another body.
func (sv *server) wantOK(a reply, body string) {
	sv.Helper()
	sv.wantStatus(a, http.StatusOK)
	if a.body != body {
		sv.Errorf("%s: got the body %.80q, want %.80q", a.request(), a.body, body)
	}
}

// wantCookie reports a reply that does not set exactly one cookie.
func (sv *server) wantCookie(a reply) {
	sv.Helper()
	got := a.cookies(cookieName)
	if len(got) != 1 || got[0].MaxAge < 0 || got[0].Value == "" {
		sv.Errorf("%s: got %d cookies (%s), want one with an ID", a.request(), len(got), summary(got))
	}
}

// wantNoCookie reports a reply that mentions the cookie.
func (sv *server) wantNoCookie(a reply) {
	sv.Helper()
	if got := a.cookies(cookieName); len(got) != 0 {
		sv.Errorf("%s: got %d cookies (%s), want none", a.request(), len(got), summary(got))
	}
}

// wantNoID reports a reply that sets a cookie; one that removes it is none.
func (sv *server) wantNoID(a reply) {
	sv.Helper()
	for _, c := range a.cookies(cookieName) {
		if c.MaxAge >= 0 {
			sv.Errorf("%s: got a cookie with an ID, want none", a.request())
		}
	}
}

// wantRemoved reports a reply that does not take the cookie from the client.
func (sv *server) wantRemoved(a reply) {
	sv.Helper()
	if got := a.cookies(cookieName); len(got) != 1 || got[0].MaxAge >= 0 {
		sv.Errorf("%s: got %d cookies (%s), want one that removes the client's", a.request(), len(got), summary(got))
	}
}

// wantNote reports a client whose session, as last saved, has another note.
func (v *visitor) wantNote(text string) {
	v.Helper()
	v.wantOK(v.again().get("/-/note"), text)
}

// wantUsable reports a session that a request cannot have for itself, and
// change, at once: its lock was left behind.
func (v *visitor) wantUsable() {
	v.Helper()
	tab := v.again()
	v.wantStatus(tab.do("PUT", "/-/note", "X-Note", "usable"), http.StatusOK)
	v.wantNote("usable")
}

// wantStranger reports an ID under which the server knows a session.
func (sv *server) wantStranger(id, text string) {
	sv.Helper()
	v := &visitor{sv, id}
	if a := v.get("/-/note"); a.StatusCode == http.StatusOK && a.body == text {
		sv.Errorf("the session is still there: it has the note %q", text)
	}
}

func (a reply) request() string {
	if a.Request == nil {
		return "a request without reply"
	}
	return a.Request.Method + " " + a.Request.URL.Path
}

// summary tells of cookies without their values.
func summary(cookies []*http.Cookie) string {
	var parts []string
	for _, c := range cookies {
		switch {
		case c.MaxAge < 0:
			parts = append(parts, "removing")
		case c.Value == "":
			parts = append(parts, "empty")
		default:
			parts = append(parts, "an ID")
		}
	}
	return strings.Join(parts, ", ")
}

// together runs f n times at once and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}
