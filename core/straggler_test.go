package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// A goroutine of the handler renews and saves the session at the moment at
// which the headers go out: either the client is told its new ID, or it keeps
// the old one. Not in a bubble, where who waits for a mutex stops the time.
func TestM16_RenewedWhileTheHeadersGoOut(t *testing.T) {
	for _, mode := range writeModes {
		t.Run(mode.String(), func(t *testing.T) {
			meanwhile := func() {}
			sv := newService(t, session.Config{Discard: func(out session.Outcome) bool {
				meanwhile()
				return out.Failed()
			}})
			c := sv.visitor()
			saving := make(chan struct{})
			sv.faults.Rule(func(call sessiontest.Call) (f sessiontest.Fault) {
				if call.Op == sessiontest.OpSave {
					close(saving)
					f.Delay = 20 * time.Millisecond
				}
				return f
			})
			r := c.begin()
			s := r.acquire(mode)
			sv.check(s.Renew())
			saved := make(chan error, 1)
			meanwhile = func() { // the reply is about to go out
				meanwhile = func() {}
				go func() { saved <- s.Save(r.ctx) }()
				<-saving
			}
			sv.check(r.BeforeReply(r.ctx, error500))
			r.keepCookie()
			sv.check(<-saved)
			sv.check(r.end(error500))
			c.count(1)
		})
	}
}

// While an error handler answers in place of the handler, a goroutine that
// this has left behind does not touch the reply's headers.
func TestM12_NothingTouchesTheHeadersOfAnError(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{ID: session.Cookie{Persist: true}})
		c := sv.visitor()
		r := c.begin()
		s := r.acquire(mode)
		sv.check(countKey.Set(s, 2))
		sv.faults.Next(sessiontest.OpAny, -1, down)
		wantIs(t, r.BeforeReply(r.ctx, ok200), session.ErrUnavailable)
		sv.faults.Reset()
		r.noCookie()
		sv.check(s.SetTimeout(time.Hour)) // the cookie's life follows it
		_ = s.Save(r.ctx)
		r.noCookie()
		sv.check(r.end(session.Outcome{Status: 503}))
	})
}

// A goroutine that the handler has left behind still acquires when its request
// has ended, and OnStart saves: the exchange is not used any more, and no
// session is stored whose client cannot know it.
func TestM22_StartedAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		p := start(t, memstore.New(), session.Config{OnStart: func(ctx context.Context, s *session.Session) error {
			<-over
			if err := countKey.Set(s, 1); err != nil {
				return err
			}
			return s.Save(ctx)
		}})
		r := p.client("").begin()
		acquired := make(chan error)
		go func() {
			_, err := session.Acquire(r.ctx, session.Exclusive)
			acquired <- err
		}()
		synctest.Wait()
		if err := r.Finish(r.ctx, ok200); err != nil {
			t.Error(err)
		}
		close(over)
		wantIs(t, <-acquired, session.ErrHeadersSent)
		r.noCookie()
		if n := p.calls.Total(); n != 0 {
			t.Errorf("%d calls of the store", n)
		}
	})
}
