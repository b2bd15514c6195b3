package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestM18_TheLogIsNotFlooded: a client that puts nothing into its new session
// keeps its cookie, and so meets what cannot be read with each request.
func TestM18_TheLogIsNotFlooded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		sv.damage()
		visit := func(times int) {
			for range times {
				sv.check(c.do(session.ReadOnly, func(*session.Session) {}))
			}
		}
		logged := func(want int, unlogged string) {
			t.Helper()
			if n := sv.log.count("it is left alone"); n != want || !strings.HasSuffix(sv.log.String(), unlogged+"\n") || sv.log.count("level=ERROR") != n {
				t.Errorf("logged %d times, want %d, the last with %s:\n%s", n, want, unlogged, sv.log)
			}
		}
		visit(100)
		logged(1, "unlogged=0")
		time.Sleep(time.Minute)
		visit(100)
		logged(2, "unlogged=99")
		if n := len(sv.events.of(session.EventCorrupt)); n != 200 {
			t.Errorf("the observer was told %d times, want 200", n)
		}
	})
}

// TestM19_TheLogTellsOfTheBackground: what fails there is known to nobody else,
// and fails again and again while the store is down.
func TestM19_TheLogTellsOfTheBackground(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		sv.faults.Next(sessiontest.OpRelease, -1, down)
		for range 10 {
			r := c.begin()
			r.acquire(session.Exclusive)
			r.cancel() // the client is gone: that the release fails is worth knowing all the same
			sv.check(r.end(ok200))
			time.Sleep(15 * time.Second) // until the lease is over
			synctest.Wait()
		}
		if n := len(sv.events.of(session.EventBackground)); n != 10 {
			t.Errorf("the observer was told %d times, want 10", n)
		}
		// At once, and when the minute is over: after 4 and after 8 requests.
		if n := sv.log.count(`level=WARN msg="session: background work failed" error="session: release`); n != 3 || sv.log.count("unlogged=3") != 2 {
			t.Errorf("logged %d times, want 3:\n%s", n, sv.log)
		}
	})
}

// bomb panics whenever it is told of anything.
type bomb struct{}

func (bomb) Observe(context.Context, session.Event) { panic("why") }

// TestAPanickingObserverHasNoEffect: on requests that wait, fail, lose their
// locks and end, and on the background.
func TestAPanickingObserverHasNoEffect(t *testing.T) {
	for _, mode := range allModes {
		t.Run(mode.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sv := newService(t, session.Config{Observer: bomb{}})
				c := sv.visitor()
				holder := c.begin()
				s := holder.acquire(session.Exclusive)
				sv.check(countKey.Set(s, 5))
				done := make(chan error)
				go func() {
					r := sameCookie(c).begin()
					s, err := session.Acquire(r.ctx, mode)
					if err == nil && (mode == session.Exclusive || mode == session.Concurrent) {
						err = add(s)
					}
					done <- errors.Join(err, r.end(ok200))
				}()
				time.Sleep(time.Second)
				sv.check(holder.end(ok200))
				sv.check(<-done)
				want := 5
				if mode == session.Exclusive || mode == session.Concurrent {
					want++
				}
				c.count(want)

				holder = c.begin()
				sv.check(countKey.Set(holder.acquire(session.Exclusive), 7))
				time.Sleep(2 * time.Minute) // ExecutionTimeout
				wantIs(t, holder.end(ok200), session.ErrLockLost)
				c.count(want)
				sv.faults.Next(sessiontest.OpRelease, 1, down)
				sv.check(c.do(session.Exclusive, func(*session.Session) {}))
				sv.check(closeSoon(sv.Manager))
				if n := sv.log.count(`level=ERROR msg="session: the Observer panicked"`); n == 0 || n > 4 {
					t.Errorf("logged %d times", n)
				}
			})
		})
	}
}
