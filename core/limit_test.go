package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// login makes the client's session ada's, in one request. before, if true, has
// it stored first, as nobody's.
func (c *client) login(mode session.Mode, before bool) error {
	c.t.Helper()
	if before && c.id == "" {
		wantErr(c.t, "a first request", c.try(session.Exclusive, func(s *session.Session) { set(c.t, s, 1) }), nil)
	}
	return c.try(mode, func(s *session.Session) {
		wantErr(c.t, "Renew", s.Renew(), nil)
		wantErr(c.t, "SetOwner", s.SetOwner("ada"), nil)
	})
}

// logins are the ways in which a session can become an owner's.
var logins = map[string]struct {
	mode   session.Mode
	before bool
}{
	"new, exclusive":     {session.Exclusive, false},
	"new, concurrent":    {session.Concurrent, false},
	"stored, exclusive":  {session.Exclusive, true},
	"stored, concurrent": {session.Concurrent, true},
}

func inLogins(t *testing.T, f func(t *testing.T, mode session.Mode, before bool)) {
	for name, how := range logins {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { f(t, how.mode, how.before) })
		})
	}
}

func TestOwnerLimit_TheOldestGivesWay(t *testing.T) {
	inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
		a, memory, log := &ear{t: t}, memstore.New(), &eventLog{}
		cfg := reaping(a)
		cfg.MaxSessionsPerOwner, cfg.Observer = 3, log
		p := start(t, memory, cfg)
		// It has been there for longest, and is not the one to go.
		late := p.client(p.stored(7))
		var all []*client
		for range 4 {
			time.Sleep(time.Second)
			c := p.client("")
			wantErr(t, "login", c.login(mode, before), nil)
			all = append(all, c)
		}
		all[0].alive(false)
		for _, c := range all[1:] {
			c.alive(true)
		}
		wantErr(t, "login", late.login(mode, before), nil)
		late.alive(true)
		all[1].alive(false)
		infos, err := p.SessionsOf(t.Context(), "ada")
		if err != nil || len(infos) != 3 || infos[0].Key != late.key() {
			t.Error(infos, err)
		}
		synctest.Wait()
		for _, e := range a.heard(2) {
			if e.Reason != session.EndRevoked || e.Owner != "ada" {
				t.Errorf("%+v", e)
			}
		}
		if n := len(log.of(session.EventOwnerLimit)); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}

// Where the newcomer gives way, it keeps what it had before.
func TestOwnerLimit_TheNewcomerIsRefused(t *testing.T) {
	inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
		memory, log := memstore.New(), &eventLog{}
		p := start(t, memory, session.Config{MaxSessionsPerOwner: 3, RefuseMoreSessions: true, Observer: log})
		var all []*client
		for range 3 {
			c := p.client("")
			wantErr(t, "login", c.login(mode, before), nil)
			all = append(all, c)
		}
		c := p.client("")
		err := c.login(mode, before)
		wantErr(t, "the fourth login", err, session.ErrTooManySessions)
		if session.HTTPStatus(err) != 409 {
			t.Error("status", session.HTTPStatus(err))
		}
		if (c.id != "") != before {
			t.Errorf("the client has a session: %v, want %v", c.id != "", before)
		}
		if before {
			if n := p.count(c.id); n != 1 {
				t.Errorf("its count is %d", n)
			}
			if err := c.try(session.Exclusive, func(s *session.Session) { // at once: it is not locked
				if s.Owner() != "" {
					t.Error("it is an owner's")
				}
				set(t, s, 2)
			}); err != nil {
				t.Error(err)
			}
		}
		for _, c := range all {
			c.alive(true)
		}
		if e := log.of(session.EventOwnerLimit); len(e) != 1 || !errors.Is(e[0].Err, session.ErrTooManySessions) {
			t.Errorf("%+v", e)
		}
		logout := all[1].try(session.Snapshot, func(s *session.Session) { wantErr(t, "Abandon", s.Abandon(), nil) })
		wantErr(t, "logout", logout, nil)
		wantErr(t, "login", c.login(mode, before), nil)
		c.alive(true)
	})
}

// A handler that saves learns of the refusal, and may go on.
func TestOwnerLimit_RefusedInTheMiddle(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		p := start(t, memstore.New(), session.Config{MaxSessionsPerOwner: 1, RefuseMoreSessions: true})
		wantErr(t, "login", p.client("").login(mode, false), nil)
		for _, id := range []string{"", p.stored(1)} {
			c := p.client(id)
			r, s := c.hold(mode)
			wantErr(t, "SetOwner", s.SetOwner("ada"), nil)
			wantErr(t, "Save", s.Save(r.ctx), session.ErrTooManySessions)
			wantErr(t, "SetOwner", s.SetOwner("bob"), nil)
			wantErr(t, "Save", s.Save(r.ctx), nil)
			wantErr(t, "SetOwner", s.SetOwner(""), nil)
			set(t, s, 5)
			wantErr(t, "Finish", r.end(ok200), nil)
			if n := p.count(c.id); n != 5 {
				t.Error("count", n)
			}
		}
	})
}

