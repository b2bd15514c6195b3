package session_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

const (
	idle    = 20 * time.Minute // the default IdleTimeout
	refresh = time.Minute      // and RefreshInterval
)

// alive reports whether the session is there, without using it.
func (sv *service) alive(key session.StoreKey) bool {
	_, err := sv.memory.Load(sv.t.Context(), key, false)
	return err == nil
}

// keyed is visitor, with the key of its session.
func (sv *service) keyed() (c *client, key session.StoreKey) {
	sv.t.Helper()
	c = sv.client()
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		sv.check(countKey.Set(s, 1))
		key = s.StoreKey()
	}))
	sv.reset()
	return c, key
}

// lives fails the test unless the session ends between min and max from now,
// if it is not used.
func (sv *service) lives(key session.StoreKey, min, max time.Duration) {
	sv.t.Helper()
	synctest.Wait()
	time.Sleep(min - time.Millisecond)
	if !sv.alive(key) {
		sv.t.Errorf("the session has ended before %v", min)
		return
	}
	time.Sleep(max - min + 2*time.Millisecond)
	if sv.alive(key) {
		sv.t.Errorf("the session lives longer than %v", max)
	}
}

func TestM14_LivesFromIdleToIdleAndRefresh(t *testing.T) {
	uses := map[string]func(c *client) error{
		"unused": func(c *client) error { return c.begin().end(ok200) },
		"write": func(c *client) error {
			return c.do(session.Exclusive, func(s *session.Session) { _ = countKey.Set(s, 2) })
		},
		"merge": func(c *client) error {
			return c.do(session.Concurrent, func(s *session.Session) { _ = countKey.Set(s, 2) })
		},
		"failed": func(c *client) error {
			r := c.begin()
			r.acquire(session.Exclusive)
			return r.end(error500)
		},
	}
	for _, mode := range allModes {
		uses[mode.String()] = func(c *client) error { return c.do(mode, func(*session.Session) {}) }
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sv := newService(t, session.Config{})
				for _, after := range []time.Duration{time.Second, refresh - 1, refresh + 1, 10 * time.Minute, idle, idle + refresh - 1} {
					c, key := sv.keyed()
					time.Sleep(after)
					sv.check(use(c))
					sv.lives(key, idle, idle+refresh)
				}
			})
		})
	}
}

// Requests every second for ten minutes.
func TestM14_ExpiryIsWrittenOncePerRefreshInterval(t *testing.T) {
	use := func(sv *service, mode session.Mode, acquire bool) {
		c, key := sv.keyed()
		for range 600 {
			time.Sleep(time.Second)
			if acquire {
				sv.check(c.do(mode, func(*session.Session) {}))
			} else {
				sv.check(c.begin().end(ok200))
			}
			synctest.Wait()
		}
		touches := sv.calls.Counts()[sessiontest.OpTouch]
		if want := 10; mode == session.Exclusive && acquire {
			sv.total(2 * 600)
		} else if touches < want-1 || touches > want {
			sv.t.Errorf("%d touches in %d refresh intervals", touches, want)
		}
		if !sv.alive(key) {
			sv.t.Error("it has ended")
		}
	}
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		use(newService(t, session.Config{}), mode, true)
	})
	inBubble(t, []session.Mode{session.Exclusive}, func(t *testing.T, mode session.Mode) {
		use(newService(t, session.Config{}), mode, false)
	})
}

func TestM14_SkipKeepAliveWhenUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{SkipKeepAliveWhenUnused: true})
		c, key := sv.keyed()
		for range 5 {
			time.Sleep(2 * time.Minute)
			sv.check(c.begin().end(ok200))
		}
		synctest.Wait()
		sv.total(0)
		sv.lives(key, idle-10*time.Minute, idle+refresh-10*time.Minute)
	})
}

// Once it has expired a session is not brought back by a touch.
func TestM14_TouchAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		c, key := sv.keyed()
		time.Sleep(idle + refresh)
		sv.check(c.begin().end(ok200))
		synctest.Wait()
		if sv.alive(key) {
			t.Error("a touch brought it back")
		}
		if n := len(sv.events.of(session.EventBackground)); n != 0 {
			t.Error("an expired session is no failure")
		}
	})
}

func TestM14_AbsoluteTimeout(t *testing.T) {
	for _, renew := range []bool{false, true} {
		t.Run(fmt.Sprint("renew ", renew), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sv := newService(t, session.Config{AbsoluteTimeout: 3 * time.Hour})
				c, key := sv.keyed()
				for i := range 180 / 10 {
					sv.check(c.do(allModes[i%4], func(s *session.Session) {
						if s.IsNew() {
							t.Error("ended after", i, "rounds")
						}
						if renew && i%4 == 0 {
							sv.check(s.Renew())
						}
					}))
					sv.check(c.do(session.Snapshot, func(s *session.Session) { key = s.StoreKey() }))
					time.Sleep(10*time.Minute - time.Millisecond)
				}
				if !sv.alive(key) {
					t.Error("ended before AbsoluteTimeout")
				}
				time.Sleep(18 * time.Millisecond)
				if sv.alive(key) {
					t.Error("lives longer than AbsoluteTimeout")
				}
			})
		})
	}
}

