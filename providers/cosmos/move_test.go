package cosmosstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// TestS11_CrashAtEveryStep lets a process crash at each exchange of a move,
// before and after it took effect. The record is then served under one key, as
// another process sees it; what is not served is not listed and not reported
// either; and a repeat of the move makes it good.
func TestS11_CrashAtEveryStep(t *testing.T) {
	t.Parallel()
	const steps = 4 // read, create, commit, settle
	for step := 1; step <= steps+1; step++ {
		for _, last := range []faultKind{dead, cutAfter} {
			for _, keep := range []time.Duration{0, lease} {
				t.Run(fmt.Sprintf("step %d, fault %d, keep %v", step, last, keep), func(t *testing.T) {
					crashInMove(t, step, last, keep)
				})
			}
		}
	}
}

func crashInMove(t *testing.T, step int, last faultKind, keep time.Duration) {
	t.Parallel()
	cfg := fresh(t)
	cfg.MaxRetryAttempts = -1
	s, n := behind(t, cfg)
	other := open(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	from, to, token := newKey(), newKey(), session.NewToken()
	rec := record("before")
	rec.Events = true
	if err := s.Create(ctx, from, rec, token, lease); err != nil {
		t.Fatal(err)
	}
	moved := rec
	moved.Data, moved.Write = []byte("after"), session.NewWriteID()
	how := session.Commit{MoveTo: to, Grace: grace, Keep: keep}
	n.on(func(i int, _ *http.Request) fault {
		switch {
		case i < step:
			return fault{}
		case i == step:
			return fault{kind: last}
		}
		return fault{kind: dead}
	})
	err := s.Save(ctx, from, moved, token, how)

	committed := step > 3 || step == 3 && last == cutAfter
	if step <= 3 && err == nil {
		t.Error("Save is nil, and its commit was not answered")
	}
	if step > 3 && err != nil {
		t.Errorf("Save: %v, though it was committed", err)
	}

	oldRec, oldErr := other.Load(ctx, from, false)
	newRec, newErr := other.Load(ctx, to, false)
	if committed {
		if !errors.Is(oldErr, session.ErrRenewed) || newErr != nil || string(newRec.Data) != "after" {
			t.Errorf("after the commit: the old key gives %v, the new one %v and %q", oldErr, newErr, newRec.Data)
		}
	} else if oldErr != nil || string(oldRec.Data) != "before" || oldRec.Lock == nil || !errors.Is(newErr, session.ErrNotFound) {
		t.Errorf("before the commit: the old key gives %v and %q, the new one %v", oldErr, oldRec.Data, newErr)
	}
	where := map[bool]session.StoreKey{true: to, false: from}
	wantListed(t, other, where[committed])
	if !committed {
		if _, err := other.Acquire(ctx, to, session.NewToken(), lease); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Acquire of the new key before the commit: %v", err)
		}
		if err := other.Touch(ctx, to); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Touch of the new key before the commit: %v", err)
		}
	}

	// The caller goes on at another process, or this one is back.
	n.on(nil)
	moved.Repeat = true
	if err := other.Save(ctx, from, moved, token, how); err != nil {
		t.Errorf("the repeated Save: %v", err)
	}
	newRec, err = other.Load(ctx, to, false)
	if err != nil || string(newRec.Data) != "after" || (newRec.Lock != nil) != (keep > 0) {
		t.Errorf("after the repeat the new key gives %q, lock %v, %v", newRec.Data, newRec.Lock, err)
	}
	if _, err := other.Acquire(ctx, from, session.NewToken(), lease); !errors.Is(err, session.ErrRenewed) {
		t.Errorf("after the repeat the old key gives %v", err)
	}
	wantListed(t, other, to)

	// Nothing but the one session is ever reported.
	other.Skip(idle + refresh + lease + grace)
	ends, err := other.Reap(ctx, "test", 10, session.NewToken(), lease)
	if err != nil || len(ends) != 1 || ends[0].Key != to {
		t.Errorf("Reap returned %d ends, %v", len(ends), err)
	}
}

func wantListed(t *testing.T, s *cosmosstore.Store, key session.StoreKey) {
	t.Helper()
	infos, err := s.ListOwner(t.Context(), "test", "somebody")
	if err != nil || len(infos) != 1 || infos[0].Key != key {
		t.Errorf("the owner has %d sessions, %v; want the one", len(infos), err)
	}
}

