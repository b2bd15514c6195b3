package cosmosstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// TestMaxData: a document holds that much, and no more is sent.
func TestMaxData(t *testing.T) {
	t.Parallel()
	s, n := behind(t, fresh(t))
	key, token := newKey(), session.NewToken()
	rec := record("")
	rec.Data = bytes.Repeat([]byte{0xfe}, cosmosstore.MaxData)
	if err := s.Create(t.Context(), key, rec, token, lease); err != nil {
		t.Fatal(err)
	}
	rec.Write, rec.Data[0] = session.NewWriteID(), 1
	if err := s.Save(t.Context(), key, rec, token, session.Commit{}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(t.Context(), key, false)
	if err != nil || !bytes.Equal(got.Data, rec.Data) {
		t.Errorf("%d bytes were read, %v", len(got.Data), err)
	}
	n.on(nil)
	rec.Data = append(rec.Data, 0)
	wantError(t, s.Create(t.Context(), newKey(), rec, nobody, 0), session.ErrTooLarge, "too large")
	if sent := n.exchanges(); len(sent) > 0 {
		t.Error("too much was sent all the same")
	}
}

// operations are what a Store does; each returns whether it has taken effect,
// as another Store sees it.
var operations = []struct {
	what   string
	before func(t *testing.T, s *cosmosstore.Store, key session.StoreKey, token session.Token)
	do     func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error
	after  func(t *testing.T, s *cosmosstore.Store, key session.StoreKey, token session.Token)
}{
	{"Create", absentBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		return s.Create(ctx, key, record("new"), token, lease)
	}, contentAfter("new", true)},
	{"Acquire", freeBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		got, err := s.Acquire(ctx, key, token, lease)
		if err == nil && string(got.Data) != "old" {
			err = fmt.Errorf("it returned %q", got.Data)
		}
		return err
	}, contentAfter("old", true)},
	{"Load", freeBefore, func(ctx context.Context, s session.Store, key session.StoreKey, _ session.Token) error {
		_, err := s.Load(ctx, key, false)
		return err
	}, contentAfter("old", false)},
	{"Save", heldBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		return s.Save(ctx, key, record("new"), token, session.Commit{})
	}, contentAfter("new", false)},
	{"Save with Keep", heldBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		return s.Save(ctx, key, record("new"), token, session.Commit{Keep: lease})
	}, contentAfter("new", true)},
	{"Save with other timeouts", heldBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		rec := record("new")
		rec.IdleTimeout *= 2
		return s.Save(ctx, key, rec, token, session.Commit{})
	}, contentAfter("new", false)},
	{"Save with MoveTo", heldBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		to := key
		to[0]++
		return s.Save(ctx, key, record("new"), token, session.Commit{MoveTo: to, Keep: lease})
	}, func(t *testing.T, s *cosmosstore.Store, key session.StoreKey, token session.Token) {
		goneAfter(t, s, key, token)
		key[0]++
		contentAfter("new", true)(t, s, key, token)
	}},
	{"Release", heldBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		return s.Release(ctx, key, token)
	}, contentAfter("old", false)},
	{"Extend", heldBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		return s.Extend(ctx, key, token, lease)
	}, contentAfter("old", true)},
	{"Touch", freeBefore, func(ctx context.Context, s session.Store, key session.StoreKey, _ session.Token) error {
		return s.Touch(ctx, key)
	}, contentAfter("old", false)},
	{"Remove", heldBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		return s.Remove(ctx, key, token, session.EndDelete)
	}, goneAfter},
	{"Remove with a reason", heldBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		return s.Remove(ctx, key, token, session.EndAbandoned)
	}, goneAfter},
	{"RemoveOwner", freeBefore, func(ctx context.Context, s session.Store, _ session.StoreKey, _ session.Token) error {
		n, err := s.(session.OwnerIndex).RemoveOwner(ctx, "test", "somebody", session.EndRevoked)
		if err == nil && n != 1 {
			err = fmt.Errorf("it says that it ended %d", n)
		}
		return err
	}, goneAfter},
	{"Reap", expiredBefore, func(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) error {
		ends, err := s.Reap(ctx, "test", 10, token, lease)
		if err == nil && (len(ends) != 1 || ends[0].Key != key || ends[0].Attempts != 1) {
			err = fmt.Errorf("it returned %d ends", len(ends))
		}
		return err
	}, goneAfter},
}

