package session_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

type cart struct {
	Items []string `json:"items"`
}

var (
	cartKey  = session.NewKey[cart]("cart")
	textKey  = session.NewKey[string]("text")
	flashKey = session.NewKey[*cart]("flash")
)

func TestKey_ValuesGoRound(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		c := sv.client()
		sv.check(c.do(mode, func(s *session.Session) {
			if v, found, err := cartKey.Lookup(s); v.Items != nil || found || err != nil {
				t.Error(v, found, err)
			}
			sv.check(cartKey.Set(s, cart{[]string{"tea"}}))
			sv.check(textKey.Set(s, ""))
			sv.check(flashKey.Set(s, nil))
		}))
		sv.check(c.do(session.ReadOnly, func(s *session.Session) {
			if v, err := cartKey.Get(s); !slices.Equal(v.Items, []string{"tea"}) || err != nil {
				t.Error(v, err)
			}
			if v, found, err := textKey.Lookup(s); v != "" || !found || err != nil {
				t.Error("a zero value is not the same as none:", v, found, err)
			}
			if v, found, err := flashKey.Lookup(s); v != nil || !found || err != nil {
				t.Error(v, found, err)
			}
			if v, err := countKey.Get(s); v != 0 || err != nil {
				t.Error(v, err)
			}
			if got := s.Keys(); !slices.Equal(got, []string{"cart", "flash", "text"}) || s.Len() != 3 {
				t.Error(got, s.Len())
			}
			if !s.Has("text") || s.Has("tex") || s.Has("textt") || s.Has("") {
				t.Error("Has")
			}
		}))
		if cartKey.Name() != "cart" {
			t.Error(cartKey.Name())
		}
	}
}

// What the caller does to its copy later is not in the session, nor the other
// way round.
func TestKey_SetEncodesAtOnce(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		c := sv.client()
		sv.check(c.do(mode, func(s *session.Session) {
			mine := cart{[]string{"tea"}}
			sv.check(cartKey.Set(s, mine))
			mine.Items[0] = "poison"
			got, err := cartKey.Get(s)
			if got.Items[0] != "tea" || err != nil {
				t.Error(got, err)
			}
			got.Items[0] = "poison"
			sv.check(s.Save(t.Context()))
			sv.check(textKey.Set(s, "x"))
		}))
		sv.check(c.do(mode, func(s *session.Session) {
			if got, err := cartKey.Get(s); got.Items[0] != "tea" || err != nil {
				t.Error(got, err)
			}
		}))
	}
}

func TestKey_SettingTheSameIsNoChange(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		r := c.begin()
		s := r.acquire(mode)
		sv.check(countKey.Set(s, 1))
		sv.check(countKey.Update(s, func(n int) int { return n }))
		sv.check(s.Delete("none"))
		sv.check(s.SetTimeout(0))
		sv.check(s.SetOwner(""))
		if r.NeedsCommit() {
			t.Error("nothing has changed")
		}
		sv.check(r.end(ok200))
		if n := sv.calls.Counts()[sessiontest.OpSave] + sv.calls.Counts()[sessiontest.OpSwap]; n != 0 {
			t.Error("nothing was to be stored")
		}
	}
}

// countingCodec counts what it decodes.
type countingCodec struct {
	session.JSON
	decoded *int
}

func (c countingCodec) Decode(data []byte, v any) error {
	*c.decoded++
	return c.JSON.Decode(data, v)
}

func TestKey_GetDecodesOnlyItsOwn(t *testing.T) {
	decoded := 0
	sv := newService(t, session.Config{Codec: countingCodec{decoded: &decoded}})
	c := sv.client()
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		for i := range 50 {
			sv.check(session.NewKey[int](fmt.Sprint("k", i)).Set(s, i))
		}
	}))
	sv.check(c.do(session.ReadOnly, func(s *session.Session) {
		if s.Len() != 50 || !s.Has("k49") || !slices.IsSorted(s.Keys()) {
			t.Error(s.Keys())
		}
		if n, err := session.NewKey[int]("k17").Get(s); n != 17 || err != nil {
			t.Error(n, err)
		}
	}))
	if decoded != 1 {
		t.Errorf("%d values were decoded", decoded)
	}
}

func TestKey_TakeDeleteClear(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		sv.check(c.do(mode, func(s *session.Session) { sv.check(textKey.Set(s, "hello")) }))
		sv.check(c.do(mode, func(s *session.Session) {
			if v, found, err := textKey.Take(s); v != "hello" || !found || err != nil {
				t.Error(v, found, err)
			}
			if v, found, err := textKey.Take(s); v != "" || found || err != nil {
				t.Error(v, found, err)
			}
		}))
		sv.check(c.do(mode, func(s *session.Session) {
			if s.Has("text") || !s.Has("count") {
				t.Error(s.Keys())
			}
			sv.check(countKey.Delete(s))
			sv.check(countKey.Delete(s))
		}))
		c.count(absent)
		sv.check(c.do(mode, func(s *session.Session) { sv.check(countKey.Set(s, 3)); sv.check(textKey.Set(s, "x")) }))
		sv.check(c.do(mode, func(s *session.Session) { sv.check(s.Clear()) }))
		sv.check(c.do(mode, func(s *session.Session) {
			if s.Len() != 0 || s.IsNew() {
				t.Error("not cleared, or gone:", s.Keys(), s.IsNew())
			}
		}))
		sv.stored(1)
	}
}

