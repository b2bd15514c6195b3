package session_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// forgetful is a store whose crashes forget the lock of one key, all the time.
type forgetful struct {
	*memstore.Store
	key session.StoreKey
}

func (f *forgetful) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	if key == f.key {
		if err := f.Remove(ctx, key, session.Token{}, session.EndDelete); err != nil {
			return session.Record{}, err
		}
	}
	return f.Store.Acquire(ctx, key, token, lease)
}

// Even if the owner's lock holds nobody back, never more than three sessions
// work of those whose login was answered.
func TestOwnerLimit_HoldsWithoutTheLock(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
			const limit, n = 3, 50
			store := &forgetful{Store: memstore.New()}
			cfg := session.Config{MaxSessionsPerOwner: limit, RefuseMoreSessions: refuse, RequestQueueLimit: -1}
			var processes []*process
			for i := range uint64(10) { // within a process, the line would hold them back
				p := start(t, store, cfg)
				store.key = p.OwnerLock("ada")
				p.faults.Rule(sessiontest.Random(i, sessiontest.Rates{Delay: 0.9, MaxDelay: 20 * time.Millisecond}))
				processes = append(processes, p)
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			done := make(map[session.StoreKey]bool)
			most := 0
			for i := range n {
				c := processes[i%len(processes)].client("")
				if before {
					c.id = processes[i%len(processes)].stored(1)
				}
				wg.Go(func() {
					if err := c.login(mode, before); err != nil {
						return // it did not work
					}
					var key session.StoreKey
					again := &client{t: t, m: c.m, id: c.id}
					_ = again.try(session.Snapshot, func(s *session.Session) { key = s.StoreKey() })
					mu.Lock()
					defer mu.Unlock()
					done[key] = true
					infos, err := store.ListOwner(context.Background(), "", "ada")
					wantErr(t, "ListOwner", err, nil)
					work := 0
					for _, info := range infos {
						if done[info.Key] {
							work++
						}
					}
					most = max(most, work)
				})
			}
			wg.Wait()
			if most > limit {
				t.Errorf("%d sessions worked at once", most)
			}
			infos, err := store.ListOwner(t.Context(), "", "ada")
			if err != nil || len(infos) > limit {
				t.Errorf("%d sessions are left (%v)", len(infos), err)
			}
		})
	}
}

// hooked calls after when an owner's sessions have been listed.
type hooked struct {
	*memstore.Store
	after func()
}

func (h *hooked) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	infos, err := h.Store.ListOwner(ctx, namespace, owner)
	if after := h.after; after != nil {
		h.after = nil
		after()
	}
	return infos, err
}

// A session that gets a new ID while it is about to give way gives way all the
// same, whether or not its old ID tells that it has moved.
func TestOwnerLimit_TheOldestMoves(t *testing.T) {
	for _, grace := range []time.Duration{0, -1} {
		bubble(t, func(t *testing.T) {
			store := &hooked{Store: memstore.New()}
			p := start(t, store, session.Config{MaxSessionsPerOwner: 1, RenewGrace: grace})
			oldest, newest := p.client(""), p.client("")
			wantErr(t, "login", oldest.login(session.Exclusive, false), nil)
			store.after = func() {
				wantErr(t, "Renew", oldest.try(session.Exclusive, func(s *session.Session) { wantErr(t, "Renew", s.Renew(), nil) }), nil)
			}
			wantErr(t, "login", newest.login(session.Exclusive, false), nil)
			oldest.alive(false)
			newest.alive(true)
		})
	}
}

// Where room cannot be made nothing is stored, and the save can be tried again.
func TestOwnerLimit_StoreTroubles(t *testing.T) {
	inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
		for _, op := range []sessiontest.Op{sessiontest.OpAcquire, sessiontest.OpListOwner, sessiontest.OpRemove} {
			store := census{memstore.New(), t, 1}
			p := start(t, store, session.Config{MaxSessionsPerOwner: 1})
			oldest := p.client("")
			wantErr(t, "login", oldest.login(session.Exclusive, false), nil)
			id := ""
			if before {
				id = p.stored(1)
			}
			c := p.client(id)
			r, s := c.hold(mode)
			wantErr(t, "SetOwner", s.SetOwner("ada"), nil)
			p.faults.Next(op, -1, down)
			wantErr(t, "Save", s.Save(r.ctx), session.ErrUnavailable)
			oldest.alive(true)
			p.faults.Reset()
			p.faults.Next(op, 1, sessiontest.Fault{Kind: sessiontest.FailAfter})
			err := s.Save(r.ctx)
			if op != sessiontest.OpRemove { // which is repeated
				wantErr(t, "Save", err, session.ErrUnavailable)
				synctest.Wait()
				err = s.Save(r.ctx)
			}
			wantErr(t, "Save", err, nil)
			wantErr(t, "Finish", r.end(ok200), nil)
			oldest.alive(false)
			c.alive(true)
		}
	})
}

