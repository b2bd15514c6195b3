package session_test

import (
	"errors"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
)

// The answers of the methods of a nil and of a released Session.
func TestM22_Released(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.visitor()
	r := c.begin()
	released := r.acquire(session.Exclusive)
	sv.check(released.Release(r.ctx))
	for want, s := range map[error]*session.Session{session.ErrNoSession: nil, session.ErrReleased: released} {
		_, _, errLookup := countKey.Lookup(s)
		_, _, errTake := countKey.Take(s)
		_, errGet := countKey.Get(s)
		errs := []error{errLookup, errTake, errGet, s.Delete("x"), s.Clear(), s.SetTimeout(0), s.SetOwner(""), s.Remember(true),
			s.Save(r.ctx), s.Release(r.ctx), s.Renew(), s.Abandon(), countKey.Set(s, 1), countKey.Delete(s),
			countKey.Update(s, func(n int) int { return n })}
		for i, err := range errs {
			if !errors.Is(err, want) {
				t.Errorf("%d: %v, want %v", i, err, want)
			}
		}
		if s.Has("count") || s.Len() != 0 || s.Keys() != nil || s.Owner() != "" || s.Timeout() != 0 || s.Context().Err() == nil {
			t.Error("not zero")
		}
	}
	sv.check(r.end(ok200))
	c.count(1)
}
