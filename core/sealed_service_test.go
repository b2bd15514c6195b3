package session_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// recorder is a store that remembers all bytes it was ever given.
type recorder struct {
	session.Store
	mu  sync.Mutex
	got [][]byte
}

func (r *recorder) note(rec session.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, bytes.Clone(rec.Data))
}

func (r *recorder) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	r.note(rec)
	return r.Store.Create(ctx, key, rec, token, lease)
}

func (r *recorder) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	r.note(rec)
	return r.Store.Save(ctx, key, rec, token, how)
}

func (r *recorder) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	r.note(rec)
	return r.Store.Swap(ctx, key, rec, old)
}

// find returns how many of the texts are somewhere in what the store got.
func (r *recorder) find(texts ...string) (n int) {
	for _, text := range texts {
		for _, b := range r.got {
			if bytes.Contains(b, []byte(text)) {
				n++
				break
			}
		}
	}
	return n
}

// Nothing of the content is in what any write gives to the store, neither
// values nor their names, nor the codec's.
func TestEncryptionKeys_NoPlaintextReachesTheStore(t *testing.T) {
	marks := []string{"top-secret", "text", "count", "json", "12345678", "hidden"}
	for _, tt := range []struct {
		cfg     session.Config
		visible int
	}{
		{session.Config{}, len(marks)}, // so the search would find them
		{session.Config{EncryptionKeys: [][]byte{key(1)}, Unencrypted: session.WriteUnencrypted}, len(marks)},
		{session.Config{EncryptionKeys: [][]byte{key(1)}, Unencrypted: session.ReadUnencrypted}, 0},
		{session.Config{EncryptionKeys: [][]byte{key(1)}}, 0},
		{session.Config{EncryptionKeys: [][]byte{key(1)}, Compress: true, AdoptExpiredID: true}, 0},
	} {
		sv := newService(t, session.Config{})
		store := &recorder{Store: sv.memory}
		tt.cfg.ReapInterval, tt.cfg.Logger = -1, slog.New(slog.DiscardHandler)
		m := newManager(t, store, tt.cfg)
		for _, id := range []string{"", id24('a')} { // a new ID, and one to be adopted
			c := &client{t: t, m: m, id: id}
			for i, mode := range []session.Mode{session.Exclusive, session.Exclusive, session.Concurrent, session.Concurrent} {
				sv.check(c.do(mode, func(s *session.Session) {
					sv.check(textKey.Set(s, strings.Repeat("top-secret ", 20)+fmt.Sprint(i)))
					sv.check(countKey.Set(s, 12345678+i))
					sv.check(s.Save(context.Background()))
					sv.check(session.NewKey[string]("hidden").Set(s, fmt.Sprint(i)))
					if i%2 == 1 {
						sv.check(s.Renew())
					}
				}))
			}
			c.count(12345678 + 3)
		}
		if n := store.find(marks...); n != tt.visible || len(store.got) < 16 {
			t.Errorf("%d of %d texts are visible, want %d, in %d writes", n, len(marks), tt.visible, len(store.got))
		}
	}
}

// keyed returns a process with those encryption keys.
func keyed(t *testing.T, memory *memstore.Store, keys ...[]byte) *service {
	return newProcess(t, memory, session.Config{EncryptionKeys: keys, Compress: true})
}

// add1 counts one up.
func add1(t *testing.T) func(*session.Session) {
	return func(s *session.Session) {
		if err := countKey.Update(s, func(n int) int { return n + 1 }); err != nil {
			t.Error(err)
		}
	}
}

