package cosmosstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// talk is an HTTP exchange without HTTP.
type talk struct{ request, reply http.Header }

func (ex talk) RequestHeader(name string) []string { return ex.request.Values(name) }
func (ex talk) ReplyHeader(name string) []string   { return ex.reply.Values(name) }
func (talk) Secure() bool                          { return true }
func (ex talk) SetReplyHeader(name string, values ...string) {
	ex.reply[http.CanonicalHeaderKey(name)] = values
}

// request makes a request of the client that has that cookie, and returns the
// one that it has then.
func request(m *session.Manager, cookie string, mode session.Mode, use func(*session.Session) error) (string, error) {
	ex := talk{http.Header{}, http.Header{}}
	if cookie != "" {
		ex.request.Set("Cookie", "session="+cookie)
	}
	rq, ctx := m.Begin(context.Background(), ex)
	s, err := m.Acquire(ctx, mode)
	if err == nil {
		err = use(s)
	}
	err = errors.Join(err, rq.Finish(ctx, session.Outcome{Err: err}))
	for _, c := range (&http.Response{Header: ex.reply}).Cookies() {
		cookie = c.Value
	}
	return cookie, err
}

// Of 50 logins at once in two processes, half of them of clients that have a
// session already and get a new ID, there are never more than three sessions,
// and three remain; and if it is the newcomer that gives way, three are let in.
func TestManager_MaxSessionsPerOwner(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} {
		t.Run(fmt.Sprintf("refuse %v", refuse), func(t *testing.T) {
			t.Parallel()
			const limit, n = 3, 50
			cfg := fresh(t)
			var processes [2]*session.Manager
			for i := range processes {
				var err error
				processes[i], err = session.New(open(t, cfg), session.Config{
					MaxSessionsPerOwner: limit, RefuseMoreSessions: refuse,
					SaveTimeout: time.Minute, AcquireTimeout: time.Minute, ReapInterval: -1, // a busy machine takes its time
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = processes[i].Close(context.Background()) })
			}
			var cookies [n]string
			for i := 0; i < n; i += 2 {
				var err error
				if cookies[i], err = request(processes[0], "", session.Exclusive, func(s *session.Session) error { return visits.Set(s, 1) }); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			var in []string // the cookies of those who were let in
			for i := range n {
				wg.Go(func() {
					m := processes[i/2%2]
					cookie, err := request(m, cookies[i], session.Exclusive, func(s *session.Session) error {
						return errors.Join(s.Renew(), s.SetOwner("ada"))
					})
					infos, listErr := m.SessionsOf(context.Background(), "ada")
					if listErr != nil || len(infos) > limit {
						t.Errorf("there are %d sessions (%v)", len(infos), listErr)
					}
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						in = append(in, cookie)
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
			if len(in) != want {
				t.Errorf("%d logins succeeded, want %d", len(in), want)
			}
			work := 0
			for _, cookie := range in {
				_, err := request(processes[1], cookie, session.Snapshot, func(s *session.Session) error {
					if s.Owner() == "ada" {
						work++
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
			infos, err := processes[0].SessionsOf(context.Background(), "ada")
			if err != nil || len(infos) != limit || work != limit {
				t.Errorf("%d sessions are left (%v), and %d work", len(infos), err, work)
			}
		})
	}
}
