package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// key returns the key of the client's session.
func (c *client) key() (key session.StoreKey) {
	c.t.Helper()
	if err := c.try(session.Snapshot, func(s *session.Session) { key = s.StoreKey() }); err != nil {
		c.t.Error(err)
	}
	return key
}

// alive fails the test unless the client's session is there, or is not.
func (c *client) alive(want bool) {
	c.t.Helper()
	again := &client{t: c.t, m: c.m, id: c.id}
	if err := again.try(session.Snapshot, func(s *session.Session) {
		if s.IsNew() == want {
			c.t.Errorf("the session is there: %v, want %v", !want, want)
		}
	}); err != nil {
		c.t.Error(err)
	}
}

func TestSessions_StreamsAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		memory := memstore.New()
		p := start(t, memory, session.Config{MaxSessionsPerOwner: 2})
		start(t, memory, session.Config{Namespace: "other"}).stored(1)
		want := make(map[session.StoreKey]string)
		for i := range 100 {
			owner := fmt.Sprint("user ", i)
			want[p.owned(owner, i).key()] = owner
		}
		p.client(p.stored(0)).id = ""
		n := 0
		for info, err := range p.Sessions(t.Context()) {
			if n++; err != nil || info.Owner != want[info.Key] || info.Size == 0 || info.ExpiresIn == 0 {
				t.Errorf("%+v (%v)", info, err)
			}
		}
		if n != 101 {
			t.Errorf("%d sessions, want 101", n)
		}
		for range p.Sessions(t.Context()) {
			break
		}
		p.faults.Next(sessiontest.OpAll, 1, down)
		n = 0
		for _, err := range p.Sessions(t.Context()) {
			n++
			wantErr(t, "Sessions", err, session.ErrUnavailable)
		}
		if n != 1 {
			t.Errorf("%d errors", n)
		}
	})
}

func TestSessionsOf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		var want []session.StoreKey
		for i := range 3 {
			c := p.owned("ada", i)
			want = append(want, c.key())
			p.owned("bob", i)
			time.Sleep(time.Second)
		}
		infos, err := p.SessionsOf(t.Context(), "ada")
		if err != nil || len(infos) != 3 {
			t.Fatal(infos, err)
		}
		for i, info := range infos {
			if info.Key != want[i] || info.Owner != "ada" {
				t.Errorf("%d: %+v", i, info)
			}
		}
		infos, err = p.SessionsOf(t.Context(), "eve")
		if err != nil || len(infos) != 0 {
			t.Error(infos, err)
		}
		p.faults.Next(sessiontest.OpListOwner, 1, hangs)
		_, err = p.SessionsOf(t.Context(), "ada")
		wantErr(t, "SessionsOf", err, session.ErrUnavailable)
	})
}

// What a store cannot do is said so, by name.
func TestOwners_StoresThatCannot(t *testing.T) {
	m := newManager(t, silent{memstore.New()}, session.Config{})
	_, err := m.SessionsOf(t.Context(), "ada")
	wantIs(t, err, errors.ErrUnsupported)
	_, err = m.RevokeOwner(t.Context(), "ada")
	wantIs(t, err, errors.ErrUnsupported)
	for _, err := range m.Sessions(t.Context()) {
		wantIs(t, err, errors.ErrUnsupported)
	}
	_, err = session.New(silent{memstore.New()}, session.Config{MaxSessionsPerOwner: 3})
	if want := "session: Config.MaxSessionsPerOwner is 3: the store, a session_test.silent, cannot find an owner's sessions: take one that implements OwnerIndex, or leave it unset"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
	newManager(t, silent{memstore.New()}, session.Config{MaxSessionsPerOwner: -1})
}

