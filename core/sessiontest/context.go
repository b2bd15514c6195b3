package sessiontest

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// Context returns a context with a session that is acquired in mode Exclusive,
// for tests of handlers, and of what they call, that need no HTTP:
// session.From(ctx) and session.Acquire(ctx) return the session, and a
// session.Key reads and changes it. It is kept in memory, under a Manager with
// the default Config.
//
// values are what the session holds, by the names of their keys. They are
// encoded as session.Key.Set does, so that a value which cannot be stored ends
// the test, and are read by a Key of any type that fits. Without values the
// session is a client's first (IsNew); with some it is one that an earlier
// request has left behind.
//
// The context ends, and the session is released, with the test.
func Context(t testing.TB, values map[string]any) context.Context {
	t.Helper()
	mgr, err := session.New(memstore.New(), session.Config{
		Logger:       slog.New(slog.DiscardHandler),
		ReapInterval: -1, // nothing expires within a test
	})
	if err != nil {
		t.Fatalf("sessiontest: Context: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := mgr.Close(ctx); err != nil {
			t.Errorf("sessiontest: Context: the session is still in use at the end of the test: %v", err)
		}
	})
	cookie := ""
	if len(values) > 0 {
		cookie = leaveBehind(t, mgr, values)
	}
	ex := exchange{request: http.Header{}, reply: http.Header{}}
	if cookie != "" {
		ex.request.Set("Cookie", cookie)
	}
	rq, ctx := mgr.Begin(t.Context(), ex)
	if _, err := mgr.Acquire(ctx, session.Exclusive); err != nil {
		t.Fatalf("sessiontest: Context: %v", err)
	}
	t.Cleanup(func() {
		// What the test has changed is of no use to anybody.
		if err := rq.Finish(context.Background(), session.Outcome{Panicked: true}); err != nil {
			t.Errorf("sessiontest: Context: %v", err)
		}
	})
	return ctx
}

// leaveBehind is a request that makes a session with these values. It returns
// the Cookie header that its client would send next.
func leaveBehind(t testing.TB, mgr *session.Manager, values map[string]any) (cookie string) {
	t.Helper()
	ex := exchange{request: http.Header{}, reply: http.Header{}}
	rq, ctx := mgr.Begin(context.Background(), ex)
	s, err := mgr.Acquire(ctx)
	if err != nil {
		t.Fatalf("sessiontest: Context: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := session.NewKey[any](name).Set(s, values[name]); err != nil {
			_ = rq.Finish(ctx, session.Outcome{Panicked: true}) // nothing was stored
			t.Fatalf("sessiontest: Context: %q: %v", name, err)
		}
	}
	if err := rq.Finish(ctx, session.Outcome{}); err != nil {
		t.Fatalf("sessiontest: Context: %v", err)
	}
	for _, c := range (&http.Response{Header: ex.reply}).Cookies() {
		cookie = c.Name + "=" + c.Value
	}
	return cookie
}

// exchange is a session.Exchange without HTTP.
type exchange struct{ request, reply http.Header }

// RequestHeader implements session.Exchange.
func (ex exchange) RequestHeader(name string) []string { return ex.request.Values(name) }

// ReplyHeader implements session.Exchange.
func (ex exchange) ReplyHeader(name string) []string { return ex.reply.Values(name) }

// SetReplyHeader implements session.Exchange.
func (ex exchange) SetReplyHeader(name string, values ...string) {
	ex.reply[http.CanonicalHeaderKey(name)] = values
}

// Secure implements session.Exchange.
func (exchange) Secure() bool { return true }