func TestKey_RefusedInReadOnlyModes(t *testing.T) {
	for _, mode := range []session.Mode{session.ReadOnly, session.Snapshot} {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		sv.check(c.do(mode, func(s *session.Session) {
			_, found, errTake := countKey.Take(s)
			if found {
				t.Error("taken")
			}
			for i, err := range []error{errTake, countKey.Set(s, 2), countKey.Delete(s), s.Delete("none"), s.Clear(), s.SetOwner("x"),
				s.SetTimeout(time.Minute), s.Remember(true), s.Renew(), countKey.Update(s, func(int) int { return 3 })} {
				if !errors.Is(err, session.ErrReadOnly) {
					t.Error(i, err)
				}
			}
		}))
		c.count(1)
	}
}

func TestKey_WhatCannotBeEncoded(t *testing.T) {
	key := session.NewKey[float64]("ratio")
	sv := newService(t, session.Config{})
	c := sv.visitor()
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		sv.check(key.Set(s, 0.5))
		for _, err := range []error{key.Set(s, math.NaN()), key.Update(s, func(float64) float64 { return math.Inf(1) })} {
			if err == nil || !strings.Contains(err.Error(), `"ratio"`) || !strings.Contains(err.Error(), "float64") {
				t.Error("the error does not name key and type:", err)
			}
		}
		if v, err := key.Get(s); v != 0.5 || err != nil {
			t.Error("the value is not what it was:", v, err)
		}
		if err := session.NewKey[chan int]("events").Set(s, nil); err == nil || !strings.Contains(err.Error(), "chan int") {
			t.Error(err)
		}
	}))
}

func TestKey_Names(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.client()
	longest := session.NewKey[int](strings.Repeat("n", 1024))
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		for _, name := range []string{"", strings.Repeat("n", 1025)} {
			if err := session.NewKey[int](name).Set(s, 1); err == nil || !strings.Contains(err.Error(), "from 1 to 1024") {
				t.Error(len(name), err)
			}
		}
		sv.check(longest.Set(s, 1))
		sv.check(session.NewKey[int]("\x00\xff ∞").Set(s, 2))
	}))
	sv.check(c.do(session.ReadOnly, func(s *session.Session) {
		a, err1 := longest.Get(s)
		b, err2 := session.NewKey[int]("\x00\xff ∞").Get(s)
		if a != 1 || b != 2 || err1 != nil || err2 != nil {
			t.Error(a, b, err1, err2)
		}
	}))
}

func TestSession_SettingsAreChecked(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.visitor()
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		for _, d := range []time.Duration{1, time.Second - 1, -time.Second, 101 * 365 * 24 * time.Hour} {
			if err := s.SetTimeout(d); err == nil || !strings.Contains(err.Error(), d.String()) {
				t.Error(d, err)
			}
		}
		sv.check(s.SetTimeout(time.Second))
		if err := s.SetOwner(strings.Repeat("o", 256)); err == nil || !strings.Contains(err.Error(), "255") {
			t.Error(err)
		}
		sv.check(s.SetOwner(strings.Repeat("o", 255)))
	}))
	sv.check(c.do(session.ReadOnly, func(s *session.Session) {
		if s.Timeout() != time.Second || len(s.Owner()) != 255 {
			t.Error(s.Timeout(), s.Owner())
		}
	}))
}

// All methods at once, under the race detector.
func TestSession_IsSafeForConcurrentUse(t *testing.T) {
	for _, mode := range allModes {
		sv := newService(t, session.Config{ID: session.Cookie{Persist: true}})
		c := sv.visitor()
		r := c.begin()
		s := r.acquire(mode)
		var wg sync.WaitGroup
		for i, use := range []func(){
			func() { _ = countKey.Update(s, func(n int) int { return n + 1 }) },
			func() { _, _ = countKey.Get(s) },
			func() { _ = textKey.Set(s, "x") },
			func() { _, _, _ = textKey.Take(s) },
			func() { _, _, _ = textKey.Lookup(s); s.Has("text"); s.Keys(); s.Len() },
			func() { _ = s.Save(r.ctx) },
			func() { _ = s.SetOwner("ann"); s.Owner() },
			func() { _ = s.SetTimeout(time.Minute); s.Timeout() },
			func() { _ = s.Remember(true); s.IsNew(); s.Mode() },
			func() { s.ID(); s.StoreKey(); s.Created(); s.Context() },
			func() { r.NeedsCommit(); session.From(r.ctx) },
			func() { _, _ = session.Acquire(r.ctx, mode) },
			func() { _ = s.Renew() },
			func() {
				// Another client's change has Concurrent merge again and again.
				if mode == session.Concurrent {
					_ = (&client{t: t, m: sv.Manager, id: s.ID()}).do(mode, func(s *session.Session) {
						_ = countKey.Update(s, func(n int) int { return n + 1 })
						_ = textKey.Set(s, "y")
					})
				}
			},
		} {
			wg.Go(func() {
				for range 50 {
					if i == 12 && mode == session.Concurrent {
						break // then the other client would meet ErrRenewed
					}
					use()
				}
			})
		}
		wg.Wait()
		sv.check(r.end(ok200))
	}
}
