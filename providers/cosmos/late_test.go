package cosmosstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// late is a transport that keeps a request back while its sender is told that
// the connection broke, and delivers it when nobody thinks of it any more.
type late struct {
	mu     sync.Mutex
	method string // of the request to keep back, once; "" for none
	skip   int    // so many of them before
	kept   *http.Request
}

func (l *late) RoundTrip(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	keep := l.method == req.Method && strings.Contains(req.URL.Path, "/docs")
	if keep && l.skip > 0 {
		l.skip--
		keep = false
	}
	if !keep {
		l.mu.Unlock()
		return http.DefaultTransport.RoundTrip(req)
	}
	defer l.mu.Unlock()
	l.method = ""
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	l.kept = req.Clone(context.WithoutCancel(req.Context()))
	l.kept.Body = io.NopCloser(bytes.NewReader(body))
	return nil, errReset
}

// keep has the next request of that method kept back.
func (l *late) keep(method string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.method, l.kept = method, nil
}

// deliver sends what was kept back.
func (l *late) deliver(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept == nil {
		t.Fatal("nothing was kept back")
	}
	resp, err := http.DefaultTransport.RoundTrip(l.kept)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// tardy returns a Store over such a transport, and another on the same container.
func tardy(t *testing.T) (s, other *cosmosstore.Store, l *late) {
	t.Helper()
	cfg := fresh(t)
	other = open(t, cfg)
	l = new(late)
	cfg.Transport = l
	return open(t, cfg), other, l
}

// TestM1_ALateAcquireRevivesNoToken: the first attempt of an Acquire arrives when
// its token has lapsed and another has acquired, saved and released. Who slept
// must not overwrite that.
func TestM1_ALateAcquireRevivesNoToken(t *testing.T) {
	t.Parallel()
	s, other, l := tardy(t)
	ctx := t.Context()
	key, token, thief := newKey(), session.NewToken(), session.NewToken()
	if err := s.Create(ctx, key, record("first"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	l.keep(http.MethodPatch)
	if _, err := s.Acquire(ctx, key, token, lease); err != nil {
		t.Fatal(err)
	}
	s.Skip(lease + time.Second)
	other.Skip(lease + time.Second)
	if _, err := other.Acquire(ctx, key, thief, lease); err != nil {
		t.Fatal(err)
	}
	if err := other.Save(ctx, key, record("the thief's"), thief, session.Commit{}); err != nil {
		t.Fatal(err)
	}
	l.deliver(t)
	if err := s.Save(ctx, key, record("based on the first"), token, session.Commit{}); !errors.Is(err, session.ErrLockLost) {
		t.Errorf("Save under a token that lost the lock: %v, want ErrLockLost", err)
	}
	contentAfter("the thief's", false)(t, other, key, nobody)
}

// TestS4_ALateAcquireLocksNothing: it arrives when its own request has long saved
// and released, and the session has been used since.
func TestS4_ALateAcquireLocksNothing(t *testing.T) {
	t.Parallel()
	s, other, l := tardy(t)
	ctx := t.Context()
	key, token := newKey(), session.NewToken()
	if err := s.Create(ctx, key, record("first"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	l.keep(http.MethodPatch)
	if _, err := s.Acquire(ctx, key, token, lease); err != nil {
		t.Fatal(err)
	}
	s.Skip(5 * time.Second)
	other.Skip(5 * time.Second)
	if err := s.Release(ctx, key, token); err != nil {
		t.Fatal(err)
	}
	l.deliver(t)
	contentAfter("first", false)(t, other, key, nobody)
}

// TestS16_AClockThatIsBehindOnlyCostsMore: who is told that the lock was given up
// in his future still gets it.
func TestS16_AClockThatIsBehindOnlyCostsMore(t *testing.T) {
	t.Parallel()
	s, other, _ := tardy(t)
	ctx := t.Context()
	key, token := newKey(), session.NewToken()
	other.Skip(5 * time.Second)
	if err := other.Create(ctx, key, record("content"), token, lease); err != nil {
		t.Fatal(err)
	}
	if err := other.Release(ctx, key, token); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Acquire(ctx, key, session.NewToken(), lease); err != nil {
		t.Errorf("Acquire by a process whose clock is behind: %v", err)
	}
}

// TestS5_ALateExtendShortensNoLease: an Extend whose first attempt arrives after
// the next Extend leaves the lease that the holder counts on.
func TestS5_ALateExtendShortensNoLease(t *testing.T) {
	t.Parallel()
	for _, again := range []string{"Extend", "Acquire"} {
		s, other, l := tardy(t)
		ctx := t.Context()
		key, token := newKey(), session.NewToken()
		if err := s.Create(ctx, key, record("content"), token, lease); err != nil {
			t.Fatal(err)
		}
		l.keep(http.MethodPatch)
		if again == "Acquire" {
			l.skip = 1 // which is refused: the token has the lock
			if _, err := s.Acquire(ctx, key, token, lease); err != nil {
				t.Fatal(err)
			}
		} else if err := s.Extend(ctx, key, token, lease); err != nil {
			t.Fatal(err)
		}
		s.Skip(lease / 2)
		other.Skip(lease / 2)
		if err := s.Extend(ctx, key, token, lease); err != nil {
			t.Fatal(err)
		}
		l.deliver(t)
		s.Skip(lease * 3 / 4)
		other.Skip(lease * 3 / 4)
		if _, err := other.Acquire(ctx, key, session.NewToken(), lease); !errors.Is(err, session.ErrLocked) {
			t.Errorf("a late %s: another gets the lock a quarter of a lease too early: %v", again, err)
		}
		if err := s.Extend(ctx, key, token, lease/10); err != nil { // to shorten it is the holder's right
			t.Error(err)
		}
		got, err := other.Load(ctx, key, false)
		if err != nil || got.Lock == nil || got.Lock.Left > lease/10 {
			t.Errorf("a lease that was shortened: %+v, %v", got.Lock, err)
		}
	}
}

// TestS6_ALateCreateBringsNothingBack: a Create whose first attempt arrives after
// the session was created and removed again.
func TestS6_ALateCreateBringsNothingBack(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	other := open(t, cfg)
	l := new(late)
	cfg.Transport = l
	s := open(t, cfg)
	ctx := t.Context()
	key := newKey()
	l.keep(http.MethodPost)
	if err := s.Create(ctx, key, record("content"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, key, nobody, session.EndAbandoned); err != nil {
		t.Fatal(err)
	}
	if ttl := ttlOf(t, cfg, key); ttl < 60 {
		// The tests' server does not delete by it: what it would do is shown.
		if _, err := containerClient(t, cfg).DeleteItem(ctx, partitionOf(key), idOf(key), nil); err != nil {
			t.Fatal(err)
		}
	}
	l.deliver(t)
	goneAfter(t, other, key, nobody)
}

// TestS9_ALateSwapIsNotDenied: a Swap whose first attempt is under way and whose
// second meets a lock. To say that nothing was changed would be wrong a moment
// later; who asks again, and says that it is a repeat, knows what that means.
func TestS9_ALateSwapIsNotDenied(t *testing.T) {
	t.Parallel()
	s, other, l := tardy(t)
	ctx := t.Context()
	key, token, rec := newKey(), session.NewToken(), record("first")
	if err := s.Create(ctx, key, rec, token, lease); err != nil {
		t.Fatal(err)
	}
	old := rec.Write
	rec.Write, rec.Data = session.NewWriteID(), []byte("swapped")
	l.keep(http.MethodPatch)
	if err := s.Swap(ctx, key, rec, old); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Swap whose first answer was lost, of a locked record: %v, want ErrUnavailable", err)
	}
	rec.Repeat = true
	if err := s.Swap(ctx, key, rec, old); !errors.Is(err, session.ErrLocked) {
		t.Errorf("the repeat: %v, want ErrLocked", err)
	}
	if err := other.Release(ctx, key, token); err != nil {
		t.Fatal(err)
	}
	l.deliver(t)
	if err := s.Swap(ctx, key, rec, old); err != nil {
		t.Errorf("the repeat when the lock is gone: %v", err)
	}
	contentAfter("swapped", false)(t, other, key, nobody)
}
