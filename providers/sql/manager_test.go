package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// exchange is an HTTP exchange without HTTP.
type exchange struct{ request, reply http.Header }

func (ex exchange) RequestHeader(name string) []string { return ex.request.Values(name) }
func (ex exchange) ReplyHeader(name string) []string   { return ex.reply.Values(name) }
func (exchange) Secure() bool                          { return true }
func (ex exchange) SetReplyHeader(name string, values ...string) {
	ex.reply[http.CanonicalHeaderKey(name)] = values
}

// request makes a client's first request.
func request(m *session.Manager, use func(ctx context.Context, s *session.Session) error) error {
	rq, ctx := m.Begin(context.Background(), exchange{http.Header{}, http.Header{}})
	s, err := m.Acquire(ctx)
	if err == nil {
		err = use(ctx, s)
	}
	return errors.Join(err, rq.Finish(ctx, session.Outcome{Err: err}))
}

// managers returns Managers of so many processes over one table.
func (db *database) managers(t *testing.T, n int, cfg session.Config) []*session.Manager {
	t.Helper()
	all := make([]*session.Manager, n)
	for i := range all {
		var err error
		if all[i], err = session.New(db.open(t, sqlstore.Config{Listen: sqlstore.ListenOn}), cfg); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := all[i].Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return all
}

// Of 50 logins at once in two processes three sessions remain; and if it is
// the newcomer that gives way, three are let in.
func TestManager_MaxSessionsPerOwner(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		t.Run(fmt.Sprintf("refuse %v", refuse), func(t *testing.T) {
			const limit, n = 3, 50
			processes := newDatabase(t).managers(t, 2, session.Config{MaxSessionsPerOwner: limit, RefuseMoreSessions: refuse})
			var wg sync.WaitGroup
			var mu sync.Mutex
			in := 0
			for i := range n {
				wg.Go(func() {
					m := processes[i%2]
					err := request(m, func(_ context.Context, s *session.Session) error { return s.SetOwner("ada") })
					infos, listErr := m.SessionsOf(context.Background(), "ada")
					if listErr != nil || len(infos) > limit {
						t.Errorf("there are %d sessions (%v)", len(infos), listErr)
					}
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						in++
					} else if !refuse || !errors.Is(err, session.ErrTooManySessions) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			want := n
			if refuse {
				want = limit
			}
			if in != want {
				t.Errorf("%d logins succeeded, want %d", in, want)
			}
			infos, err := processes[0].SessionsOf(context.Background(), "ada")
			if err != nil || len(infos) != limit {
				t.Errorf("%d sessions are left (%v)", len(infos), err)
			}
		})
	}
}

// Ends by expiry, by Abandon and by RevokeOwner are told once each by two
// processes, with what the session held.
func TestManager_OnEnd(t *testing.T) {
	const n = 300
	number := session.NewKey[int]("number")
	var mu sync.Mutex
	heard := make(map[int]session.EndReason)
	told := make(chan struct{}, 2*n)
	db := newDatabase(t)
	processes := db.managers(t, 2, session.Config{
		ReapInterval: 50 * time.Millisecond,
		OnEnd: func(_ context.Context, e session.Ended) error {
			i, err := number.Get(e.Session)
			mu.Lock()
			defer mu.Unlock()
			if _, again := heard[i]; again || err != nil {
				t.Errorf("end %d is told again, or cannot be read: %v", i, err)
			}
			heard[i] = e.Reason
			told <- struct{}{}
			return nil
		},
	})
	owner := func(i int) string { return []string{"expires", "revoked", "abandons"}[i%3] }
	for i := range n {
		err := request(processes[i%2], func(ctx context.Context, s *session.Session) error {
			err := errors.Join(number.Set(s, i), s.SetOwner(owner(i)), s.Save(ctx))
			if owner(i) == "abandons" {
				err = errors.Join(err, s.Abandon())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if ended, err := processes[0].RevokeOwner(context.Background(), "revoked"); ended != n/3 || err != nil {
		t.Errorf("%d were revoked (%v)", ended, err)
	}
	await := func(ends int) {
		t.Helper()
		timeout := time.After(60 * time.Second)
		for i := range ends {
			select {
			case <-told:
			case <-timeout:
				t.Fatalf("only %d ends were told, want %d", i, ends)
			}
		}
	}
	await(2 * n / 3)
	// Told is not yet forgotten: an end whose claim gets older too is told again.
	eventually(t, "the ends that were told are forgotten", func() bool {
		return query[int](t, db, "SELECT count(*) FROM "+db.table()+" WHERE reason <> 0") == 0
	})
	db.advance(t, 22*time.Minute)
	await(n / 3)
	for _, m := range processes {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		if err := m.Close(ctx); err != nil { // and with it, the last removals
			t.Error(err)
		}
		cancel()
	}
	if left, err := db.open(t, sqlstore.Config{}).Reap(context.Background(), "", n, session.NewToken(), time.Minute); err != nil || len(left) > 0 {
		t.Errorf("%d ends are left (%v)", len(left), err)
	}
	want := map[string]session.EndReason{"expires": session.EndExpired, "revoked": session.EndRevoked, "abandons": session.EndAbandoned}
	for i, reason := range heard {
		if reason != want[owner(i)] {
			t.Errorf("%d: %v, want %v", i, reason, want[owner(i)])
		}
	}
}
