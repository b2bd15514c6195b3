package session_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// hexCodec is another format than JSON.
type hexCodec struct{ name string }

func (c hexCodec) Name() string { return c.name }

func (c hexCodec) Encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return []byte(c.name + ":" + string(b)), err
}

func (c hexCodec) Decode(data []byte, v any) error {
	rest, ok := strings.CutPrefix(string(data), c.name+":")
	if !ok {
		return errors.New("not mine")
	}
	return json.Unmarshal([]byte(rest), v)
}

func TestM18_WrongTypeFailsOnlyThatValue(t *testing.T) {
	asInt := session.NewKey[int]("text")
	for _, mode := range allModes {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(textKey.Set(s, "hello")) }))
		sv.check(c.do(mode, func(s *session.Session) {
			_, errGet := asInt.Get(s)
			v, _, errLookup := asInt.Lookup(s)
			errs := []error{errGet, errLookup}
			if !readsOnly(mode) {
				_, taken, errTake := asInt.Take(s)
				errs = append(errs, errTake, asInt.Update(s, func(n int) int { return n + 1 }))
				if taken {
					t.Error("taken")
				}
			}
			for _, err := range errs {
				if !errors.Is(err, session.ErrCorrupt) || !strings.Contains(err.Error(), `"text"`) || !strings.Contains(err.Error(), "int") {
					t.Error("the error does not name key and type:", err)
				}
			}
			if v != 0 {
				t.Error(v)
			}
			if n, err := countKey.Get(s); n != 1 || err != nil {
				t.Error("another value is affected:", n, err)
			}
			if text, err := textKey.Get(s); text != "hello" || err != nil {
				t.Error("the value is not left alone:", text, err)
			}
		}))
	}
}

func TestCodec_ChangeFromJSONAndBack(t *testing.T) {
	for _, mode := range writeModes {
		memory := memstore.New()
		plain := newProcess(t, memory, session.Config{})
		hex := newProcess(t, memory, session.Config{Codec: hexCodec{"hex"}})
		other := newProcess(t, memory, session.Config{Codec: hexCodec{"other"}})
		c := plain.visitor()
		plain.check(c.do(mode, func(s *session.Session) { plain.check(textKey.Set(s, "hello")) }))

		// The new codec reads JSON, and writes what it changes.
		c.m = hex.Manager
		plain.check(c.do(mode, func(s *session.Session) {
			plain.check(countKey.Update(s, func(n int) int { return n + 1 }))
		}))
		for _, sv := range []*service{hex} {
			c.m = sv.Manager
			plain.check(c.do(session.ReadOnly, func(s *session.Session) {
				n, err1 := countKey.Get(s)
				text, err2 := textKey.Get(s)
				if n != 2 || text != "hello" || err1 != nil || err2 != nil {
					t.Error(n, text, err1, err2)
				}
			}))
		}

		// Those who do not know it can use the rest of the session, and keep
		// the value as it is.
		for _, sv := range []*service{plain, other} {
			c.m = sv.Manager
			plain.check(c.do(mode, func(s *session.Session) {
				if _, err := countKey.Get(s); !errors.Is(err, session.ErrCorrupt) || !strings.Contains(err.Error(), `"hex"`) {
					t.Error(err)
				}
				plain.check(textKey.Set(s, "there"))
			}))
		}
		c.m = hex.Manager
		c.count(2)

		// And may replace it.
		c.m = plain.Manager
		plain.check(c.do(mode, func(s *session.Session) { plain.check(countKey.Set(s, 9)) }))
		c.count(9)
	}
}

