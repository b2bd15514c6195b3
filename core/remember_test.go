package session_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// maxAge returns the Max-Age of the reply's cookie; 0 if it has none, -1 if
// there is no cookie.
func (r *request) maxAge() time.Duration {
	r.c.t.Helper()
	ck := r.cookie()
	if ck == nil {
		return -1
	}
	return time.Duration(ck.MaxAge) * time.Second
}

func TestRemember_CookieOutlivesTheBrowser(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		change := func(f func(s *session.Session)) time.Duration {
			r := c.begin()
			f(r.acquire(mode))
			sv.check(r.end(ok200))
			return r.maxAge()
		}
		if age := change(func(s *session.Session) { sv.check(countKey.Set(s, 2)) }); age != -1 {
			t.Error("a cookie was set that the client has:", age)
		}
		if age := change(func(s *session.Session) { sv.check(s.Remember(true)) }); age != idle+refresh {
			t.Error("Remember(true) has no effect on the cookie:", age)
		}
		if age := change(func(s *session.Session) { sv.check(s.Remember(true)) }); age != -1 {
			t.Error("no change, but a cookie:", age)
		}
		if age := change(func(s *session.Session) { sv.check(s.SetTimeout(2 * time.Hour)) }); age != 2*time.Hour+refresh {
			t.Error("the cookie does not live as long as the session:", age)
		}
		if age := change(func(s *session.Session) { sv.check(s.SetTimeout(48 * time.Hour)) }); age != 24*time.Hour {
			t.Error("AbsoluteTimeout is the end of the cookie too:", age)
		}
		if age := change(func(s *session.Session) { sv.check(s.SetTimeout(time.Minute)) }); age != 63*time.Second {
			t.Error("the cookie does not live as long as the session:", age)
		}
		if age := change(func(s *session.Session) { sv.check(s.Remember(false)) }); age != 0 {
			t.Error("Remember(false) has no effect on the cookie:", age)
		}
		if age := change(func(s *session.Session) { sv.check(s.Renew()) }); age != 0 {
			t.Error("a renewed cookie of the browser's session:", age)
		}
		time.Sleep(30 * time.Second)
		if age := change(func(*session.Session) {}); age != -1 {
			t.Error("a cookie of the browser's session does not slide:", age)
		}
	})
}

func TestRemember_IsPartOfTheNewSession(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.client()
		r := c.begin()
		s := r.acquire(mode)
		sv.check(s.Remember(true))
		sv.check(s.Renew())
		sv.check(r.end(ok200))
		if r.maxAge() != idle+refresh {
			t.Error(r.maxAge())
		}
		// A Renew keeps it.
		r = c.begin()
		sv.check(r.acquire(mode).Renew())
		sv.check(r.end(ok200))
		if r.maxAge() != idle+refresh {
			t.Error(r.maxAge())
		}
	})
}

// A cookie that the client keeps slides with the session, at most once per
// RefreshInterval, in every mode.
func TestPersist_SlidesOncePerRefreshInterval(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{ID: session.Cookie{Persist: true}})
		c := sv.client()
		cookies, kept := 0, time.Now()
		for i := range 601 {
			r := c.begin()
			s := r.acquire(session.Exclusive)
			if i == 0 {
				sv.check(countKey.Set(s, 1))
			} else {
				sv.check(s.Release(r.ctx))
				r.acquire(mode)
			}
			sv.check(r.end(ok200))
			if age := r.maxAge(); age > 0 {
				cookies++
				kept = time.Now().Add(age)
			}
			if left := time.Until(kept); left < idle {
				t.Fatalf("the cookie ends in %v, before the session", left)
			}
			time.Sleep(time.Second)
		}
		if cookies < 10 || cookies > 11 {
			t.Errorf("%d cookies in ten minutes", cookies)
		}
	})
}

func TestPersist_SlideBeforeEarlyHeaders(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{ID: session.Cookie{Persist: true}})
		c := sv.visitor()
		time.Sleep(2 * refresh)
		r := c.begin()
		r.acquire(mode)
		if !r.NeedsCommit() {
			t.Error("the cookie is due")
		}
		sv.check(r.BeforeReply(r.ctx, ok200))
		if r.maxAge() != idle+refresh {
			t.Error(r.maxAge())
		}
		sv.check(r.end(ok200))
	})
}

func TestPersist_NeverAfterTheEndOfTheSession(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{ID: session.Cookie{Persist: true}, AbsoluteTimeout: time.Hour})
		c := sv.visitor()
		for range 59 {
			time.Sleep(time.Minute)
			r := c.begin()
			s := r.acquire(mode)
			left := time.Until(s.Created().Add(time.Hour))
			sv.check(r.end(ok200))
			if age := r.maxAge(); age > left {
				t.Errorf("the cookie lives for %v, the session for %v", age, left)
			}
		}
	})
}

