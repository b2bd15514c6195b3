package otelsession_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
	otelsession "github.com/sessionstate/sessionstate/observers/otel"
)

// measured is what comes of an event, told once without an error and once with
// ErrUnavailable, with a duration of a second, 1,000 bytes, the mode read-only,
// the reason revoked and the operation Load: measurements, and spans or events of
// the request's span.
var measured = map[session.EventKind][]string{
	session.EventAcquired: {
		"session.acquire.duration s session.mode=read-only,session.waited=false: 2, 2",
		"span session.acquire",
	},
	session.EventAcquireFailed: {
		"session.acquire.duration s error.type=unavailable,session.mode=read-only: 1, 1",
		"session.acquire.duration s session.mode=read-only: 1, 1",
		"span session.acquire",
	},
	session.EventReleased: {"session.hold.duration s session.mode=read-only: 2, 2", "span session.hold"},
	session.EventSaved: {
		"session.save.duration s error.type=unavailable,session.mode=read-only,session.removed=false: 1, 1",
		"session.save.duration s session.mode=read-only,session.removed=false: 1, 1",
		"session.save.size By session.mode=read-only: 2, 2000",
		"span session.save",
	},
	session.EventSaveFailed: {
		"session.save.duration s error.type=unavailable,session.mode=read-only,session.removed=false: 1, 1",
		"session.save.duration s session.mode=read-only,session.removed=false: 1, 1",
		"span session.save",
	},
	session.EventLockLost:  {"session.lock.losses {lock}: 2", "event session.lock_loss"},
	session.EventConflict:  {"session.conflicts {conflict}: 2", "event session.conflict"},
	session.EventUnknownID: {"session.unknown_ids {request} session.mode=read-only: 2", "event session.unknown_id"},
	session.EventCorrupt:   {"session.corrupt_reads {read} session.mode=read-only: 2", "event session.corrupt"},
	session.EventBackground: {
		"session.background.failures {failure} error.type=unavailable: 1",
		"session.background.failures {failure}: 1",
	},
	session.EventStarted: {
		"session.start.duration s error.type=unavailable,session.mode=read-only: 1, 1",
		"session.start.duration s session.mode=read-only: 1, 1",
		"span session.start",
	},
	session.EventEnded: {
		"session.end.duration s error.type=unavailable,session.end.reason=revoked: 1, 1",
		"session.end.duration s session.end.reason=revoked: 1, 1",
	},
	session.EventEndFailed: {
		"session.end.duration s error.type=unavailable,session.end.reason=revoked: 1, 1",
		"session.end.duration s session.end.reason=revoked: 1, 1",
	},
	session.EventEndLost: {
		"session.end.duration s error.type=unavailable,session.end.reason=revoked: 1, 1",
		"session.end.duration s session.end.reason=revoked: 1, 1",
		"session.end.losses {session} session.end.reason=revoked: 2",
	},
	session.EventOwnerLimit: {
		"session.owner_limit.hits {session} error.type=unavailable: 1",
		"session.owner_limit.hits {session}: 1",
		"event session.owner_limit",
	},
	session.EventWaiting: {
		"session.waiting_requests {request} session.mode=read-only: 2",
	},
	session.EventWaited: {
		"session.wait.duration s error.type=unavailable,session.mode=read-only: 1, 1",
		"session.wait.duration s session.mode=read-only: 1, 1",
		"session.waiting_requests {request} session.mode=read-only: -2",
		"span session.wait",
	},
	session.EventTakeover: {"session.lock.takeovers {lock}: 2", "event session.lock_takeover"},
	session.EventStoreCall: {
		"session.store.duration s error.type=unavailable,session.store.operation=Load: 1, 1",
		"session.store.duration s session.store.operation=Load: 1, 1",
		"session.store.io By session.store.io.direction=read: 2000",
		"span session.store.Load",
	},
}

// TestEveryEvent: none that package session has is forgotten here, and what
// comes of each is in README.md.
func TestEveryEvent(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{} // instruments and their units
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| [^|]+ \\| `(s|By|\\{[a-z]+\\})` \\|").FindAllStringSubmatch(string(readme), -1) {
		documented[row[1]] = row[2]
	}
	kinds, instruments := 0, map[string]bool{}
	for k := session.EventKind(1); k.String() != "unknown"; k++ {
		kinds++
		t.Run(k.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startWith(t, session.Config{}, otelsession.Config{StoreSpans: true})
				ctx, span := s.tracers.Tracer("tests").Start(t.Context(), "request")
				e := session.Event{
					Kind: k, Mode: session.ReadOnly, Op: session.OpLoad, Reason: session.EndRevoked,
					Duration: time.Second, Size: 1000,
				}
				s.observer.Observe(ctx, e)
				e.Err = session.ErrUnavailable
				s.observer.Observe(ctx, e)
				span.End()
				got := s.metrics()
				for _, line := range got {
					name, rest, _ := strings.Cut(line, " ")
					unit, _, _ := strings.Cut(rest, " ")
					instruments[name] = true
					if documented[name] != strings.TrimSuffix(unit, ":") {
						t.Errorf("README.md has no row of %s in %s", name, unit)
					}
				}
				for _, span := range s.spans.GetSpans() {
					what := "span " + span.Name
					if span.Name == "request" {
						if len(span.Events) == 0 {
							continue
						}
						what = "event " + span.Events[0].Name
					}
					if !slices.Contains(got, what) {
						got = append(got, what)
					}
					if !strings.Contains(string(readme), "`"+strings.TrimSuffix(strings.Fields(what)[1], ".Load")) {
						t.Errorf("README.md does not have the %s", what)
					}
				}
				compare(t, "what came of it", got, measured[k])
			})
		})
	}
	if kinds != len(measured) {
		t.Errorf("package session has %d kinds of events, this test %d", kinds, len(measured))
	}
	for name := range documented {
		if !instruments[name] {
			t.Errorf("README.md has a row of %s, which nothing measures", name)
		}
	}
}