// census checks the number of ada's sessions after every write of a store.
type census struct {
	*memstore.Store
	t     testing.TB
	limit int
}

func (c census) check() {
	infos, err := c.ListOwner(context.Background(), "", "ada")
	if err != nil || len(infos) > c.limit {
		c.t.Errorf("there are %d sessions (%v), the limit is %d", len(infos), err, c.limit)
	}
}

func (c census) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	defer c.check()
	return c.Store.Create(ctx, key, rec, token, lease)
}

func (c census) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	defer c.check()
	return c.Store.Save(ctx, key, rec, token, how)
}

func (c census) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	defer c.check()
	return c.Store.Swap(ctx, key, rec, old)
}

// Of 50 logins at once in two processes there are never more than three
// sessions in the store, even for a moment, and three remain; and if it is the
// newcomer that gives way, three are let in.
func TestOwnerLimit_IsExact(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		inLogins(t, func(t *testing.T, mode session.Mode, before bool) {
			const limit, n = 3, 50
			store := census{memstore.New(), t, limit}
			cfg := session.Config{MaxSessionsPerOwner: limit, RefuseMoreSessions: refuse}
			processes := []*process{start(t, store, cfg), start(t, store, cfg)}
			for i, p := range processes {
				p.faults.Rule(sessiontest.Random(uint64(i), sessiontest.Rates{Delay: 0.5, MaxDelay: 20 * time.Millisecond}))
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			in := 0
			for i := range n {
				c := processes[i%2].client("")
				if before {
					c.id = processes[i%2].stored(1)
				}
				wg.Go(func() {
					err := c.login(mode, before)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						in++
					} else if !refuse || !errors.Is(err, session.ErrTooManySessions) {
						t.Errorf("login: %v", err)
					}
				})
			}
			wg.Wait()
			want := n
			if refuse {
				want = limit
			}
			if in != want {
				t.Errorf("%d logins succeeded, want %d", in, want)
			}
			infos, err := processes[0].SessionsOf(t.Context(), "ada")
			if err != nil || len(infos) != limit {
				t.Errorf("%d sessions are left (%v)", len(infos), err)
			}
		})
	}
}

// A limit that was lowered, or set when there were sessions, is kept from the
// next login on.
func TestOwnerLimit_Lowered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		memory := memstore.New()
		old := start(t, memory, session.Config{})
		for i := range 5 {
			old.owned("ada", i)
		}
		time.Sleep(time.Second)
		p := start(t, memory, session.Config{MaxSessionsPerOwner: 2})
		c := p.client("")
		wantErr(t, "login", c.login(session.Exclusive, false), nil)
		infos, err := p.SessionsOf(t.Context(), "ada")
		if err != nil || len(infos) != 2 || infos[1].Key != c.key() {
			t.Error(infos, err)
		}
	})
}

// Two requests of one session that log in at once, one of them Concurrent, do
// not wait for each other; nor does a Concurrent one for itself.
func TestOwnerLimit_NoCircle(t *testing.T) {
	for _, adopt := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			p := start(t, memstore.New(), session.Config{MaxSessionsPerOwner: 1, AdoptExpiredID: adopt})
			id := id24('a')
			if !adopt {
				id = p.stored(1)
			}
			begun := time.Now()
			second := session.Exclusive
			if adopt {
				second = session.Concurrent
			}
			r1, s1 := p.client(id).hold(session.Concurrent)
			r2, s2 := p.client(id).hold(second)
			set(t, s1, 2)
			if !adopt {
				wantErr(t, "SetOwner", s1.SetOwner("ada"), nil)
			}
			wantErr(t, "SetOwner", s2.SetOwner("ada"), nil)
			first := make(chan error)
			go func() { first <- r1.end(ok200) }() // ends when the other has released
			synctest.Wait()
			wantErr(t, "Finish", r2.end(ok200), nil)
			wantErr(t, "Finish", <-first, nil)
			wantTook(t, "both", begun, 0, time.Second)
			p.client(id).alive(true)
		})
	}
}

// What the limit costs a login, and that it costs others nothing.
func TestOwnerLimit_StoreCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{MaxSessionsPerOwner: 3})
		c := p.client(p.stored(1))
		for _, want := range []int{
			7, // Acquire; the lock: Acquire, Create; ListOwner; Save; ListOwner; Release of the lock
			2, 2,
		} {
			p.calls.Reset()
			wantErr(t, "a request", c.try(session.Exclusive, func(s *session.Session) {
				wantErr(t, "SetOwner", s.SetOwner("ada"), nil)
				wantErr(t, "add", add(s), nil)
			}), nil)
			if n := p.calls.Total(); n != want {
				t.Errorf("%d calls, want %d: %v", n, want, p.calls.Counts())
			}
		}
	})
}