// TestS11_UnsettledIsReported: a move that was committed and never settled, since
// nobody came back to it, is reported when the session expires.
func TestS11_UnsettledIsReported(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.MaxRetryAttempts = -1
	s, n := behind(t, cfg)
	other := open(t, cfg)
	from, to, token := newKey(), newKey(), session.NewToken()
	rec := record("content")
	rec.Events = true
	if err := s.Create(t.Context(), from, rec, token, lease); err != nil {
		t.Fatal(err)
	}
	n.on(func(i int, _ *http.Request) fault {
		if i > 3 {
			return fault{kind: dead}
		}
		return fault{}
	})
	rec.Write = session.NewWriteID()
	if err := s.Save(t.Context(), from, rec, token, session.Commit{MoveTo: to}); err != nil {
		t.Fatal(err)
	}
	other.Skip(idle + refresh + time.Minute)
	ends, err := other.Reap(t.Context(), "test", 10, session.NewToken(), lease)
	if err != nil || len(ends) != 1 || ends[0].Key != to || ends[0].Reason != session.EndExpired {
		t.Errorf("Reap returned %d ends, %v", len(ends), err)
	}
}

// TestS11_RevokedWhileItMoves: RemoveOwner ends a session that gets away under a
// new ID after the query has found it.
func TestS11_RevokedWhileItMoves(t *testing.T) {
	t.Parallel()
	for _, grace := range []time.Duration{grace, 0} {
		revokeWhileItMoves(t, grace)
	}
}

func revokeWhileItMoves(t *testing.T, grace time.Duration) {
	t.Helper()
	cfg := fresh(t)
	mover := open(t, cfg)
	s, n := behind(t, cfg)
	from, to, token := newKey(), newKey(), session.NewToken()
	rec := record("content")
	if err := mover.Create(t.Context(), from, rec, token, lease); err != nil {
		t.Fatal(err)
	}
	n.on(func(i int, _ *http.Request) fault {
		if i == 2 { // the query has been answered
			rec.Write = session.NewWriteID()
			if err := mover.Save(t.Context(), from, rec, token, session.Commit{MoveTo: to, Grace: grace}); err != nil {
				t.Error(err)
			}
		}
		return fault{}
	})
	ended, err := s.RemoveOwner(t.Context(), "test", "somebody", session.EndRevoked)
	if err != nil || ended != 1 {
		t.Errorf("RemoveOwner with a Grace of %v: %d, %v, want 1", grace, ended, err)
	}
	if _, err := mover.Load(t.Context(), to, false); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the session that got away: %v, want it ended", err)
	}
}

// crashed stores a record, locked, and makes it move by a process that crashes
// after that many exchanges.
func crashed(t *testing.T, s *cosmosstore.Store, n *network, exchanges int) (from, to session.StoreKey, token session.Token, moved session.Record) {
	t.Helper()
	from, to, token, moved = newKey(), newKey(), session.NewToken(), record("moved")
	if err := s.Create(t.Context(), from, record("before"), token, lease); err != nil {
		t.Fatal(err)
	}
	n.on(func(i int, _ *http.Request) fault {
		if i > exchanges {
			return fault{kind: dead}
		}
		return fault{}
	})
	_ = s.Save(t.Context(), from, moved, token, session.Commit{MoveTo: to, Grace: grace})
	n.on(nil)
	return from, to, token, moved
}