// Two versions of a service, which take turns, read each other's sessions at
// each step, in every mode and over each kind of save.
func TestM18_RollingDeploysOfKeysAndCompression(t *testing.T) {
	type config = session.Config
	one, two := [][]byte{key(1)}, [][]byte{key(2)}
	for name, steps := range map[string][]config{
		"compress":    {{}, {Compress: true}, {}},
		"rotate":      {{EncryptionKeys: one}, {EncryptionKeys: [][]byte{key(1), key(2)}}, {EncryptionKeys: [][]byte{key(2), key(1)}}, {EncryptionKeys: two}},
		"begin":       {{}, {EncryptionKeys: one, Unencrypted: session.WriteUnencrypted}, {EncryptionKeys: one, Unencrypted: session.ReadUnencrypted}, {EncryptionKeys: one}},
		"end":         {{EncryptionKeys: one}, {EncryptionKeys: one, Unencrypted: session.ReadUnencrypted}, {EncryptionKeys: one, Unencrypted: session.WriteUnencrypted}, {}},
		"all at once": {{EncryptionKeys: one, Compress: true}, {EncryptionKeys: [][]byte{key(1), key(2)}, Codec: session.Gob{}}, {EncryptionKeys: [][]byte{key(2), key(1)}, Compress: true}},
	} {
		t.Run(name, func(t *testing.T) {
			memory := memstore.New()
			var services []*service
			for _, cfg := range steps {
				services = append(services, newProcess(t, memory, cfg))
			}
			c := services[0].visitor()
			services[0].check(c.do(session.Exclusive, func(s *session.Session) {
				services[0].check(textKey.Set(s, strings.Repeat("long enough to be deflated ", 100)))
				services[0].check(s.SetOwner("anna"))
			}))
			first, count := c.id, 1
			for i := range services[1:] {
				for n := range 8 { // one request at the old version, one at the new
					sv := services[i+n%2]
					c.m = sv.Manager
					for _, mode := range []session.Mode{session.ReadOnly, session.Snapshot} {
						sv.check(c.do(mode, func(s *session.Session) {
							if v, err := textKey.Get(s); len(v) != 2700 || err != nil || s.IsNew() || s.Owner() != "anna" {
								t.Errorf("step %d, request %d: %d %v", i, n, len(v), err)
							}
						}))
					}
					sv.check(c.do(writeModes[n/2%2], func(s *session.Session) {
						add1(t)(s)
						if n > 4 {
							sv.check(s.Renew())
						}
					}))
					count++
				}
			}
			c.count(count)
			if c.id == first {
				t.Error("not renewed")
			}
			for i, sv := range services {
				if n := len(sv.events.of(session.EventCorrupt)) + len(sv.events.of(session.EventUnknownID)); n > 0 {
					t.Errorf("step %d: %d sessions could not be read", i, n)
				}
				if warned := sv.log.count("Config.Unencrypted is set"); (warned == 1) != (steps[i].Unencrypted != session.RefuseUnencrypted) {
					t.Errorf("step %d: %d warnings", i, warned)
				}
			}
		})
	}
}

// A session is encrypted anew, with the first key, when it is saved.
func TestEncryptionKeys_TheFirstEncrypts(t *testing.T) {
	memory := memstore.New()
	old, both, young := keyed(t, memory, key(1)), keyed(t, memory, key(2), key(1)), keyed(t, memory, key(2))
	c := old.visitor()
	c.m = both.Manager
	c.count(1)
	c.m = old.Manager // reading has changed nothing
	c.count(1)
	c.m = both.Manager
	both.check(c.do(session.Exclusive, add1(t)))
	c.m = young.Manager
	c.count(2)
	c.m = old.Manager
	c.count(absent)
}