func TestM14_NoIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{IdleTimeout: -1})
		_, key := sv.keyed()
		sv.lives(key, 24*time.Hour, 24*time.Hour)
	})
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{AbsoluteTimeout: -1})
		c, key := sv.keyed()
		for range 100 * 24 {
			time.Sleep(idle)
			sv.check(c.do(session.ReadOnly, func(*session.Session) {}))
			synctest.Wait()
		}
		sv.lives(key, idle, idle+refresh)
	})
}

func TestM14_SetTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 10 * time.Second, 19 * time.Minute, 3 * time.Hour} {
		inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
			sv := newService(t, session.Config{})
			c, key := sv.keyed()
			sv.check(c.do(mode, func(s *session.Session) {
				sv.check(s.SetTimeout(timeout))
				if s.Timeout() != timeout {
					t.Error(s.Timeout())
				}
			}))
			sv.lives(key, timeout, timeout+min(refresh, timeout/20))

			// It is kept, until it is taken back.
			c, key = sv.keyed()
			sv.check(c.do(mode, func(s *session.Session) { sv.check(s.SetTimeout(timeout)) }))
			sv.check(c.do(mode, func(s *session.Session) { sv.check(countKey.Set(s, 4)) }))
			sv.check(c.do(session.ReadOnly, func(s *session.Session) {
				if s.Timeout() != timeout {
					t.Error(s.Timeout())
				}
			}))
			sv.check(c.do(mode, func(s *session.Session) { sv.check(s.SetTimeout(0)) }))
			sv.lives(key, idle, idle+refresh)
		})
	}
}

// A session whose own timeout is shorter than RefreshInterval is kept alive by
// those who only read it, too.
func TestM14_ShortTimeoutSlidesToo(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c, key := sv.keyed()
		sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(s.SetTimeout(10 * time.Second)) }))
		for range 100 {
			time.Sleep(4 * time.Second)
			sv.check(c.do(mode, func(s *session.Session) {}))
			synctest.Wait()
		}
		if c.count(1); !sv.alive(key) {
			t.Fatal("ended while it was used")
		}
		sv.lives(key, 10*time.Second, 10*time.Second+time.Second/2)
	})
}

func TestM14_TouchesDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{SkipKeepAliveWhenUnused: false})
		c, _ := sv.keyed()
		time.Sleep(refresh * 2)
		sv.faults.Next(sessiontest.OpTouch, -1, sessiontest.Fault{Kind: sessiontest.HangBefore})
		begun := time.Now()
		sv.check(c.do(session.ReadOnly, func(*session.Session) {}))
		for range 5000 { // more than fit into the queue
			c := sv.client()
			c.id = randomID()
			sv.check(c.begin().end(ok200))
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("requests took %v", d)
		}
		synctest.Wait()
		if n := sv.calls.Counts()[sessiontest.OpTouch]; n != 4 {
			t.Errorf("%d touches at once", n)
		}
		time.Sleep(2 * time.Hour)
		if n := sv.calls.Counts()[sessiontest.OpTouch]; n < 1000 || n > 1100 {
			t.Errorf("%d touches were queued", n)
		}
	})
}

// What finds no room in the queue is told, and is not taken for done: the next
// request of the session tries again.
func TestM14_DroppedTouchesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		c, key := sv.keyed()
		time.Sleep(refresh * 2)
		sv.faults.Next(sessiontest.OpTouch, -1, sessiontest.Fault{Kind: sessiontest.HangBefore})
		for range 2000 { // more than fit into the queue
			c := sv.client()
			c.id = randomID()
			sv.check(c.begin().end(ok200))
		}
		before := len(sv.events.of(session.EventBackground))
		sv.check(c.do(session.ReadOnly, func(*session.Session) {}))
		sv.check(c.begin().end(ok200))
		if n := len(sv.events.of(session.EventBackground)) - before; before < 900 || n != 2 {
			t.Errorf("told of %d and %d touches that were dropped", before, n)
		}
		if n := sv.log.count("touch"); n != 1 {
			t.Errorf("logged %d times: %s", n, sv.log)
		}
		sv.faults.Reset()
		time.Sleep(10 * time.Second) // those that hang give up, and the queue is worked off
		before = sv.calls.Counts()[sessiontest.OpTouch]
		sv.check(c.do(session.ReadOnly, func(*session.Session) {}))
		sv.check(c.begin().end(ok200))
		synctest.Wait()
		if n := sv.calls.Counts()[sessiontest.OpTouch] - before; n != 2 {
			t.Errorf("%d touches after that, want 2", n)
		}
		sv.lives(key, idle+refresh, idle+refresh)
	})
}

func randomID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return strings.Map(func(rune) rune { return rune(alphabet[rand.N(len(alphabet))]) }, id24('x'))
}

// A flood of requests with IDs of their own does not keep locks from being
// given back.
func TestM7_ReleasesGoOnWhateverIsTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		id := sv.visitor().id
		sv.faults.Next(sessiontest.OpTouch, -1, sessiontest.Fault{Delay: time.Millisecond})
		for range 5000 {
			c := sv.client()
			c.id = randomID()
			sv.check(c.begin().end(ok200))
		}
		sv.faults.Next(sessiontest.OpAcquire, 1, sessiontest.Fault{Kind: sessiontest.FailAfter})
		c := sv.client()
		c.id = id
		wantIs(t, c.try(session.Exclusive, func(*session.Session) {}), session.ErrUnavailable)
		begun := time.Now()
		sv.check(c.do(session.Exclusive, func(*session.Session) {}))
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("the next request waited %v", d)
		}
	})
}
