package otelsession_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// visit is a request's handler that holds the session for d.
func visit(d time.Duration) func(*session.Session) {
	return func(*session.Session) { time.Sleep(d) }
}

// TestService has a Manager on memstore run into everything that it tells its
// Observer of, and compares all that OpenTelemetry's SDK exports of that. The
// first measurements of each are those of storing the session.
func TestService(t *testing.T) {
	for _, c := range []struct {
		name    string
		cfg     session.Config
		play    func(t *testing.T, s *service, id string)
		metrics []string // beside those of storing the session
		traces  []string
		atOnce  bool // two requests go on at one moment: the order of their spans is not known
	}{
		{
			name:   "one waits for another",
			atOnce: true,
			play: func(t *testing.T, s *service, id string) {
				var wg sync.WaitGroup
				wg.Go(func() { s.request(id, session.Exclusive, visit(3*time.Second)) })
				synctest.Wait()
				s.request(id, session.ReadOnly, visit(2*time.Second))
				wg.Wait()
			},
			metrics: []string{
				"session.acquire.duration s session.mode=exclusive,session.waited=false: 2, 0",
				"session.acquire.duration s session.mode=read-only,session.waited=true: 1, 3",
				"session.hold.duration s session.mode=exclusive: 2, 3",
				"session.hold.duration s session.mode=read-only: 1, 2",
				"session.wait.duration s session.mode=read-only: 1, 3",
				"session.waiting_requests {request} session.mode=read-only: 0",
			},
			traces: []string{
				"session.acquire 0s session.mode=exclusive,session.waited=false Unset",
				"session.hold 3s session.mode=exclusive Unset",
				"request 3s  Unset",
				"session.wait 3s session.mode=read-only Unset",
				"session.acquire 3s session.mode=read-only,session.waited=true Unset",
				"session.hold 2s session.mode=read-only Unset",
				"request 5s  Unset",
			},
		},
		{
			name: "changes and an end",
			play: func(t *testing.T, s *service, id string) {
				s.request(id, session.Exclusive, func(sess *session.Session) { s.set(sess, 20000) })
				s.request(id, session.Exclusive, func(sess *session.Session) {
					if err := sess.Abandon(); err != nil {
						t.Error(err)
					}
				})
			},
			metrics: []string{
				"session.acquire.duration s session.mode=exclusive,session.waited=false: 3, 0",
				"session.hold.duration s session.mode=exclusive: 3, 0",
				"session.save.duration s session.mode=exclusive,session.removed=false: 2, 0",
				"session.save.duration s session.mode=exclusive,session.removed=true: 1, 0",
				"session.save.size By session.mode=exclusive: 2, 19", // count and 1000, count and 20000
			},
			traces: []string{
				"session.acquire 0s session.mode=exclusive,session.waited=false Unset",
				"session.save 0s session.mode=exclusive,session.removed=false,session.save.size=10 Unset",
				"session.hold 0s session.mode=exclusive Unset",
				"request 0s  Unset",
				"session.acquire 0s session.mode=exclusive,session.waited=false Unset",
				"session.save 0s session.mode=exclusive,session.removed=true Unset",
				"session.hold 0s session.mode=exclusive Unset",
				"request 0s  Unset",
			},
		},
		{
			name: "the queue is full, and the wait too long",
			cfg:  session.Config{RequestQueueLimit: 1, AcquireTimeout: 2 * time.Second},
			play: func(t *testing.T, s *service, id string) {
				var wg sync.WaitGroup
				wg.Go(func() { s.request(id, session.Exclusive, visit(3*time.Second)) })
				synctest.Wait()
				wg.Go(func() { wantStatus(t, s, id, session.Exclusive, nil, http.StatusServiceUnavailable) })
				synctest.Wait()
				wantStatus(t, s, id, session.Exclusive, nil, http.StatusTooManyRequests)
				wg.Wait()
			},
			metrics: []string{
				"session.acquire.duration s error.type=acquire_timeout,session.mode=exclusive: 1, 2",
				"session.acquire.duration s error.type=queue_full,session.mode=exclusive: 1, 0",
				"session.acquire.duration s session.mode=exclusive,session.waited=false: 2, 0",
				"session.hold.duration s session.mode=exclusive: 2, 3",
				"session.wait.duration s error.type=acquire_timeout,session.mode=exclusive: 1, 2",
				"session.waiting_requests {request} session.mode=exclusive: 0",
			},
			traces: []string{
				"session.acquire 0s session.mode=exclusive,session.waited=false Unset",
				"session.acquire 0s error.type=queue_full,session.mode=exclusive Error",
				"request 0s  Unset",
				"session.wait 2s error.type=acquire_timeout,session.mode=exclusive Error",
				"session.acquire 2s error.type=acquire_timeout,session.mode=exclusive Error",
				"request 2s  Unset",
				"session.hold 3s session.mode=exclusive Unset",
				"request 3s  Unset",
			},
		},
		{
			name: "a save fails",
			cfg:  session.Config{StoreTimeout: time.Second, SaveTimeout: time.Second},
			play: func(t *testing.T, s *service, id string) {
				s.faults.Next(sessiontest.OpSave, -1, sessiontest.Fault{Kind: sessiontest.HangBefore})
				wantStatus(t, s, id, session.Exclusive, func(sess *session.Session) { s.set(sess, 2) }, http.StatusServiceUnavailable)
			},
			metrics: []string{
				"session.acquire.duration s session.mode=exclusive,session.waited=false: 2, 0",
				"session.hold.duration s session.mode=exclusive: 2, 1",
				"session.save.duration s error.type=unavailable,session.mode=exclusive,session.removed=false: 1, 1",
			},
			traces: []string{
				"session.acquire 0s session.mode=exclusive,session.waited=false Unset",
				"session.save 1s error.type=unavailable,session.mode=exclusive,session.removed=false Error",
				"session.hold 1s session.mode=exclusive Unset",
				"request 1s  Unset",
			},
		},
		{
			name: "a lock is lost",
			cfg:  session.Config{ExecutionTimeout: 2 * time.Second},
			play: func(t *testing.T, s *service, id string) {
				wantStatus(t, s, id, session.Exclusive, func(sess *session.Session) {
					time.Sleep(3 * time.Second)
					s.set(sess, 2)
				}, http.StatusConflict)
			},
			metrics: []string{
				"session.acquire.duration s session.mode=exclusive,session.waited=false: 2, 0",
				"session.hold.duration s session.mode=exclusive: 2, 3",
				"session.lock.losses {lock}: 1",
				"session.save.duration s error.type=lock_lost,session.mode=exclusive,session.removed=false: 1, 0",
			},
			traces: []string{
				"session.acquire 0s session.mode=exclusive,session.waited=false Unset",
				"session.save 0s error.type=lock_lost,session.mode=exclusive,session.removed=false Error",
				"session.hold 3s session.mode=exclusive Unset",
				"request 3s  Unset: session.lock_loss session.mode=exclusive",
			},
		},
		{
			name: "concurrent changes meet",
			play: func(t *testing.T, s *service, id string) {
				s.request(id, session.Concurrent, func(sess *session.Session) {
					s.set(sess, 2)
					s.request(id, session.Concurrent, func(sess *session.Session) { s.set(sess, 3) })
				})
			},
			metrics: []string{
				"session.acquire.duration s session.mode=concurrent,session.waited=false: 2, 0",
				"session.conflicts {conflict}: 1",
				"session.hold.duration s session.mode=concurrent: 2, 0",
				"session.save.duration s session.mode=concurrent,session.removed=false: 2, 0",
				"session.save.size By session.mode=concurrent: 2, 12",
			},
			traces: []string{
				"session.acquire 0s session.mode=concurrent,session.waited=false Unset",
				"session.acquire 0s session.mode=concurrent,session.waited=false Unset",
				"session.save 0s session.mode=concurrent,session.removed=false,session.save.size=6 Unset",
				"session.hold 0s session.mode=concurrent Unset",
				"request 0s  Unset",
				"session.save 0s session.mode=concurrent,session.removed=false,session.save.size=6 Unset",
				"session.hold 0s session.mode=concurrent Unset",
				"request 0s  Unset: session.conflict session.mode=concurrent",
			},
		},
		{
			name: "an unknown ID",
			play: func(t *testing.T, s *service, id string) {
				unknown := strings.ToUpper(id)
				if unknown == id {
					t.Fatal("the ID has no letters")
				}
				s.keepSecret(unknown)
				s.request(unknown, session.Snapshot, visit(0))
			},
			metrics: []string{
				"session.acquire.duration s session.mode=snapshot,session.waited=false: 1, 0",
				"session.hold.duration s session.mode=snapshot: 1, 0",
				"session.unknown_ids {request} session.mode=snapshot: 1",
			},
			traces: []string{
				"session.acquire 0s session.mode=snapshot,session.waited=false Unset",
				"session.hold 0s session.mode=snapshot Unset",
				"request 0s  Unset: session.unknown_id session.mode=snapshot",
			},
		},
		{
			name: "a session that cannot be read",
			play: func(t *testing.T, s *service, id string) {
				s.damage(t, id)
				s.request(id, session.ReadOnly, visit(0))
			},
			metrics: []string{
				"session.acquire.duration s session.mode=read-only,session.waited=false: 1, 0",
				"session.acquire.duration s session.mode=snapshot,session.waited=false: 1, 0",
				"session.corrupt_reads {read} session.mode=read-only: 1",
				"session.hold.duration s session.mode=read-only: 1, 0",
				"session.hold.duration s session.mode=snapshot: 1, 0",
			},
			traces: []string{
				"session.acquire 0s session.mode=read-only,session.waited=false Unset",
				"session.hold 0s session.mode=read-only Unset",
				"request 0s  Unset: session.corrupt session.mode=read-only",
			},
		},
		{
			name: "a release fails",
			play: func(t *testing.T, s *service, id string) {
				s.faults.Next(sessiontest.OpRelease, 1, sessiontest.Fault{Kind: sessiontest.FailBefore})
				s.request(id, session.Exclusive, visit(0))
			},
			metrics: []string{
				"session.acquire.duration s session.mode=exclusive,session.waited=false: 2, 0",
				"session.background.failures {failure} error.type=unavailable: 1",
				"session.hold.duration s session.mode=exclusive: 2, 0",
			},
			traces: []string{
				"session.acquire 0s session.mode=exclusive,session.waited=false Unset",
				"session.hold 0s session.mode=exclusive Unset",
				"request 0s  Unset",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, c.cfg)
				id := s.stored()
				first := s.metrics()
				c.play(t, s, id)
				compare(t, "measurements", slices.DeleteFunc(s.metrics(), func(line string) bool {
					return slices.Contains(first, line) || strings.HasPrefix(line, "session.store.") // see TestStoreCalls
				}), c.metrics)
				traces := s.traces()
				if c.atOnce {
					slices.Sort(traces)
					slices.Sort(c.traces)
				}
				compare(t, "spans", traces, c.traces)
			})
		})
	}
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant:\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func wantStatus(t *testing.T, s *service, id string, mode session.Mode, f func(*session.Session), want int) {
	t.Helper()
	if status, _ := s.request(id, mode, f); status != want {
		t.Errorf("status %d, want %d", status, want)
	}
}
