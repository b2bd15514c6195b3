package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// slowObserver takes its time when something was stored.
type slowObserver struct{ eventLog }

func (o *slowObserver) Observe(ctx context.Context, e session.Event) {
	if e.Kind == session.EventSaved {
		time.Sleep(20 * time.Second)
	}
	o.eventLog.Observe(ctx, e)
}

// The save that ends a request releases the lock too: a renewal that comes
// right after it must not take that for a loss.
func TestM9_NoLossAfterTheLastSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		uses := map[string]func(sv *service, s *session.Session){
			"save":    func(sv *service, s *session.Session) { sv.check(countKey.Set(s, 2)) },
			"renew":   func(sv *service, s *session.Session) { sv.check(s.Renew()) },
			"abandon": func(sv *service, s *session.Session) { sv.check(s.Abandon()) },
		}
		for name, use := range uses {
			o := &slowObserver{}
			sv := newService(t, session.Config{Observer: o})
			c := sv.visitor()
			r := c.begin()
			s := r.acquire(session.Exclusive)
			use(sv, s)
			sv.check(r.end(ok200))
			synctest.Wait()
			if n := len(o.of(session.EventLockLost)); n != 0 {
				t.Errorf("%s: a lost lock was reported", name)
			}
			if n := sv.calls.Counts()[sessiontest.OpExtend]; n != 0 {
				t.Errorf("%s: %d renewals of a lock that was released", name, n)
			}
		}
	})
}