func absentBefore(*testing.T, *cosmosstore.Store, session.StoreKey, session.Token) {}

func freeBefore(t *testing.T, s *cosmosstore.Store, key session.StoreKey, _ session.Token) {
	if err := s.Create(t.Context(), key, record("old"), nobody, 0); err != nil {
		t.Fatal(err)
	}
}

func heldBefore(t *testing.T, s *cosmosstore.Store, key session.StoreKey, token session.Token) {
	if err := s.Create(t.Context(), key, record("old"), token, lease); err != nil {
		t.Fatal(err)
	}
}

func expiredBefore(t *testing.T, s *cosmosstore.Store, key session.StoreKey, _ session.Token) {
	rec := record("old")
	rec.Events, rec.IdleTimeout, rec.Refresh, rec.Lifetime = true, 0, 0, time.Millisecond
	if err := s.Create(t.Context(), key, rec, nobody, 0); err != nil {
		t.Fatal(err)
	}
	s.Skip(time.Second)
}

func contentAfter(content string, held bool) func(*testing.T, *cosmosstore.Store, session.StoreKey, session.Token) {
	return func(t *testing.T, s *cosmosstore.Store, key session.StoreKey, token session.Token) {
		t.Helper()
		got, err := s.Load(t.Context(), key, false)
		if err != nil || string(got.Data) != content || (got.Lock != nil) != held || held && got.Lock.Holder != token.Holder() {
			t.Errorf("afterwards: %q, lock %v, %v; want %q, held %v", got.Data, got.Lock, err, content, held)
		}
	}
}

func goneAfter(t *testing.T, s *cosmosstore.Store, key session.StoreKey, _ session.Token) {
	t.Helper()
	if got, err := s.Load(t.Context(), key, false); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("afterwards: %q, %v; want it gone", got.Data, err)
	}
}

// TestS15_OneFaultIsMended: whichever exchange of an operation breaks, in
// whatever way, the caller does not see it, and the effect is the same.
func TestS15_OneFaultIsMended(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		t.Run(op.what, func(t *testing.T) {
			t.Parallel()
			s, n := behind(t, fresh(t))
			for _, kind := range []faultKind{cutBefore, cutAfter, failBefore, failAfter, timeoutHit, throttle, retryWith} {
				for at := 1; ; at++ {
					key, token := newKey(), session.NewToken()
					n.on(nil)
					op.before(t, s, key, token)
					broken := false
					n.on(func(i int, _ *http.Request) fault {
						if i != at {
							return fault{}
						}
						broken = true
						return fault{kind: kind}
					})
					err := op.do(t.Context(), s, key, token)
					n.on(nil)
					if !broken {
						break // there is no such exchange: all have been broken once
					}
					if err != nil {
						t.Errorf("fault %d at exchange %d: %v", kind, at, err)
					}
					op.after(t, s, key, token)
					_ = s.Remove(t.Context(), key, nobody, session.EndDelete)
				}
			}
		})
	}
}

// TestReads_AskForWhatWasSeen: a read carries the session tokens of the answers
// before it, whichever kind those were.
func TestReads_AskForWhatWasSeen(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	var asked []string
	number := 100
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/docs/") {
			asked = append(asked, req.Header.Get("x-ms-session-token"))
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil && strings.Contains(req.URL.Path, "/docs") {
			number++
			resp.Header.Set("x-ms-session-token", fmt.Sprintf("0:-1#%d", number))
		}
		return resp, err
	})
	s := open(t, cfg)
	key := newKey()
	if err := s.Create(t.Context(), key, record("content"), session.NewToken(), lease); err != nil { // 101
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), key, false); err != nil { // 102
		t.Fatal(err)
	}
	if _, err := s.Acquire(t.Context(), key, session.NewToken(), lease); !errors.Is(err, session.ErrLocked) { // 103, 104
		t.Fatal(err)
	}
	if got, want := strings.Join(asked, " "), "0:-1#101 0:-1#103"; got != want {
		t.Errorf("the reads asked for %q, want %q: of the refused patch as well", got, want)
	}
}