// A codec that no running version knows is rolled out in two steps, and at no
// time does a process meet a value that it cannot read.
func TestCodec_ReadCodecsForARollingDeploy(t *testing.T) {
	a, b := hexCodec{"a"}, hexCodec{"b"}
	for _, mode := range writeModes {
		memory := memstore.New()
		steps := []*service{
			newProcess(t, memory, session.Config{Codec: a}),
			newProcess(t, memory, session.Config{Codec: a, ReadCodecs: []session.Codec{b}}),
			newProcess(t, memory, session.Config{Codec: b, ReadCodecs: []session.Codec{a}}),
		}
		for i := range steps[1:] {
			old, young := steps[i], steps[i+1]
			c := old.visitor()
			for n := range 6 { // one request here, one there
				c.m = [...]*session.Manager{young.Manager, old.Manager}[n%2]
				old.check(c.do(mode, func(s *session.Session) {
					old.check(countKey.Update(s, func(n int) int { return n + 1 }))
				}))
			}
			c.count(7)
			c.m = young.Manager
			c.count(7)
		}
		// The codec that is read is not the one that writes.
		c := steps[0].visitor()
		c.m = newProcess(t, memory, session.Config{Codec: b}).Manager
		steps[0].check(c.do(session.ReadOnly, func(s *session.Session) {
			_, err := countKey.Get(s)
			wantIs(t, err, session.ErrCorrupt)
		}))
	}
}

// Whatever is the codec, sessions that JSON and Gob have written are read.
func TestM18_JSONAndGobReadEachOther(t *testing.T) {
	for _, mode := range writeModes {
		memory := memstore.New()
		services := []*service{
			newProcess(t, memory, session.Config{}),
			newProcess(t, memory, session.Config{Codec: session.Gob{}}),
			newProcess(t, memory, session.Config{Codec: hexCodec{"hex"}}),
		}
		for _, first := range services[:2] {
			c := first.visitor()
			first.check(c.do(mode, func(s *session.Session) {
				first.check(textKey.Set(s, "hello"))
				first.check(cartKey.Set(s, cart{[]string{"a", "b"}}))
			}))
			for _, sv := range services {
				c.m = sv.Manager
				for _, mode := range allModes {
					sv.check(c.do(mode, func(s *session.Session) {
						text, err1 := textKey.Get(s)
						items, err2 := cartKey.Get(s)
						if text != "hello" || len(items.Items) != 2 || err1 != nil || err2 != nil {
							t.Error(text, items, err1, err2)
						}
					}))
				}
			}
			// A rolling deploy: requests of one session at both.
			for n := range 8 {
				c.m = services[n%2].Manager
				first.check(c.do(mode, func(s *session.Session) {
					first.check(countKey.Update(s, func(n int) int { return n + 1 }))
					if n%4 == 3 {
						first.check(s.Renew())
					}
				}))
			}
			c.count(9)
			for _, sv := range services {
				if n := len(sv.events.of(session.EventCorrupt)); n > 0 {
					t.Error(n, "sessions could not be read")
				}
			}
		}
	}
}

// A merge makes the changes of one codec on what another has written.
func TestM4_MergeOverCodecs(t *testing.T) {
	memory := memstore.New()
	sv := newProcess(t, memory, session.Config{})
	other := newProcess(t, memory, session.Config{Codec: session.Gob{}})
	c := sv.visitor()
	r := c.begin()
	s := r.acquire(session.Concurrent)
	add := func(s *session.Session) { sv.check(countKey.Update(s, func(n int) int { return n + 1 })) }
	add(s)
	sv.check((&client{t: t, m: other.Manager, id: c.id}).do(session.Concurrent, add))
	sv.check(r.end(ok200))
	c.count(3)
}

// What Gob cannot encode fails at Set, with key and type, and changes nothing.
func TestGob_RefusesAtSet(t *testing.T) {
	sv := newService(t, session.Config{Codec: session.Gob{}})
	sv.check(sv.visitor().do(session.Exclusive, func(s *session.Session) {
		err := session.NewKey[*cart]("text").Set(s, nil)
		if err == nil || !strings.Contains(err.Error(), `"text"`) || !strings.Contains(err.Error(), "*session_test.cart") || s.Has("text") {
			t.Error(err)
		}
	}))
}

// Take in Concurrent mode removes the value whatever another request has made
// of it, and has shown it once.
func TestM4_TakeMeetsAnotherType(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.visitor()
	r := c.begin()
	s := r.acquire(session.Concurrent)
	n, found, err := countKey.Take(s)
	if n != 1 || !found || err != nil {
		t.Error(n, found, err)
	}
	sv.check((&client{t: t, m: sv.Manager, id: c.id}).do(session.Exclusive, func(s *session.Session) {
		sv.check(session.NewKey[string]("count").Set(s, "many"))
	}))
	sv.check(r.end(ok200))
	sv.check(c.do(session.ReadOnly, func(s *session.Session) {
		if s.Has("count") {
			t.Error("not taken")
		}
	}))
}