// What cannot be opened is reported and left alone, and its client gets a new
// session under a new ID: whether the key is wrong or missing, or the record
// was moved from elsewhere, put beside another owner, or is not encrypted.
func TestM18_WhatCannotBeOpenedIsLeftAlone(t *testing.T) {
	type config = session.Config
	sealed := config{EncryptionKeys: [][]byte{key(1)}}
	for name, tt := range map[string]struct {
		writer, reader config
		tamper         func(rec *session.Record, other session.Record)
	}{
		"no key":                    {sealed, config{}, nil},
		"another key":               {sealed, config{EncryptionKeys: [][]byte{key(2)}}, nil},
		"not encrypted":             {config{}, sealed, nil},
		"compressed, not encrypted": {config{Compress: true}, sealed, nil},
		"moved":                     {sealed, sealed, func(rec *session.Record, other session.Record) { rec.Data = other.Data }},
		"another owner":             {sealed, sealed, func(rec *session.Record, _ session.Record) { rec.Owner = "admin" }},
		"changed":                   {sealed, sealed, func(rec *session.Record, _ session.Record) { rec.Data = append(rec.Data[:60:60], rec.Data[61:]...) }},
		"changed, with migration": {sealed, config{EncryptionKeys: [][]byte{key(1)}, Unencrypted: session.WriteUnencrypted},
			func(rec *session.Record, _ session.Record) { rec.Data = append(rec.Data[:60:60], rec.Data[61:]...) }},
	} {
		for _, mode := range allModes {
			t.Run(name+" "+mode.String(), func(t *testing.T) {
				memory := memstore.New()
				writer, reader := newProcess(t, memory, tt.writer), newProcess(t, memory, tt.reader)
				anna, mallory := writer.visitor(), writer.visitor()
				stored := func(c *client) (key session.StoreKey, rec session.Record) {
					c.m = writer.Manager
					writer.check(c.do(session.Snapshot, func(s *session.Session) { key = s.StoreKey() }))
					rec, err := memory.Load(t.Context(), key, false)
					writer.check(err)
					return key, rec
				}
				for _, c := range []*client{anna, mallory} {
					writer.check(c.do(session.Exclusive, func(s *session.Session) {
						writer.check(textKey.Set(s, strings.Repeat("x", 2000)))
						writer.check(s.SetOwner("anna"))
					}))
				}
				place, before := stored(anna)
				if tt.tamper != nil {
					_, other := stored(mallory)
					old := before.Write
					tt.tamper(&before, other)
					before.Write = session.NewWriteID()
					writer.check(memory.Swap(t.Context(), place, before, old))
				}

				anna.m = reader.Manager
				id := anna.id
				reader.check(anna.do(mode, func(s *session.Session) {
					if !s.IsNew() || s.Len() > 0 || s.ID() == id || s.Owner() != "" {
						t.Error("the client did not get a new session")
					}
					if !readsOnly(mode) {
						reader.check(countKey.Set(s, 7))
					}
				}))
				after, err := memory.Load(t.Context(), place, false)
				if err != nil || !bytes.Equal(after.Data, before.Data) || after.Write != before.Write || after.Lock != nil {
					t.Error("the record was not left alone", err)
				}
				if len(reader.events.of(session.EventCorrupt)) != 1 || reader.log.count("it is left alone") != 1 {
					t.Error("not reported")
				}
				if !readsOnly(mode) {
					if anna.id == id {
						t.Error("the ID is the old one")
					}
					anna.count(7)
				}
				for _, k := range [][]byte{key(1), key(2)} {
					for _, form := range []string{"%s", "%x", "%v", "%q"} {
						if strings.Contains(reader.log.String(), strings.Trim(fmt.Sprintf(form, k[:8]), `[]"`)) {
							t.Error("a key was logged")
						}
					}
				}
			})
		}
	}
}

// A record that was put under another key while a Concurrent request is under
// way is not merged over.
func TestM18_AMovedRecordIsNotMergedOver(t *testing.T) {
	memory := memstore.New()
	sv := keyed(t, memory, key(1))
	anna, mallory := sv.visitor(), sv.visitor()
	r := anna.begin()
	s := r.acquire(session.Concurrent)
	add1(t)(s)
	var from session.StoreKey
	sv.check(mallory.do(session.Exclusive, func(s *session.Session) {
		sv.check(countKey.Set(s, 100))
		from = s.StoreKey()
	}))
	other, err := memory.Load(t.Context(), from, false)
	sv.check(err)
	rec, err := memory.Load(t.Context(), s.StoreKey(), false)
	sv.check(err)
	old := rec.Write
	rec.Data, rec.Write = other.Data, session.NewWriteID()
	sv.check(memory.Swap(t.Context(), s.StoreKey(), rec, old))
	wantIs(t, r.end(ok200), session.ErrCorrupt)
	if after, err := memory.Load(t.Context(), s.StoreKey(), false); err != nil || after.Write != rec.Write || after.Lock != nil {
		t.Error("the record was not left alone", err)
	}
}

// An answer that got lost is asked for again with the same bytes: a write of
// an encrypted session is repeated, not made twice (S6), also one that moves.
func TestEncryptionKeys_LostAnswers(t *testing.T) {
	lost := sessiontest.Fault{Kind: sessiontest.FailAfter}
	for _, mode := range writeModes {
		for _, renew := range []bool{false, true} {
			sv := keyed(t, memstore.New(), key(1))
			c := sv.client()
			sv.faults.Next(sessiontest.OpCreate, 1, lost)
			sv.check(c.do(mode, func(s *session.Session) { sv.check(countKey.Set(s, 1)) }))
			for range 3 {
				sv.faults.Next(sessiontest.OpSave, 1, lost)
				sv.faults.Next(sessiontest.OpSwap, 1, lost)
				sv.check(c.do(mode, func(s *session.Session) {
					add1(t)(s)
					if renew {
						sv.check(s.Renew())
					}
				}))
				sv.faults.Reset()
			}
			c.count(4)
			sv.stored(1)
		}
	}
}