// lagging is a service whose reads lag behind its writes: they give what was
// there before, as often as lag says.
type lagging struct {
	lag  int
	body map[string][]byte // by path, what was read first
}

func (l *lagging) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/docs/") || l.lag <= 0 {
		return resp, err
	}
	l.lag--
	old, known := l.body[req.URL.Path]
	resp.Body.Close()
	if !known {
		return answered(req, http.StatusNotFound), nil
	}
	stale := answered(req, http.StatusOK)
	stale.Body = io.NopCloser(bytes.NewReader(old))
	stale.ContentLength = int64(len(old))
	return stale, nil
}

// TestStaleReads_MisleadNobody: reads that lag behind make operations slower, but
// not wrong.
func TestStaleReads_MisleadNobody(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	other := open(t, cfg)
	l := &lagging{body: make(map[string][]byte)}
	cfg.Transport = l
	s := open(t, cfg)
	ctx := t.Context()
	read := func(key session.StoreKey) { // makes what is there what reads give from now on
		t.Helper()
		item, err := containerClient(t, cfg).ReadItem(ctx, partitionOf(key), idOf(key), nil)
		if err != nil {
			t.Fatal(err)
		}
		l.body["/dbs/"+cfg.Database+"/colls/"+cfg.Container+"/docs/"+idOf(key)] = item.Value
	}
	stored := func(token session.Token) (session.StoreKey, session.Record) {
		t.Helper()
		key, rec := newKey(), record("first")
		if err := other.Create(ctx, key, rec, token, lease); err != nil {
			t.Fatal(err)
		}
		return key, rec
	}

	key, _ := stored(nobody)
	l.lag = 1 // the reads say that there is nothing yet
	if got, err := s.Load(ctx, key, false); err != nil || string(got.Data) != "first" {
		t.Errorf("Load of what was created just now: %q, %v", got.Data, err)
	}

	// Another holds it; reads still say that it is free.
	key, _ = stored(nobody)
	read(key)
	holder := session.NewToken()
	if _, err := other.Acquire(ctx, key, holder, lease); err != nil {
		t.Fatal(err)
	}
	l.lag = 1000
	var locked *session.LockedError
	if _, err := s.Acquire(ctx, key, session.NewToken(), lease); !errors.As(err, &locked) || locked.Holder != holder.Holder() {
		t.Errorf("Acquire of what is held: %v", err)
	}

	// The lock was lost; reads still say that it is held.
	token := session.NewToken()
	key, rec := stored(token)
	read(key)
	if err := errors.Join(other.Release(ctx, key, token), other.Touch(ctx, key)); err != nil {
		t.Fatal(err)
	}
	l.lag = 1000
	rec.Write, rec.Data = session.NewWriteID(), []byte("lost")
	if err := s.Save(ctx, key, rec, token, session.Commit{}); !errors.Is(err, session.ErrLockLost) {
		t.Errorf("Save under a lock that was lost: %v", err)
	}

	// Somebody has written; reads still give what was before.
	key, rec = stored(nobody)
	read(key)
	old := rec.Write
	rec.Write, rec.Data = session.NewWriteID(), []byte("second")
	if err := other.Swap(ctx, key, rec, old); err != nil {
		t.Fatal(err)
	}
	l.lag = 1000
	rec.Write, rec.Data = session.NewWriteID(), []byte("third")
	if err := s.Swap(ctx, key, rec, old); !errors.Is(err, session.ErrConflict) {
		t.Errorf("Swap of what was written: %v", err)
	}
	l.lag = 0
	if got, err := s.Load(ctx, key, false); err != nil || string(got.Data) != "second" {
		t.Errorf("afterwards: %q, %v", got.Data, err)
	}
}