// TestStoreCalls: each operation of the store has a name, a duration and, where
// contents move, bytes; and a span, if that is wanted, which is an error only
// if the store failed.
func TestStoreCalls(t *testing.T) {
	for _, spans := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := startWith(t, session.Config{StoreTimeout: time.Second}, otelsession.Config{StoreSpans: spans})
			id := s.stored()
			s.request(id, session.Concurrent, func(sess *session.Session) {
				s.set(sess, 2)
				s.request(id, session.Exclusive, func(sess *session.Session) { s.set(sess, 3) })
			})
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			s.faults.Next(sessiontest.OpLoad, 1, sessiontest.Fault{Kind: sessiontest.HangBefore})
			wantStatus(t, s, id, session.Snapshot, nil, 503)
			synctest.Wait() // a touch in the background, since that request has not touched its session
			compare(t, "measurements", slices.DeleteFunc(s.metrics(), func(line string) bool {
				return !strings.HasPrefix(line, "session.store.")
			}), []string{
				"session.store.duration s error.type=conflict,session.store.operation=Swap: 1, 0",
				"session.store.duration s error.type=unavailable,session.store.operation=Load: 1, 1",
				"session.store.duration s session.store.operation=Acquire: 1, 0",
				"session.store.duration s session.store.operation=Create: 1, 0",
				"session.store.duration s session.store.operation=Load: 2, 0",
				"session.store.duration s session.store.operation=Ping: 1, 0",
				"session.store.duration s session.store.operation=Save: 1, 0",
				"session.store.duration s session.store.operation=Swap: 1, 0",
				"session.store.duration s session.store.operation=Touch: 1, 0",
				"session.store.io By session.store.io.direction=read: 63",
				"session.store.io By session.store.io.direction=write: 60",
			})
			got := slices.DeleteFunc(s.traces(), func(line string) bool { return !strings.HasPrefix(line, "session.store.") })
			want := []string{
				"session.store.Load 0s session.store.operation=Load Unset",
				"session.store.Acquire 0s session.store.operation=Acquire Unset",
				"session.store.Save 0s session.store.operation=Save Unset",
				"session.store.Swap 0s error.type=conflict,session.store.operation=Swap Unset",
				"session.store.Load 0s session.store.operation=Load Unset",
				"session.store.Swap 0s session.store.operation=Swap Unset",
				"session.store.Load 1s error.type=unavailable,session.store.operation=Load Error",
			}
			if !spans {
				want = nil
			}
			compare(t, "spans", got, want)
		})
	}
}

// TestOperations: no two operations of a store are one here.
func TestOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, session.Config{})
		n := 0
		for op := session.StoreOp(1); op.String() != "unknown"; op++ {
			n++
			s.observer.Observe(t.Context(), session.Event{Kind: session.EventStoreCall, Op: op})
		}
		if got := s.metrics(); len(got) != n || strings.Contains(strings.Join(got, ""), "_OTHER") {
			t.Errorf("%d operations make\n\t%s", n, strings.Join(got, "\n\t"))
		}
		s.observer.Observe(t.Context(), session.Event{Kind: session.EventStoreCall, Op: 255})
		if got := s.metrics(); len(got) != n+1 {
			t.Errorf("with an unknown one:\n\t%s", strings.Join(got, "\n\t"))
		}
	})
}

// TestStartsAndEnds: a Manager with OnStart, OnEnd and MaxSessionsPerOwner.
func TestStartsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := start(t, session.Config{
			MaxSessionsPerOwner: 1, ReapInterval: time.Minute,
			OnStart: func(context.Context, *session.Session) error { time.Sleep(time.Second); return nil },
			OnEnd: func(context.Context, session.Ended) error {
				if calls++; calls == 1 {
					return errors.New("not yet")
				}
				time.Sleep(2 * time.Second)
				return nil
			},
		})
		s.stored()
		id := s.stored() // the first gives way
		synctest.Wait()
		s.request(id, session.Exclusive, func(sess *session.Session) {
			if err := sess.Abandon(); err != nil {
				t.Error(err)
			}
		})
		s.request("", session.Exclusive, func(sess *session.Session) { s.set(sess, 1) })
		time.Sleep(time.Hour)
		synctest.Wait()
		got := slices.DeleteFunc(s.metrics(), func(line string) bool {
			return !strings.HasPrefix(line, "session.start") && !strings.HasPrefix(line, "session.end") && !strings.HasPrefix(line, "session.owner")
		})
		compare(t, "measurements", got, []string{
			"session.end.duration s error.type=_OTHER,session.end.reason=revoked: 1, 0",
			"session.end.duration s session.end.reason=abandoned: 1, 2",
			"session.end.duration s session.end.reason=expired: 1, 2",
			"session.end.duration s session.end.reason=revoked: 1, 2",
			"session.owner_limit.hits {session}: 1",
			"session.start.duration s session.mode=exclusive: 3, 3",
		})
	})
}