func TestMaxSize_AtSet(t *testing.T) {
	sv := newService(t, session.Config{MaxSize: 1000})
	c := sv.visitor()
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		sv.check(textKey.Set(s, strings.Repeat("a", 900)))
		err := textKey.Set(s, strings.Repeat("b", 1100))
		if !errors.Is(err, session.ErrTooLarge) || session.HTTPStatus(err) != 413 || !strings.Contains(err.Error(), "1000") {
			t.Error(err)
		}
		wantIs(t, cartKey.Set(s, cart{[]string{strings.Repeat("c", 100)}}), session.ErrTooLarge)
		wantIs(t, textKey.Update(s, func(v string) string { return v + v }), session.ErrTooLarge)
		if v, err := textKey.Get(s); len(v) != 900 || err != nil || s.Has("cart") {
			t.Error("a refused change was made", err)
		}
	}))
	c.count(1)
}

// Whatever Set has accepted can be stored.
func TestMaxSize_WhatSetAcceptsCanBeStored(t *testing.T) {
	for size := 900; size < 1010; size++ {
		sv := newService(t, session.Config{MaxSize: 1000})
		c := sv.visitor()
		accepted := false
		err := c.do(session.Exclusive, func(s *session.Session) {
			err := textKey.Set(s, strings.Repeat("a", size))
			accepted = err == nil
			if err != nil && !errors.Is(err, session.ErrTooLarge) {
				t.Error(err)
			}
			if err == nil { // nor can it become too large by and by
				for i := range 100 {
					if err = session.NewKey[int](strings.Repeat("k", i+1)).Set(s, i); err != nil {
						break
					}
				}
				wantIs(t, err, session.ErrTooLarge)
			}
		})
		if err != nil {
			t.Errorf("%d bytes: Set accepted, but: %v", size, err)
		}
		if size <= 950 && !accepted {
			t.Errorf("%d bytes of 1000 were refused", size)
		}
	}
}

// What each of two requests may add is together too much: the merge that comes
// later fails, and nothing of it is stored.
func TestMaxSize_AtTheMerge(t *testing.T) {
	sv := newService(t, session.Config{MaxSize: 1000})
	c := sv.visitor()
	r := c.begin()
	s := r.acquire(session.Concurrent)
	sv.check(textKey.Set(s, strings.Repeat("a", 600)))
	sv.check(countKey.Set(s, 7))
	sv.check((&client{t: t, m: sv.Manager, id: c.id}).do(session.Concurrent, func(s *session.Session) {
		sv.check(cartKey.Set(s, cart{[]string{strings.Repeat("c", 600)}}))
	}))
	err := r.end(ok200)
	wantIs(t, err, session.ErrTooLarge)
	c.count(1)
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		if s.Has("text") || !s.Has("cart") {
			t.Error(s.Keys())
		}
	}))
}

func TestMaxSize_Off(t *testing.T) {
	sv := newService(t, session.Config{MaxSize: -1})
	c := sv.visitor()
	sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(textKey.Set(s, strings.Repeat("a", 3<<20))) }))
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		if v, err := textKey.Get(s); len(v) != 3<<20 || err != nil {
			t.Error(len(v), err)
		}
	}))
}

// ErrTooLarge of the store leaves the session as it was, and unlocked.
func TestMaxSize_OfTheStore(t *testing.T) {
	tooLarge := sessiontest.Fault{Kind: sessiontest.FailBefore, Err: session.ErrTooLarge}
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		r := c.begin()
		sv.check(countKey.Set(r.acquire(mode), 2))
		sv.faults.Next(sessiontest.OpSave, 1, tooLarge)
		sv.faults.Next(sessiontest.OpSwap, 1, tooLarge)
		wantIs(t, r.end(ok200), session.ErrTooLarge)
		sv.faults.Reset()
		c.count(1)
		sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(countKey.Set(s, 3)) }))
		c.count(3)
	}
}