// Nobody's sessions are not an owner's.
func TestOwners_NobodyIsNoOwner(t *testing.T) {
	sv := newService(t, session.Config{})
	sv.visitor()
	if _, err := sv.SessionsOf(t.Context(), ""); err == nil {
		t.Error("listed")
	}
	if n, err := sv.RevokeOwner(t.Context(), ""); err == nil || n != 0 {
		t.Error("revoked", n)
	}
	sv.stored(1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sv.RevokeOwner(gone, "ada"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wantIs(t, sv.Revoke(gone, session.StoreKey{}), context.Canceled)
	sv.total(0)
}

// Whoever holds a revoked session cannot bring it back, and is told: by its
// next store call, and by its Context (M15, M9).
func TestM15_RevokedInFlight(t *testing.T) {
	type revoke func(p *process, key session.StoreKey) error
	for name, revoke := range map[string]revoke{
		"Revoke": func(p *process, key session.StoreKey) error { return p.Revoke(context.Background(), key) },
		"RevokeOwner": func(p *process, _ session.StoreKey) error {
			n, err := p.RevokeOwner(context.Background(), "ada")
			if n != 1 {
				p.t.Errorf("%d sessions were ended", n)
			}
			return err
		},
	} {
		for _, events := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
					for _, renew := range []bool{false, true} {
						a, memory := &ear{t: t}, memstore.New()
						cfg := session.Config{}
						if events {
							cfg = reaping(a)
						}
						p, other := start(t, memory, cfg), start(t, memory, cfg)
						c := p.owned("ada", 1)
						stay := p.owned("bob", 1)
						r, s := c.hold(mode)
						ctx := s.Context()
						if !readsOnly(mode) {
							set(t, s, 2)
							if renew {
								wantErr(t, "Renew", s.Renew(), nil)
							}
						}
						wantErr(t, name, revoke(other, s.StoreKey()), nil)
						c.alive(false)
						want := map[session.Mode]error{session.Exclusive: session.ErrLockLost, session.Concurrent: session.ErrConflict}[mode]
						settle(5 * time.Second)
						if mode == session.Exclusive {
							wantErr(t, "its Context", context.Cause(ctx), session.ErrLockLost)
						}
						wantErr(t, "Save", s.Save(r.ctx), want)
						err := r.end(ok200)
						wantErr(t, "Finish", err, want)
						if want != nil && session.HTTPStatus(err) != 409 {
							t.Error("status", session.HTTPStatus(err))
						}
						if r.cookie() != nil {
							t.Error("a cookie")
						}
						c.alive(false)
						stay.alive(true)
						if events {
							synctest.Wait()
							if e := a.heard(1)[0]; e.Reason != session.EndRevoked || e.count != 1 || e.Owner != "ada" {
								t.Errorf("%+v", e)
							}
							a.heard(1)
						}
					}
				})
			})
		}
	}
}

// Log out everywhere, and everywhere else.
func TestM15_LogOutEverywhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		for _, else_ := range []bool{true, false} {
			here, there, bob := p.owned("ada", 1), p.owned("ada", 2), p.owned("bob", 3)
			waits := make(chan error, 1)
			rThere, sThere := there.hold(session.Exclusive)
			go func() { // ends when the lock it waits for is lost
				again := &client{t: t, m: p.Manager, id: there.id}
				waits <- again.try(session.Exclusive, func(s *session.Session) {
					if !s.IsNew() {
						t.Error("who waited for a revoked session got it")
					}
				})
			}()
			synctest.Wait()
			err := here.try(session.Exclusive, func(s *session.Session) {
				set(t, s, 5)
				var except []*session.Session
				if else_ {
					except = []*session.Session{s, nil}
				}
				n, err := p.RevokeOwner(t.Context(), "ada", except...)
				if wantN := 2 - len(except)/2; n != wantN || err != nil {
					t.Errorf("%d ended (%v), want %d", n, err, wantN)
				}
			})
			if else_ {
				wantErr(t, "the caller's request", err, nil)
			} else {
				wantErr(t, "the caller's request", err, session.ErrLockLost)
			}
			here.alive(else_)
			there.alive(false)
			bob.alive(true)
			set(t, sThere, 9)
			wantErr(t, "the other's request", rThere.end(ok200), session.ErrLockLost)
			wantErr(t, "who waited", <-waits, nil)
			there.alive(false)
			_, err = p.RevokeOwner(t.Context(), "ada")
			wantErr(t, "RevokeOwner", err, nil)
		}
	})
}

func TestM15_RevokeMeetsRenewAndLostAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		c := p.owned("ada", 1)
		old := c.key()
		wantErr(t, "Renew", c.try(session.Exclusive, func(s *session.Session) { wantErr(t, "Renew", s.Renew(), nil) }), nil)
		wantErr(t, "Revoke of the old key", p.Revoke(t.Context(), old), session.ErrRenewed)
		c.alive(true)
		p.faults.Next(sessiontest.OpRemove, 2, sessiontest.Fault{Kind: sessiontest.FailAfter})
		wantErr(t, "Revoke", p.Revoke(t.Context(), c.key()), nil)
		c.alive(false)
		wantErr(t, "Revoke again", p.Revoke(t.Context(), c.key()), nil)

		c = p.owned("ada", 1)
		p.faults.Next(sessiontest.OpRemoveOwner, 2, sessiontest.Fault{Kind: sessiontest.HangAfter})
		if _, err := p.RevokeOwner(t.Context(), "ada"); !errors.Is(err, session.ErrUnavailable) {
			wantErr(t, "RevokeOwner", err, nil)
		}
		c.alive(false)
		p.faults.Next(sessiontest.OpAny, -1, down)
		_, err := p.RevokeOwner(t.Context(), "ada")
		wantErr(t, "RevokeOwner", err, session.ErrUnavailable)
		wantErr(t, "Revoke", p.Revoke(t.Context(), old), session.ErrUnavailable)
	})
}