// ttlOf returns the ttl of a key's document.
func ttlOf(t *testing.T, cfg cosmosstore.Config, key session.StoreKey) int {
	t.Helper()
	item, err := containerClient(t, cfg).ReadItem(t.Context(), partitionOf(key), idOf(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	var d struct{ TTL int }
	if err := json.Unmarshal(item.Value, &d); err != nil {
		t.Fatal(err)
	}
	return d.TTL
}

// TestTTL_OutlivesTheSession: the database may delete a document when nobody can
// want it any more, and not before: not under a long lease either.
func TestTTL_OutlivesTheSession(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	s := open(t, cfg)
	want := func(what string, key session.StoreKey, least time.Duration) {
		t.Helper()
		got := time.Duration(ttlOf(t, cfg, key)) * time.Second
		if got < least+time.Minute || got > least+20*time.Minute {
			t.Errorf("%s the ttl is %v, want some minutes more than %v", what, got, least)
		}
	}
	key, token := newKey(), session.NewToken()
	if err := s.Create(t.Context(), key, record("content"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	want("after Create", key, idle+refresh)
	if _, err := s.Acquire(t.Context(), key, token, lease); err != nil {
		t.Fatal(err)
	}
	want("under a lock", key, idle+refresh)
	if err := s.Extend(t.Context(), key, token, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	want("under an extended lock", key, 2*time.Hour)
	if err := s.Save(t.Context(), key, record("saved"), token, session.Commit{Keep: 3 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	want("under a lock that was kept", key, 3*time.Hour)
	if err := s.Save(t.Context(), key, record("saved"), token, session.Commit{}); err != nil {
		t.Fatal(err)
	}
	want("after Save", key, idle+refresh)
	if _, err := s.Acquire(t.Context(), key, token, 4*time.Hour); err != nil {
		t.Fatal(err)
	}
	want("under a long lock", key, 4*time.Hour)
	if _, err := s.Acquire(t.Context(), key, token, 5*time.Hour); err != nil {
		t.Fatal(err)
	}
	want("under a long lock that was asked for again", key, 5*time.Hour)
	if err := s.Remove(t.Context(), key, token, session.EndDelete); err != nil {
		t.Fatal(err)
	}
	if ttl := ttlOf(t, cfg, key); ttl < 60 || ttl > 600 {
		t.Errorf("after Remove the ttl is %d, want some minutes", ttl)
	}
	forever := record("for ever")
	forever.IdleTimeout, forever.Lifetime = 0, 0
	key = newKey()
	if err := s.Create(t.Context(), key, forever, session.NewToken(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if ttl := ttlOf(t, cfg, key); ttl != -1 {
		t.Errorf("the ttl of what never expires is %d, want -1", ttl)
	}
}

// TestConsistencyLevel: it goes out with reads; and where reads miss nothing, a
// session that is not there is not looked for twice.
func TestConsistencyLevel(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{"": "GET PATCH", "session": "GET PATCH", "BoundedStaleness": "GET PATCH", "Strong": "GET"} {
		cfg := fresh(t)
		cfg.ConsistencyLevel = level
		s, n := behind(t, cfg)
		var asked string
		n.on(func(_ int, req *http.Request) fault {
			if req.Method == http.MethodGet {
				asked = req.Header.Get("x-ms-consistency-level")
			}
			return fault{}
		})
		if _, err := s.Load(t.Context(), newKey(), false); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("%q: %v", level, err)
		}
		var methods []string
		for _, e := range n.exchanges() {
			methods = append(methods, e.method)
		}
		if got := strings.Join(methods, " "); got != want {
			t.Errorf("%q: it takes %q, want %q", level, got, want)
		}
		if !strings.EqualFold(asked, level) {
			t.Errorf("%q: the read asks for %q", level, asked)
		}
	}
}
