package adapter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
)

// vault is a store, and its database as somebody has it who reads and writes
// there without the store.
type vault interface {
	session.Store
	// raw returns all that the database keeps of the sessions, as bytes.
	raw(t *testing.T) [][]byte
	// row returns all that is stored under a key, but for the database's own
	// marks.
	row(t *testing.T, key session.StoreKey) []byte
	// transplant puts the content of one session in the place of another's; or,
	// with whole, everything that is stored of it.
	transplant(t *testing.T, from, to session.StoreKey, whole bool)
}

// vaults are the databases.
var vaults = map[string]func(*testing.T) vault{"PostgreSQL": newTable, "Cosmos": newContainer}

// secrets are the names and values that nobody may find. One is changed by JSON,
// and one is a number.
var secrets = []string{"very-private-name", `the "cart" of <Zoë>`, "31415926535", "what was there before"}

var (
	private = session.NewKey[string](secrets[0])
	pi      = session.NewKey[int]("pi-of-anna")
)

// forms returns the ways in which a text could stand in a database: as it is, or
// as part of what JSON, base64 or hexadecimal digits say.
func forms(text string) [][]byte {
	quoted, _ := json.Marshal(text)
	all := [][]byte{[]byte(text), bytes.Trim(quoted, `"`), []byte(strings.Trim(fmt.Sprintf("%q", text), `"`))}
	for _, plain := range slices.Clone(all) {
		low := hex.EncodeToString(plain)
		all = append(all, []byte(low), []byte(strings.ToUpper(low)))
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 { // how many bytes of what stands before it share its digits
				digits := encoding.EncodeToString(append(make([]byte, before), plain...))
				first := (before*8 + 5) / 6 // the digits that depend on nothing else
				last := (before + len(plain)) * 8 / 6
				all = append(all, []byte(digits[first:last]))
			}
		}
	}
	return all
}

// found returns those of the texts that are somewhere in the database.
func found(t *testing.T, v vault, texts []string) (seen []string) {
	t.Helper()
	raw := v.raw(t)
	size := 0
	for _, b := range raw {
		size += len(b)
	}
	if size < 1000 {
		t.Fatalf("the database has %d bytes: there is nothing to search", size)
	}
	for _, text := range texts {
		if slices.ContainsFunc(raw, func(b []byte) bool {
			return slices.ContainsFunc(forms(text), func(form []byte) bool { return bytes.Contains(b, form) })
		}) {
			seen = append(seen, text)
		}
	}
	return seen
}

func TestForms(t *testing.T) {
	const text = "secret"
	inside := []byte(`ab{"` + text + `":"1"}`)
	for from := range 3 {
		for name, stored := range map[string]string{
			"base64":     base64.StdEncoding.EncodeToString(inside[from:]),
			"base64 URL": base64.RawURLEncoding.EncodeToString(inside[from:]),
			"hex":        hex.EncodeToString(inside[from:]),
			"HEX":        fmt.Sprintf("%X", inside[from:]),
			"JSON":       string(inside[from:]),
		} {
			if !slices.ContainsFunc(forms(text), func(form []byte) bool { return strings.Contains(stored, string(form)) }) {
				t.Errorf("not found in %s of %s: %s", name, inside[from:], stored)
			}
		}
	}
}

// exchange is an HTTP exchange without HTTP, of a client that has a cookie.
type exchange struct{ request, reply http.Header }

func (ex exchange) RequestHeader(name string) []string { return ex.request.Values(name) }
func (ex exchange) ReplyHeader(name string) []string   { return ex.reply.Values(name) }
func (exchange) Secure() bool                          { return true }
func (ex exchange) SetReplyHeader(name string, values ...string) {
	ex.reply[http.CanonicalHeaderKey(name)] = values
}

// visitor is a client; its cookie is its session's ID.
type visitor struct {
	t  *testing.T
	id string
}