// On a header Remember has no effect, and nothing slides.
func TestRemember_Header(t *testing.T) {
	sv := newService(t, session.Config{ID: session.Header{}})
	ex := newExchange()
	rq, ctx := sv.Begin(t.Context(), ex)
	s, err := session.Acquire(ctx)
	sv.check(err)
	sv.check(s.Remember(true))
	sv.check(rq.Finish(ctx, ok200))
	id := ex.reply.Get("Session-Id")
	if id != s.ID() || len(ex.reply.Values("Set-Cookie")) > 0 {
		t.Error("the header source writes", len(ex.reply), "headers")
	}
	ex = newExchange()
	ex.request.Set("Session-Id", id)
	rq, ctx = sv.Begin(t.Context(), ex)
	s, err = session.Acquire(ctx)
	sv.check(err)
	if s.IsNew() {
		t.Error("not found")
	}
	sv.check(rq.Finish(ctx, ok200))
	if len(ex.reply) > 0 {
		t.Error("the reply tells what the client knows")
	}
}

// A request that has read the session before another renewed it does not
// bring the old ID back to the client with a cookie that is due to slide.
func TestM16_ASlidingCookieUndoesNoRenew(t *testing.T) {
	for _, mode := range []session.Mode{session.ReadOnly, session.Snapshot, session.Concurrent} {
		for _, end := range []string{"renew", "abandon"} {
			t.Run(mode.String()+" "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sv := newService(t, session.Config{ID: session.Cookie{Persist: true}})
					c := sv.visitor()
					time.Sleep(2 * refresh)
					slow := c.begin()
					slow.acquire(mode)
					login := (&client{t: t, m: c.m, id: c.id}).begin()
					s := login.acquire(session.Exclusive)
					if end == "renew" {
						s.Renew()
					} else {
						s.Abandon()
					}
					sv.check(login.end(ok200))
					sv.check(slow.end(ok200))
					if slow.cookie() != nil {
						t.Error("the slow request sets the old cookie again")
					}
				})
			})
		}
	}
}

// A request that fails, or whose headers have gone out, leaves it to the next
// one to tell the client its cookie again.
func TestRemember_AFailedRequestUsesUpNoSlide(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{ID: session.Cookie{Persist: true}})
		c := sv.visitor()
		for name, spoil := range map[string]func(r *request){
			"it fails": func(r *request) {
				r.acquire(mode)
				sv.check(r.end(error500))
			},
			"it fails in the middle": func(r *request) {
				r.acquire(mode)
				sv.check(r.BeforeReply(r.ctx, error500))
				sv.check(r.end(error500))
			},
			"it cannot be saved": func(r *request) {
				s := r.acquire(mode)
				if slices.Contains(writeModes, mode) {
					sv.check(countKey.Set(s, 2))
					sv.faults.Next(sessiontest.OpAny, -1, down)
					wantIs(t, r.end(ok200), session.ErrUnavailable)
					sv.faults.Reset()
				} else {
					sv.check(r.end(error500))
				}
				time.Sleep(20 * time.Second) // a lock ends with its lease
			},
			"its headers were sent before": func(r *request) {
				sv.check(r.BeforeReply(r.ctx, ok200))
				r.acquire(mode)
				synctest.Wait() // for the touch that keeps the session alive
				sv.calls.Reset()
				sv.check(r.end(ok200))
				synctest.Wait()
				if n := sv.calls.Counts()[sessiontest.OpTouch]; n != 0 {
					t.Errorf("%d touches for a cookie that cannot be told", n)
				}
			},
		} {
			time.Sleep(refresh + time.Second)
			r := c.begin()
			spoil(r)
			if age := r.maxAge(); age != -1 {
				t.Errorf("%s: it sets a cookie: %v", name, age)
			}
			r = c.begin()
			r.acquire(mode)
			sv.check(r.end(ok200))
			if age := r.maxAge(); age != idle+refresh {
				t.Errorf("%s: the next one does not slide the cookie: %v", name, age)
			}
			r = c.begin()
			r.acquire(mode)
			sv.check(r.end(ok200))
			if age := r.maxAge(); age != -1 {
				t.Errorf("%s: the cookie slides twice: %v", name, age)
			}
		}
	})
}

// A request that has lost its lock does not put its old ID in the place of the
// one that another request has told the client.
func TestRemember_NoSlideToAnIDOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{ID: session.Cookie{Persist: true}, ExecutionTimeout: time.Second})
		c := sv.visitor()
		time.Sleep(refresh + time.Second)
		slow := c.begin()
		slow.acquire(session.Exclusive)
		time.Sleep(2 * time.Second) // its lock is lost
		sv.check((&client{t: t, m: c.m, id: c.id}).try(session.Exclusive, func(s *session.Session) { sv.check(s.Renew()) }))
		sv.check(slow.end(ok200))
		if age := slow.maxAge(); age != -1 {
			t.Error("the old ID is told:", age)
		}
	})
}
