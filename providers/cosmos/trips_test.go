package cosmosstore_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// trips counts the exchanges of what do does, and the request units that the
// server reports for them.
func trips(n *network, do func()) (methods []string, charge float64) {
	n.on(nil)
	do()
	for _, e := range n.exchanges() {
		methods = append(methods, e.method)
		charge += e.charge
	}
	return methods, charge
}

// TestM21_OneRoundTripPerOperation counts at the transport.
func TestM21_OneRoundTripPerOperation(t *testing.T) {
	t.Parallel()
	s, n := behind(t, fresh(t))
	ctx := t.Context()
	key, held, token := newKey(), newKey(), session.NewToken()
	rec := record("content")
	write := func() session.Record {
		rec.Write = session.NewWriteID()
		return rec
	}
	stored := func() session.StoreKey {
		t.Helper()
		key := newKey()
		if err := s.Create(ctx, key, write(), nobody, 0); err != nil {
			t.Fatal(err)
		}
		return key
	}
	moving, movingToken := newKey(), session.NewToken()
	removed, lapsed := stored(), stored()
	if err := errors.Join(s.Create(ctx, held, write(), session.NewToken(), time.Hour),
		s.Create(ctx, moving, write(), movingToken, time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		want string
		err  error
		do   func() error
	}{
		{"Create", "POST", nil, func() error { return s.Create(ctx, key, write(), token, lease) }},
		{"Save with Keep", "PATCH", nil, func() error { return s.Save(ctx, key, write(), token, session.Commit{Keep: lease}) }},
		{"Extend", "PATCH", nil, func() error { return s.Extend(ctx, key, token, lease) }},
		{"Save with Next", "PATCH", nil, func() error {
			next := session.NewToken()
			err := s.Save(ctx, key, write(), token, session.Commit{Keep: lease, Next: next})
			token = next
			return err
		}},
		{"Save", "PATCH", nil, func() error { return s.Save(ctx, key, write(), token, session.Commit{}) }},
		{"Acquire", "PATCH", nil, func() error {
			_, err := s.Acquire(ctx, key, token, lease)
			return err
		}},
		{"Release", "PATCH", nil, func() error { return s.Release(ctx, key, token) }},
		{"Load", "GET", nil, func() error {
			_, err := s.Load(ctx, key, false)
			return err
		}},
		{"Swap", "PATCH", nil, func() error {
			got, err := s.Load(ctx, key, false)
			if err != nil {
				return err
			}
			n.on(nil) // the Load does not count
			return s.Swap(ctx, key, write(), got.Write)
		}},
		{"Touch that is due", "PATCH", nil, func() error {
			s.Skip(2 * refresh)
			return s.Touch(ctx, key)
		}},
		{"Touch that is not", "PATCH GET", nil, func() error { return s.Touch(ctx, key) }},
		{"Remove", "PATCH", nil, func() error { return s.Remove(ctx, removed, nobody, session.EndDelete) }},
		{"Remove with a reason", "PATCH", nil, func() error { return s.Remove(ctx, lapsed, nobody, session.EndRevoked) }},
		{"Acquire of what is held", "PATCH GET", session.ErrLocked, func() error {
			_, err := s.Acquire(ctx, held, session.NewToken(), lease)
			return err
		}},
		{"Acquire of what is not there", "PATCH", session.ErrNotFound, func() error {
			_, err := s.Acquire(ctx, newKey(), token, lease)
			return err
		}},
		{"Load of what is not there", "GET PATCH", session.ErrNotFound, func() error {
			_, err := s.Load(ctx, newKey(), false)
			return err
		}},
		{"Create of what is there", "POST GET", session.ErrExists, func() error { return s.Create(ctx, key, write(), nobody, 0) }},
		{"Save with other timeouts", "PATCH GET PATCH", nil, func() error {
			if _, err := s.Acquire(ctx, key, token, lease); err != nil {
				return err
			}
			n.on(nil) // the Acquire does not count
			other := write()
			other.IdleTimeout *= 2
			return s.Save(ctx, key, other, token, session.Commit{})
		}},
		{"Save with MoveTo", "GET POST PATCH PATCH", nil, func() error {
			return s.Save(ctx, moving, write(), movingToken, session.Commit{MoveTo: newKey(), Grace: grace})
		}},
		{"Reap in bulk", "", nil, func() error {
			_, err := s.Reap(ctx, "test", -1, nobody, 0)
			return err
		}},
		{"Reap", "POST", nil, func() error {
			_, err := s.Reap(ctx, "test", 10, token, lease)
			return err
		}},
		{"ListOwner", "POST", nil, func() error {
			_, err := s.ListOwner(ctx, "test", "nobody")
			return err
		}},
		{"Ping", "GET", nil, func() error { return s.Ping(ctx) }},
	} {
		var err error
		methods, charge := trips(n, func() { err = c.do() })
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.what, err, c.err)
		}
		if got := strings.Join(methods, " "); got != c.want {
			t.Errorf("%s takes %q, want %q", c.what, got, c.want)
		}
		t.Logf("%-30s %-22s %5.2f RU", c.what, strings.Join(methods, " "), charge)
	}
}

