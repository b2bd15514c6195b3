package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestS7_TooLarge: what is more than the database can hold is refused before
// any of it is sent.
func TestS7_TooLarge(t *testing.T) {
	t.Parallel()
	st, pool := newDatabase(t).store(t, sqlstore.Config{})
	key := create(t, st, "kept")
	token := acquire(t, st, key)
	pool.Close() // from here on the database is out of reach
	rec := newRecord("")
	rec.Data = make([]byte, 500<<20+1)
	for op, err := range map[string]error{
		"create": st.Create(context.Background(), newKey(), rec, token, lease),
		"save":   st.Save(context.Background(), key, rec, token, session.Commit{}),
		"move":   st.Save(context.Background(), key, rec, token, session.Commit{MoveTo: newKey()}),
		"swap":   st.Swap(context.Background(), key, rec, session.NewWriteID()),
	} {
		if !errors.Is(err, session.ErrTooLarge) || errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: %v", op, err)
		}
	}
	rec.Data = nil
	if err := st.Save(limit(t, lease), key, rec, token, session.Commit{}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("a small save on a closed pool: %v", err)
	}
}

// TestTexts: a namespace or an owner that the database cannot hold is refused
// by every operation that takes one, before anything is sent.
func TestTexts(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	ctx := limit(t, lease)
	for name, bad := range map[string]string{
		"invalid UTF-8": "a\xff", "zero byte": "a\x00b", "surrogate": "\xed\xa0\x80", "too long": strings.Repeat("a", 1001),
	} {
		in, of := newRecord("1"), newRecord("1")
		in.Namespace, of.Owner = bad, bad
		errs := map[string]error{
			"create, namespace":       st.Create(ctx, newKey(), in, session.Token{}, 0),
			"create, owner":           st.Create(ctx, newKey(), of, session.Token{}, 0),
			"save, owner":             st.Save(ctx, key, of, token, session.Commit{}),
			"swap, owner":             st.Swap(ctx, key, of, session.NewWriteID()),
			"move, owner":             st.Save(ctx, key, of, token, session.Commit{MoveTo: newKey()}),
			"reap, namespace":         second(st.Reap(ctx, bad, 1, token, lease)),
			"purge, namespace":        second(st.Reap(ctx, bad, -1, session.Token{}, 0)),
			"list owner, namespace":   second(st.ListOwner(ctx, bad, "a")),
			"list owner, owner":       second(st.ListOwner(ctx, "a", bad)),
			"remove owner, namespace": second(st.RemoveOwner(ctx, bad, "a", session.EndDelete)),
			"remove owner, owner":     second(st.RemoveOwner(ctx, "a", bad, session.EndRevoked)),
		}
		for _, err := range st.All(ctx, bad) {
			errs["all, namespace"] = err
		}
		if len(errs) != 12 {
			t.Errorf("%s: All says nothing", name)
		}
		for op, err := range errs {
			if err == nil || !strings.Contains(err.Error(), "must be valid UTF-8") || errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%s in %s: %v", name, op, err)
			}
		}
	}
	// The longest that is allowed fits into the indexes, however little it
	// can be compressed.
	long := newRecord("1")
	long.Namespace, long.Owner = random(1000), random(1000)
	must(t, st.Create(ctx, newKey(), long, session.Token{}, 0))
	if infos, err := st.ListOwner(ctx, long.Namespace, long.Owner); len(infos) != 1 || err != nil {
		t.Errorf("ListOwner: %d sessions, %v", len(infos), err)
	}
	must(t, st.Save(ctx, key, newRecord("1"), token, session.Commit{})) // nothing bad has happened to it
}

func second[T any](_ T, err error) error { return err }

// TestBadArguments: what can have no effect is refused, not guessed.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	st, _ := newDatabase(t).store(t, sqlstore.Config{})
	ctx := limit(t, lease)
	key := create(t, st, "0")
	token := acquire(t, st, key)
	for name, err := range map[string]error{
		"acquire under no token": second(st.Acquire(ctx, key, session.Token{}, lease)),
		"reap under no token":    second(st.Reap(ctx, namespace, 1, session.Token{}, lease)),
		"next without lease":     st.Save(ctx, key, newRecord("1"), token, session.Commit{Next: session.NewToken()}),
	} {
		if err == nil || errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrLocked) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, st.Extend(ctx, key, token, lease))
}
