package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// passive makes a passive request: f acquires, or not.
func (c *client) passive(f func(r *request)) *request {
	c.t.Helper()
	r := c.begin()
	if err := session.Passive(r.ctx); err != nil {
		c.t.Error("Passive:", err)
	}
	f(r)
	if err := r.end(ok200); err != nil {
		c.t.Error(err)
	}
	return r
}

// acquiring returns what acquires in that mode, and does no more.
func acquiring(mode session.Mode) func(*request) { return func(r *request) { r.acquire(mode) } }

// A session that is only asked for by passive requests ends as if it were not
// asked for at all: they write nothing, however many they are.
func TestM14_PassiveRequestsAreNoUse(t *testing.T) {
	for name, use := range map[string]func(*request){
		"nothing acquired": func(*request) {},
		"read-only":        acquiring(session.ReadOnly),
		"snapshot":         acquiring(session.Snapshot),
		"concurrent":       acquiring(session.Concurrent),
		"released":         func(r *request) { wantIs(r.c.t, r.acquire(session.ReadOnly).Release(r.ctx), nil) },
		"refused": func(r *request) {
			s := r.acquire(session.Snapshot)
			wantIs(r.c.t, countKey.Set(s, 5), session.ErrReadOnly)
			wantIs(r.c.t, s.Save(r.ctx), nil)
		},
	} {
		for _, persist := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sv := newService(t, session.Config{ID: session.Cookie{Persist: persist}})
					c, key := sv.keyed()
					const polls = 600
					for range polls {
						time.Sleep(time.Second)
						c.passive(use).noCookie()
					}
					synctest.Wait()
					if n := sv.calls.Total() - sv.calls.Counts()[sessiontest.OpLoad]; n != 0 {
						t.Errorf("%d calls beside those that read: %v", n, sv.calls.Counts())
					}
					sv.lives(key, idle+refresh-polls*time.Second, idle+refresh-polls*time.Second)
				})
			})
		}
	}
}

// What saves is a use, and so is acquiring Exclusive; and a cookie that has an
// end is given out anew with it.
func TestM14_PassiveRequestsThatAreAUse(t *testing.T) {
	for name, use := range map[string]func(*request){
		"exclusive": acquiring(session.Exclusive),
		"exclusive, saves": func(r *request) {
			wantIs(r.c.t, countKey.Set(r.acquire(session.Exclusive), 5), nil)
		},
		"concurrent, saves": func(r *request) {
			wantIs(r.c.t, countKey.Set(r.acquire(session.Concurrent), 5), nil)
		},
		"read-only, then exclusive": func(r *request) {
			r.acquire(session.ReadOnly)
			r.acquire(session.Exclusive)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sv := newService(t, session.Config{ID: session.Cookie{Persist: true}})
				c, key := sv.keyed()
				time.Sleep(10 * time.Minute)
				r := c.passive(use)
				if age := r.maxAge(); age != idle+refresh {
					t.Errorf("the cookie is for %v", age)
				}
				c.passive(use)
				warned := 0
				if strings.Contains(name, "exclusive") {
					warned = 1
				}
				if n := sv.log.count("a passive request has acquired its session Exclusive"); n != warned {
					t.Errorf("%d warnings, want %d", n, warned)
				}
				sv.lives(key, idle, idle+refresh)
			})
		})
	}
}

// What a request is not, the next one may be.
func TestM14_PassiveIsForOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		c, key := sv.keyed()
		time.Sleep(10 * time.Minute)
		c.passive(acquiring(session.ReadOnly))
		sv.check(c.do(session.ReadOnly, func(*session.Session) {}))
		sv.lives(key, idle, idle+refresh)
	})
}

// A new session that a passive request puts something into is stored as ever.
func TestPassive_NewSession(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.client()
	c.passive(func(r *request) { sv.check(countKey.Set(r.acquire(session.Exclusive), 3)) })
	c.count(3)
	if n := sv.log.count("passive"); n != 0 {
		t.Error("a warning though there was nothing to be extended")
	}
}

// One that comes too late is told so, and counts as a use; two say the same; and
// all Managers around it are meant.
func TestPassive_Scope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wantIs(t, session.Passive(t.Context()), session.ErrNoSession)
		sv, in := newService(t, session.Config{}), newService(t, session.Config{ID: session.Cookie{Name: "inner"}})
		c, key := sv.keyed()
		time.Sleep(10 * time.Minute)
		r := c.begin()
		r.acquire(session.ReadOnly)
		if err := session.Passive(r.ctx); err == nil || !strings.Contains(err.Error(), "before Require") {
			t.Errorf("Passive after Acquire: %v", err)
		}
		sv.check(r.end(ok200))
		wantIs(t, session.Passive(r.ctx), session.ErrNoSession)
		synctest.Wait()
		if n := sv.calls.Counts()[sessiontest.OpTouch]; n != 1 {
			t.Errorf("%d touches, want 1", n)
		}

		time.Sleep(10 * time.Minute)
		sv.reset()
		r = c.begin()
		inner, ctx := in.Begin(r.ctx, &exchange{request: http.Header{"Cookie": {"inner=" + id24('a')}}, reply: http.Header{}})
		for range 2 {
			sv.check(session.Passive(ctx))
		}
		_, err := sv.Acquire(ctx, session.ReadOnly)
		sv.check(err)
		sv.check(session.Passive(ctx)) // which it is already
		sv.check(inner.Finish(ctx, ok200))
		sv.check(r.end(ok200))
		synctest.Wait()
		if n := sv.calls.Counts()[sessiontest.OpTouch] + in.calls.Counts()[sessiontest.OpTouch]; n != 0 {
			t.Errorf("%d touches, want none", n)
		}
		sv.lives(key, idle+refresh-10*time.Minute, idle+refresh-10*time.Minute)
	})
}

// A page polls in the background, and its user has gone: the session ends.
func ExamplePassive() {
	sessions, err := session.New(memstore.New(), session.Config{})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())
	poll := func(w http.ResponseWriter, r *http.Request) {
		// Adapters have a middleware for this, to be put in front of a route.
		if err := session.Passive(r.Context()); err != nil {
			http.Error(w, "", session.HTTPStatus(err))
			return
		}
		s, err := session.Acquire(r.Context(), session.Snapshot)
		if err != nil || s.IsNew() {
			http.Error(w, "you have been away for too long", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("no news"))
	}
	http.HandleFunc("GET /poll", poll)
}