// TestM21_RoundTripsPerMode counts what requests cost.
func TestM21_RoundTripsPerMode(t *testing.T) {
	t.Parallel()
	s, n := behind(t, fresh(t))
	mgr, err := session.New(s, session.Config{ID: session.Cookie{Insecure: true}, SkipKeepAliveWhenUnused: true})
	if err != nil {
		t.Fatal(err)
	}
	defer mgr.Close(context.WithoutCancel(t.Context()))
	word := session.NewKey[string]("word")
	var act func(ctx context.Context) error
	server := httptest.NewServer(httpsession.New(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := act(r.Context()); err != nil {
			httpsession.Fail(w, r, err)
		}
	})))
	defer server.Close()
	var cookies []*http.Cookie
	request := func() {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cookies {
			req.AddCookie(c)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
		if got := resp.Cookies(); len(got) > 0 {
			cookies = got
		}
	}
	set := func(mode session.Mode, value string) func(context.Context) error {
		return func(ctx context.Context) error {
			s, err := session.Acquire(ctx, mode)
			if err != nil || value == "" {
				return err
			}
			return word.Set(s, value)
		}
	}
	for _, c := range []struct {
		what string
		want string
		act  func(context.Context) error
	}{
		{"acquires nothing", "", func(context.Context) error { return nil }},
		{"a new session without data", "", set(session.Exclusive, "")},
		{"a new session with data", "POST", set(session.Exclusive, "a")},
		{"acquires nothing, with a cookie", "", func(context.Context) error { return nil }},
		{"ReadOnly", "GET", set(session.ReadOnly, "")},
		{"Snapshot", "GET", set(session.Snapshot, "")},
		{"Exclusive, unchanged", "PATCH PATCH", set(session.Exclusive, "")},
		{"Exclusive, changed", "PATCH PATCH", set(session.Exclusive, "b")},
		{"Concurrent, unchanged", "GET", set(session.Concurrent, "")},
		{"Concurrent, changed", "GET PATCH", set(session.Concurrent, "c")},
	} {
		act = c.act
		methods, charge := trips(n, request)
		if got := strings.Join(methods, " "); got != c.want {
			t.Errorf("%s takes %q, want %q", c.what, got, c.want)
		}
		t.Logf("%-32s %-12s %5.2f RU", c.what, strings.Join(methods, " "), charge)
	}
}

// TestM5_PollingIsBounded: many requests of a process wait for a session that
// another process holds. They ask the service one at a time, and less and less
// often.
func TestM5_PollingIsBounded(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	holder := open(t, cfg)
	s, n := behind(t, cfg)
	const wait, waiters = 4 * time.Second, 20
	sessions := func(store *cosmosstore.Store) *session.Manager {
		m, err := session.New(store, session.Config{AcquireTimeout: wait, LockLease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close(context.Background()) })
		return m
	}
	theirs, ours := sessions(holder), sessions(s)
	word := session.NewKey[string]("word")
	middleware := httpsession.New(theirs)
	var cookie string
	first := httptest.NewRecorder()
	middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.Acquire(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		_ = word.Set(s, "a")
	})).ServeHTTP(first, httptest.NewRequest(http.MethodGet, "https://example.com/", nil))
	for _, c := range first.Result().Cookies() {
		cookie = c.Name + "=" + c.Value
	}
	request := func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
		r.Header.Set("Cookie", cookie)
		return r
	}
	release, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := session.Acquire(r.Context()); err != nil {
				t.Error(err)
			}
			close(held)
			<-release
		})).ServeHTTP(httptest.NewRecorder(), request())
	})
	<-held
	// What is counted is the time before the first gives up: those who give up
	// see to it that they leave no lock behind.
	attempts, atOnce := 0, 0
	start := time.Now()
	n.on(func(_ int, req *http.Request) fault {
		if time.Since(start) < wait-500*time.Millisecond {
			atOnce = max(atOnce, n.most)
			if req.Method == http.MethodPatch {
				attempts++
			}
		}
		return fault{}
	})
	var waiting sync.WaitGroup
	for range waiters {
		waiting.Go(func() {
			httpsession.New(ours)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, err := session.Acquire(r.Context()); !errors.Is(err, session.ErrAcquireTimeout) {
					t.Errorf("Acquire: %v, want ErrAcquireTimeout", err)
				}
			})).ServeHTTP(httptest.NewRecorder(), request())
		})
	}
	waiting.Wait()
	close(release)
	wg.Wait()
	// 5 ms doubling to 500 ms is 7 attempts in the first 635 ms; then it is two a
	// second, or four by the jitter.
	most := 7 + int(4*wait.Seconds())
	t.Logf("%d attempts in %v by %d waiters, %d at once", attempts, wait-500*time.Millisecond, waiters, atOnce)
	if attempts > most || attempts < 3 {
		t.Errorf("%d waiters made %d attempts in %v, want %d at most", waiters, attempts, wait, most)
	}
	if atOnce != 1 {
		t.Errorf("%d requests at once asked for one session, want 1", atOnce)
	}
}