// visit makes a request.
func (v *visitor) visit(m *session.Manager, mode session.Mode, use func(ctx context.Context, s *session.Session) error) {
	v.t.Helper()
	ex := exchange{http.Header{}, http.Header{}}
	if v.id != "" {
		ex.request.Set("Cookie", "session="+v.id)
	}
	rq, ctx := m.Begin(v.t.Context(), ex)
	s, err := m.Acquire(ctx, mode)
	if err == nil {
		err = use(ctx, s)
	}
	if err = errors.Join(err, rq.Finish(ctx, session.Outcome{Err: err})); err != nil {
		v.t.Errorf("%v request: %v", mode, err)
	}
	for _, c := range (&http.Response{Header: ex.reply}).Cookies() {
		v.id = c.Value
	}
}

// key returns where the visitor's session is stored.
func (v *visitor) key(m *session.Manager) (key session.StoreKey) {
	v.t.Helper()
	v.visit(m, session.Snapshot, func(_ context.Context, s *session.Session) error {
		key = s.StoreKey()
		return nil
	})
	return key
}

// secret returns an encryption key.
func secret(i byte) []byte {
	sum := sha256.Sum256([]byte{i})
	return sum[:]
}

// process returns a Manager with those encryption keys, which leaves ends to be
// reported where they are, and what it logs.
func process(t *testing.T, store session.Store, keys ...[]byte) (*session.Manager, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	m, err := session.New(store, session.Config{
		EncryptionKeys: keys, ReapInterval: -1, OnEnd: func(context.Context, session.Ended) error { return nil },
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m, log
}

// leaveTraces has sessions written in every way in which they can be: new, again
// and again, merged, kept locked, under a new ID, and ended but not reported.
func leaveTraces(t *testing.T, m *session.Manager) {
	put := func(_ context.Context, s *session.Session) error {
		return errors.Join(private.Set(s, secrets[1]), pi.Set(s, 31415926535))
	}
	for _, mode := range []session.Mode{session.Exclusive, session.Concurrent} {
		v := &visitor{t: t}
		v.visit(m, mode, func(ctx context.Context, s *session.Session) error {
			return errors.Join(private.Set(s, secrets[3]), s.SetOwner("anna"), s.Save(ctx))
		})
		v.visit(m, mode, put)
		v.visit(m, mode, func(ctx context.Context, s *session.Session) error {
			return errors.Join(session.NewKey[string]("other").Set(s, secrets[3]), s.Save(ctx), s.Renew()) // once more, since what was there before need not be kept
		})
		v.visit(m, mode, func(_ context.Context, s *session.Session) error {
			if text, err := private.Get(s); text != secrets[1] || err != nil {
				t.Errorf("it has %q: %v", text, err)
			}
			return nil
		})
		gone := &visitor{t: t}
		gone.visit(m, mode, put)
		gone.visit(m, mode, func(_ context.Context, s *session.Session) error { return s.Abandon() })
	}
}

// What is encrypted is nowhere in the database, neither in what is valid there
// nor in what it has not yet thrown away; and the search would have found it.
func TestM18_NoPlaintextInTheDatabase(t *testing.T) {
	for name, open := range vaults {
		t.Run(name, func(t *testing.T) {
			plain := open(t)
			m, _ := process(t, plain)
			leaveTraces(t, m)
			if seen := found(t, plain, secrets); len(seen) != len(secrets) {
				t.Fatalf("without encryption only these are found: %q", seen)
			}
			sealed := open(t)
			m, _ = process(t, sealed, secret(1))
			leaveTraces(t, m)
			if seen := found(t, sealed, secrets); len(seen) > 0 {
				t.Errorf("these are found: %q", seen)
			}
			if seen := found(t, sealed, []string{"anna"}); len(seen) != 1 {
				t.Error("the owner, which is not encrypted, is not found")
			}
		})
	}
}

var allModes = []session.Mode{session.Exclusive, session.ReadOnly, session.Snapshot, session.Concurrent}

// Who writes to the database cannot put one session in the place of another:
// that one is reported and left alone, and its client gets a new session.
func TestM18_ARecordMovedInTheDatabaseDoesNotOpen(t *testing.T) {
	for name, open := range vaults {
		t.Run(name, func(t *testing.T) {
			for _, whole := range []bool{false, true} {
				for _, mode := range allModes {
					transplanted(t, open(t), mode, whole, true)
				}
				transplanted(t, open(t), session.Exclusive, whole, false)
			}
		})
	}
}

// transplanted puts mallory's session in the place of anna's. Only if they are
// encrypted anna does not get it.
func transplanted(t *testing.T, v vault, mode session.Mode, whole, encrypted bool) {
	t.Helper()
	var keys [][]byte
	if encrypted {
		keys = [][]byte{secret(1)}
	}
	m, log := process(t, v, keys...)
	anna, mallory := &visitor{t: t}, &visitor{t: t}
	for who, client := range map[string]*visitor{"anna": anna, "mallory": mallory} {
		client.visit(m, session.Exclusive, func(_ context.Context, s *session.Session) error { return private.Set(s, who) })
	}
	place, id := anna.key(m), anna.id
	v.transplant(t, mallory.key(m), place, whole)
	before := v.row(t, place)
	anna.visit(m, mode, func(_ context.Context, s *session.Session) error {
		switch text, err := private.Get(s); {
		case err != nil:
			return err
		case !encrypted && text != "mallory":
			t.Errorf("without encryption the session has %q: nothing was put there", text)
		case encrypted && (text != "" || !s.IsNew() || s.ID() == id):
			t.Errorf("%v, whole %v: the session has %q, new %v", mode, whole, text, s.IsNew())
		}
		if encrypted && (mode == session.Exclusive || mode == session.Concurrent) {
			return pi.Set(s, 1)
		}
		return nil
	})
	if !encrypted {
		return
	}
	if after := v.row(t, place); !bytes.Equal(after, before) {
		t.Errorf("%v, whole %v: the record was not left alone:\n%s\n%s", mode, whole, before, after)
	}
	if n := strings.Count(log.String(), "it is left alone"); n != 1 {
		t.Errorf("%v, whole %v: it was reported %d times", mode, whole, n)
	}
	mallory.visit(m, session.Snapshot, func(_ context.Context, s *session.Session) error {
		if text, err := private.Get(s); text != "mallory" || err != nil {
			t.Errorf("mallory's own session has %q: %v", text, err)
		}
		return nil
	})
}

// Keys are rotated while two versions of a service take turns, and nobody is
// logged out; but who has only the new key cannot read what was not saved since.
func TestM18_RotationInTheDatabase(t *testing.T) {
	for name, open := range vaults {
		t.Run(name, func(t *testing.T) {
			v := open(t)
			var steps []*session.Manager
			for _, keys := range [][][]byte{{secret(1)}, {secret(1), secret(2)}, {secret(2), secret(1)}, {secret(2)}} {
				m, _ := process(t, v, keys...)
				steps = append(steps, m)
			}
			used, unused := &visitor{t: t}, &visitor{t: t}
			count := 0
			add := func(_ context.Context, s *session.Session) error {
				if n, err := pi.Get(s); n != count || err != nil || s.IsNew() != (count == 0) {
					t.Errorf("request %d: the session has %d, new %v: %v", count, n, s.IsNew(), err)
				}
				return pi.Update(s, func(n int) int { return n + 1 })
			}
			unused.visit(steps[0], session.Exclusive, func(_ context.Context, s *session.Session) error { return pi.Set(s, 7) })
			for i := range steps {
				for n := range 4 { // at the old version, and at the new
					m := steps[max(i-1+n%2, 0)]
					used.visit(m, []session.Mode{session.Exclusive, session.Concurrent}[n/2], add)
					count++
				}
			}
			raw := v.raw(t)
			if slices.ContainsFunc(raw, func(b []byte) bool { return bytes.Contains(b, secret(1)) || bytes.Contains(b, secret(2)) }) {
				t.Error("a key is in the database")
			}
			for i, want := range []bool{true, true, true, false} {
				unused.visit(steps[i], session.Snapshot, func(_ context.Context, s *session.Session) error {
					if n, err := pi.Get(s); (n == 7) != want || err != nil {
						t.Errorf("step %d: what was not saved again has %d: %v", i, n, err)
					}
					return nil
				})
			}
		})
	}
}
