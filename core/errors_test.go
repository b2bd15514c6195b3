package session_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func TestHTTPStatus(t *testing.T) {
	for err, want := range map[error]int{
		nil:                       200,
		session.ErrQueueFull:      429,
		session.ErrAcquireTimeout: 503,
		session.ErrUnavailable:    503,
		session.ErrRenewed:        409,
		session.ErrLockLost:       409,
		session.ErrConflict:       409,
		session.ErrTooLarge:       413,
		context.Canceled:          499,
		session.ErrNotFound:       500,
		session.ErrExists:         500,
		session.ErrLocked:         500,
		session.ErrOutcomeUnknown: 500,
		session.ErrReadOnly:       500,
		session.ErrReleased:       500,
		session.ErrHeadersSent:    500,
		session.ErrCorrupt:        500,
		session.ErrNoSession:      500,
		context.DeadlineExceeded:  503,
		errBoom:                   500,
		&session.LockedError{}:    500,
	} {
		if got := session.HTTPStatus(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
		if err == nil {
			continue
		}
		if got := session.HTTPStatus(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v, wrapped: %d, want %d", err, got, want)
		}
		if !strings.HasPrefix(err.Error(), "session: ") && err != errBoom && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not say where it comes from", err)
		}
	}
	if err := error(&session.LockedError{}); !errors.Is(err, session.ErrLocked) {
		t.Error("a LockedError is no ErrLocked")
	}
}

// secrets collects everything that errors and logs must not contain.
type secrets []string

func (x *secrets) add(s *session.Session) {
	key := s.StoreKey()
	*x = append(*x, s.ID(), hex.EncodeToString(key[:]), strings.ToUpper(hex.EncodeToString(key[:])),
		base64.StdEncoding.EncodeToString(key[:]), base64.RawURLEncoding.EncodeToString(key[:]),
		strings.Trim(fmt.Sprint(key[:]), "[]"), string(key[:]), "top secret")
}

func (x secrets) notIn(t *testing.T, where, text string) {
	t.Helper()
	for _, s := range x {
		if strings.Contains(text, s) {
			t.Errorf("%s contains a secret", where)
		}
	}
}

// Every error is provoked with a known ID, and nothing that is said of it
// anywhere may contain it.
func TestErrors_ContainNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{RequestQueueLimit: 1, MaxSize: 2000, AcquireTimeout: time.Second})
		var hidden secrets
		var errs []error
		note := func(err error) {
			t.Helper()
			if err == nil {
				t.Error("no error to look at")
			}
			errs = append(errs, err)
		}
		fresh := func() *client {
			c := sv.client()
			sv.check(c.do(session.Exclusive, func(s *session.Session) {
				sv.check(countKey.Set(s, 1))
				sv.check(textKey.Set(s, "top secret"))
				hidden.add(s)
			}))
			return c
		}
		acquire := func(c *client, mode session.Mode) (*request, error) {
			r := c.begin()
			s, err := session.Acquire(r.ctx, mode)
			if err == nil {
				hidden.add(s)
			}
			return r, err
		}

		// Waiting: ErrQueueFull, ErrAcquireTimeout, the context's end.
		c := fresh()
		holder, err := acquire(c, session.Exclusive)
		sv.check(err)
		go func() { _, _ = acquire(c, session.Exclusive) }()
		synctest.Wait()
		_, err = acquire(c, session.Exclusive)
		note(err)
		time.Sleep(2 * time.Second)
		_, err = acquire(c, session.Exclusive)
		note(err)
		r := c.begin()
		r.cancel()
		_, err = session.Acquire(r.ctx)
		note(err)
		sv.check(holder.end(ok200))

		// The store: down, hanging, all operations in all modes.
		for _, kind := range []sessiontest.FaultKind{sessiontest.FailBefore, sessiontest.FailAfter, sessiontest.HangBefore, sessiontest.HangAfter} {
			for _, mode := range allModes {
				for _, use := range []func(s *session.Session) error{
					func(s *session.Session) error { return countKey.Set(s, 2) },
					func(s *session.Session) error { return s.Renew() },
					func(s *session.Session) error { return s.Abandon() },
				} {
					c := fresh()
					r, err := acquire(c, mode)
					sv.check(err)
					useErr := use(session.From(r.ctx))
					sv.faults.Next(sessiontest.OpAny, -1, sessiontest.Fault{Kind: kind})
					_, err = acquire(sameCookie(c), mode)
					note(err)
					if err := r.end(ok200); useErr == nil {
						note(err)
					} else {
						note(useErr)
					}
					sv.faults.Reset()
					time.Sleep(time.Minute)
				}
			}
		}

		// Values: encoding, decoding, size.
		c = fresh()
		r, err = acquire(c, session.Exclusive)
		sv.check(err)
		s := session.From(r.ctx)
		_, err = session.NewKey[int]("text").Get(s)
		note(err)
		note(session.NewKey[chan int]("text").Set(s, nil))
		note(textKey.Set(s, strings.Repeat("top secret ", 300)))
		note(s.SetOwner(strings.Repeat("top secret ", 300)))
		note(s.SetTimeout(-5))
		sv.check(r.end(ok200))
		note(s.Save(r.ctx))

		// Others' doings: ErrLockLost, ErrConflict, ErrRenewed.
		for _, mode := range writeModes {
			c = fresh()
			r, err = acquire(c, mode)
			sv.check(err)
			sv.check(countKey.Set(session.From(r.ctx), 2))
			sv.check(sameCookie(c).do(session.Snapshot, func(s *session.Session) { sv.check(s.Abandon()) }))
			note(r.end(ok200))

			c = fresh()
			old := sameCookie(c)
			sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(s.Renew()) }))
			_, err = acquire(old, mode)
			note(err)
		}

		// The background.
		c = fresh()
		time.Sleep(2 * time.Minute)
		sv.faults.Next(sessiontest.OpTouch, 1, down)
		sv.check(c.begin().end(ok200))
		synctest.Wait()

		// A damaged record (M18), and a lost lock.
		c = fresh()
		sv.damage()
		r, err = acquire(c, session.Exclusive)
		sv.check(err)
		sv.check(r.end(ok200))
		c = fresh()
		r, err = acquire(c, session.Exclusive)
		sv.check(err)
		sv.check(countKey.Set(session.From(r.ctx), 2))
		time.Sleep(2 * time.Minute) // ExecutionTimeout
		note(r.end(ok200))

		kinds := make(map[session.EventKind]bool)
		for _, e := range sv.events.all {
			kinds[e.Kind] = true
			if e.Err != nil {
				hidden.notIn(t, e.Kind.String(), fmt.Sprintf("%v %+v %#v", e.Err, e.Err, e.Err))
			}
		}
		for _, kind := range []session.EventKind{
			session.EventAcquired, session.EventAcquireFailed, session.EventReleased, session.EventSaved, session.EventSaveFailed,
			session.EventLockLost, session.EventCorrupt, session.EventBackground, session.EventWaiting, session.EventWaited, session.EventStoreCall,
		} {
			if !kinds[kind] {
				t.Error("not provoked:", kind)
			}
		}
		for _, err := range errs {
			hidden.notIn(t, "an error", fmt.Sprintf("%v %+v", err, err))
		}
		if sv.log.count("level=") < 3 {
			t.Error("nothing was logged")
		}
		hidden.notIn(t, "the log", sv.log.String())
	})
}

// sameCookie is another browser tab of the client: a client with the same cookie.
func sameCookie(c *client) *client { return &client{t: c.t, m: c.m, id: c.id} }