// TestS11_TombstoneStaysAsLongAsItIsNeeded: the old key is created anew when its
// Grace has passed, and nobody has come to the new key yet.
func TestS11_TombstoneStaysAsLongAsItIsNeeded(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.MaxRetryAttempts = -1
	s, n := behind(t, cfg)
	other := open(t, cfg)
	from, to, _, _ := crashed(t, s, n, 3) // it is committed, and not settled
	other.Skip(grace + time.Second)
	if err := other.Create(t.Context(), from, record("created anew"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[session.StoreKey]string{from: "created anew", to: "moved"} {
		if got, err := other.Load(t.Context(), key, false); err != nil || string(got.Data) != want {
			t.Errorf("%q, %v, want %q", got.Data, err, want)
		}
	}
}

// TestS11_LostMoveLeavesNothing: who has lost the lock in the middle of a move is
// told, the other's write stands, and the new key is free again.
func TestS11_LostMoveLeavesNothing(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.MaxRetryAttempts = -1
	s, n := behind(t, cfg)
	other := open(t, cfg)
	from, to, token, moved := crashed(t, s, n, 2) // the new document is there, and pending
	s.Skip(2 * lease)
	other.Skip(2 * lease)
	thief := session.NewToken()
	if _, err := other.Acquire(t.Context(), from, thief, lease); err != nil {
		t.Fatal(err)
	}
	if err := other.Create(t.Context(), to, record("another's"), nobody, 0); !errors.Is(err, session.ErrExists) {
		t.Errorf("Create of a key that a record may still move to: %v, want ErrExists", err)
	}
	moved.Repeat = true
	if err := s.Save(t.Context(), from, moved, token, session.Commit{MoveTo: to, Grace: grace}); !errors.Is(err, session.ErrLockLost) {
		t.Errorf("the repeated move: %v, want ErrLockLost", err)
	}
	if err := other.Save(t.Context(), from, record("the thief's"), thief, session.Commit{}); err != nil {
		t.Error(err)
	}
	if got, err := s.Load(t.Context(), from, false); err != nil || string(got.Data) != "the thief's" {
		t.Errorf("under the old key: %q, %v", got.Data, err)
	}
	if err := other.Create(t.Context(), to, record("another's"), nobody, 0); err != nil {
		t.Errorf("Create of the new key: %v", err)
	}
}

// TestS11_ARepeatedMoveKeepsTheLockForItsOwnLease: and not for that of the attempt
// whose document it finds.
func TestS11_ARepeatedMoveKeepsTheLockForItsOwnLease(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.MaxRetryAttempts = -1
	s, n := behind(t, cfg)
	from, to, token, moved := newKey(), newKey(), session.NewToken(), record("moved")
	if err := s.Create(t.Context(), from, record("before"), token, lease); err != nil {
		t.Fatal(err)
	}
	how := session.Commit{MoveTo: to, Grace: grace, Keep: lease}
	n.on(func(i int, _ *http.Request) fault {
		if i > 2 {
			return fault{kind: dead}
		}
		return fault{}
	})
	if err := s.Save(t.Context(), from, moved, token, how); !errors.Is(err, session.ErrUnavailable) {
		t.Fatal(err)
	}
	n.on(nil)
	s.Skip(lease / 2)
	moved.Repeat = true
	if err := s.Save(t.Context(), from, moved, token, how); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(t.Context(), to, false)
	if err != nil || got.Lock == nil || got.Lock.Left < lease*3/4 {
		t.Errorf("%+v, %v, want what is left of the lease to be about %v", got.Lock, err, lease)
	}
}

// TestS11_TombstonesOutliveLongSessions: a session that may come back in a month,
// or in a year, needs its tombstone as long, but not when it is settled.
func TestS11_TombstonesOutliveLongSessions(t *testing.T) {
	t.Parallel()
	const month = 30 * 24 * time.Hour
	for _, idle := range []time.Duration{0, month} {
		cfg := fresh(t)
		cfg.MaxRetryAttempts = -1
		s, n := behind(t, cfg)
		for _, settled := range []bool{false, true} {
			from, to, token, rec := newKey(), newKey(), session.NewToken(), record("content")
			rec.IdleTimeout, rec.Lifetime = idle, 0
			if err := s.Create(t.Context(), from, rec, token, lease); err != nil {
				t.Fatal(err)
			}
			n.on(func(i int, _ *http.Request) fault {
				if i > 3 && !settled {
					return fault{kind: dead}
				}
				return fault{}
			})
			rec.Write = session.NewWriteID()
			if err := s.Save(t.Context(), from, rec, token, session.Commit{MoveTo: to, Grace: grace}); err != nil {
				t.Fatal(err)
			}
			n.on(nil)
			ttl := ttlOf(t, cfg, from)
			long := ttl < 0 || time.Duration(ttl)*time.Second > month
			if long == settled || settled && time.Duration(ttl)*time.Second < grace {
				t.Errorf("idle %v, settled %v: the ttl of the tombstone is %d", idle, settled, ttl)
			}
		}
	}
}