// Nobody gives way for a login that is not going to be stored: its request has
// lost its lock, or its client is gone.
func TestOwnerLimit_NobodyGivesWayForNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{MaxSessionsPerOwner: 1, ExecutionTimeout: time.Second})
		oldest := p.client("")
		wantErr(t, "login", oldest.login(session.Exclusive, false), nil)
		r, s := p.client(p.stored(1)).hold(session.Exclusive)
		wantErr(t, "SetOwner", s.SetOwner("ada"), nil)
		time.Sleep(2 * time.Second)
		wantErr(t, "Save", s.Save(r.ctx), session.ErrLockLost)
		wantErr(t, "Finish", r.end(ok200), session.ErrLockLost)
		oldest.alive(true)
	})
	inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
		p := start(t, memstore.New(), session.Config{MaxSessionsPerOwner: 1})
		id := ""
		if before {
			id = p.stored(1)
		}
		p.faults.Next(sessiontest.OpCreate, 1, sessiontest.Fault{}) // the owner's lock
		p.faults.Next(sessiontest.OpCreate, 1, sessiontest.Fault{Delay: 2 * time.Second})
		first := p.client("")
		var done sync.WaitGroup
		done.Go(func() { wantErr(t, "login", first.login(session.Exclusive, false), nil) })
		time.Sleep(time.Second)
		r, s := p.client(id).hold(mode)
		wantErr(t, "Renew", s.Renew(), nil)
		wantErr(t, "SetOwner", s.SetOwner("ada"), nil)
		go func() {
			time.Sleep(500 * time.Millisecond)
			r.cancel()
		}()
		wantErr(t, "Finish", r.end(ok200), context.Canceled)
		done.Wait()
		first.alive(true)
	})
}

// A store that panics while room is made does not keep the owner's lock.
func TestOwnerLimit_APanicKeepsNoLock(t *testing.T) {
	inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
		store := &hooked{Store: memstore.New()}
		p := start(t, store, session.Config{MaxSessionsPerOwner: 2})
		var id string
		if before {
			id = p.stored(1)
		}
		r, s := p.client(id).hold(mode)
		wantErr(t, "SetOwner", s.SetOwner("ada"), nil)
		store.after = func() { panic("store") }
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = s.Save(r.ctx)
		}()
		begun := time.Now()
		other := p.client("")
		wantErr(t, "another login", other.login(mode, false), nil)
		wantTook(t, "it", begun, 0, 10*time.Millisecond) // it polls
		wantErr(t, "the login that had failed", r.end(ok200), nil)
		other.alive(true)
	})
}

// A login that is stored, and fails then, leaves nothing that counts: its client
// has no cookie, and must be able to try again.
func TestOwnerLimit_TheSecondListingFails(t *testing.T) {
	inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
		store := memstore.New()
		p := start(t, store, session.Config{MaxSessionsPerOwner: 1, RefuseMoreSessions: true})
		p.faults.Rule(func(c sessiontest.Call) sessiontest.Fault {
			if c.Op == sessiontest.OpListOwner && c.N == 2 {
				return down
			}
			return sessiontest.Fault{}
		})
		wantErr(t, "login", p.client("").login(mode, before), session.ErrUnavailable)
		synctest.Wait()
		begun := time.Now()
		wantErr(t, "the next login", p.client("").login(mode, before), nil)
		wantTook(t, "it", begun, 0, 10*time.Millisecond) // no lease has to end
		infos, err := store.ListOwner(t.Context(), "", "ada")
		if err != nil || len(infos) != 1 {
			t.Errorf("%d sessions (%v)", len(infos), err)
		}
	})
}

// Nor does one whose answers are lost, until nobody asks any more.
func TestOwnerLimit_TheAnswersAreLost(t *testing.T) {
	inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
		store := memstore.New()
		p := start(t, store, session.Config{MaxSessionsPerOwner: 1, RefuseMoreSessions: true})
		c := p.client("")
		if before {
			c.id = p.stored(1)
		}
		p.faults.Rule(func(c sessiontest.Call) sessiontest.Fault {
			if c.Op == sessiontest.OpCreate && c.Key != p.OwnerLock("ada") || c.Op == sessiontest.OpSave {
				return sessiontest.Fault{Kind: sessiontest.FailAfter}
			}
			return sessiontest.Fault{}
		})
		wantErr(t, "login", c.login(mode, false), session.ErrUnavailable)
		synctest.Wait()
		infos, err := store.ListOwner(t.Context(), "", "ada")
		if err != nil || len(infos) != 0 {
			t.Errorf("%d sessions (%v) that nobody can use", len(infos), err)
		}
		p.faults.Reset()
		time.Sleep(15 * time.Second) // the owner's lock: the save may still arrive
		wantErr(t, "the next login", p.client("").login(mode, before), nil)
	})
}
