package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// Statements that have to wait for a row meet it as somebody else has left it.

// committing makes a statement in a transaction whose commit takes as long as
// the test wants: until the function that it returns is called.
func (db *database) committing(tb testing.TB, sql string, args ...any) (commit func()) {
	tb.Helper()
	ctx := limit(tb, lease)
	tx, err := db.admin.Begin(ctx)
	must(tb, err)
	tb.Cleanup(func() { tx.Rollback(context.Background()) })
	tag, err := tx.Exec(ctx, sql, args...)
	must(tb, err)
	if tag.RowsAffected() == 0 {
		tb.Fatal("the statement in the transaction changes nothing")
	}
	return func() {
		tb.Helper()
		must(tb, tx.Commit(ctx))
	}
}

// meanwhile returns what call does while it has to wait for the rows that a
// statement has changed, whose commit comes then.
func (db *database) meanwhile(tb testing.TB, commit func(), call func() error) error {
	tb.Helper()
	result := make(chan error, 1)
	go func() { result <- call() }() // ends with the commit
	eventually(tb, "the call waits for the row", func() bool { return db.blocked(tb) == 1 })
	commit()
	return <-result
}

// dead makes all sessions of the test expire, and claims on them lapse.
func (db *database) dead(tb testing.TB) {
	tb.Helper()
	db.advance(tb, 24*time.Hour)
}

// reported returns a record whose end is to be reported.
func reported(data string) session.Record {
	rec := newRecord(data)
	rec.Events = true
	return rec
}

// reap claims what has ended under a token.
func reap(tb testing.TB, st session.Store, limited int, token session.Token) []session.Expired {
	tb.Helper()
	claims, err := st.Reap(limit(tb, lease), namespace, limited, token, lease)
	must(tb, err)
	return claims
}

// TestS3_LockThatChangesHandsMeanwhile: who comes while a lock is handed on is
// told of the new holder, whose release it is to wait for.
func TestS3_LockThatChangesHandsMeanwhile(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st := db.open(t, sqlstore.Config{})
	for op, call := range map[string]func(session.StoreKey) (session.Holder, error){
		"Load": func(key session.StoreKey) (holder session.Holder, err error) {
			rec, err := st.Load(limit(t, lease), key, true)
			if rec.Lock != nil {
				holder = rec.Lock.Holder
			}
			return holder, err
		},
		"Acquire": func(key session.StoreKey) (holder session.Holder, err error) {
			_, err = st.Acquire(limit(t, lease), key, session.NewToken(), lease)
			var locked *session.LockedError
			if !errors.As(err, &locked) {
				return holder, fmt.Errorf("got %w", err)
			}
			return locked.Holder, nil
		},
	} {
		key := create(t, st, "0")
		first, next := acquire(t, st, key), session.NewToken()
		sql, args := st.SaveStatement(key, newRecord("1"), first, session.Commit{Keep: lease, Next: next})
		commit := db.committing(t, sql, args...)
		var told session.Holder
		must(t, db.meanwhile(t, commit, func() (err error) {
			told, err = call(key)
			return err
		}))
		if told == first.Holder() {
			t.Errorf("%s is told of a holder who has handed the lock on", op)
		} else if told != next.Holder() {
			t.Errorf("%s is told of %x", op, told)
		}
	}
}

// TestS10_TouchOfWhatMovesMeanwhile: it does not say that it has extended what
// is not there any more.
func TestS10_TouchOfWhatMovesMeanwhile(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	db.advance(t, 10*time.Minute) // it is due, and the lease is over
	sql, args := st.SaveStatement(key, newRecord("1"), token, session.Commit{MoveTo: newKey(), Grace: lease})
	commit := db.committing(t, sql, args...)
	err := db.meanwhile(t, commit, func() error { return st.Touch(limit(t, lease), key) })
	if !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrRenewed) {
		t.Errorf("Touch of a session that moved meanwhile: %v", err)
	}
}

// TestS12_ClaimThatMakesWayMeanwhile: an end that was reported is forgotten,
// also if a new session takes its key in that instant.
func TestS12_ClaimThatMakesWayMeanwhile(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	key, token := newKey(), session.NewToken()
	must(t, st.Create(limit(t, lease), key, reported("0"), session.Token{}, 0))
	db.dead(t)
	if claims := reap(t, st, 10, token); len(claims) != 1 {
		t.Fatalf("%d ends", len(claims))
	}
	sql, args := st.MakeWayStatement(key)
	commit := db.committing(t, sql, args...)
	must(t, db.meanwhile(t, commit, func() error { return st.Remove(limit(t, lease), key, token, session.EndDelete) }))
	db.dead(t)
	if claims := reap(t, st, 10, session.NewToken()); len(claims) != 0 {
		t.Errorf("what Remove said was removed is handed out again, attempt %d", claims[0].Attempts)
	}
}

// TestS12_TwoEndsOfOneKey: each of two sessions that had one key, one after the
// other, is reported, by one caller. A key and a token are all that names a
// claim, so that under a token there is one of them at a time.
func TestS12_TwoEndsOfOneKey(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	for _, c := range []struct {
		name    string
		another bool // token claims the second end
	}{{"under one token", false}, {"under two", true}} {
		t.Run(c.name, func(t *testing.T) {
			key, token := newKey(), session.NewToken()
			for _, data := range []string{"first", "second"} {
				must(t, st.Create(limit(t, lease), key, reported(data), session.Token{}, 0))
				db.dead(t)
			}
			one := func(token session.Token, attempts int) string {
				t.Helper()
				claims := reap(t, st, 10, token)
				if len(claims) != 1 || claims[0].Key != key || claims[0].Attempts != attempts {
					t.Fatalf("one end of the key is to be claimed, attempt %d: %+v", attempts, claims)
				}
				return string(claims[0].Record.Data)
			}
			end := one(token, 1)
			if again := one(token, 1); again != end { // the answer was lost
				t.Errorf("under a token that has claimed %q comes %q", end, again)
			}
			next := token
			if c.another {
				next = session.NewToken()
			} else {
				must(t, st.Remove(limit(t, lease), key, token, session.EndDelete))
			}
			if other := one(next, 1); other == end {
				t.Errorf("%q is handed out twice", end)
			}
			if c.another {
				must(t, st.Remove(limit(t, lease), key, token, session.EndDelete))
			}
			// The process dies before it has reported the second.
			db.dead(t)
			later := session.NewToken()
			if other := one(later, 2); other == end {
				t.Errorf("%q is handed out, which was reported", end)
			}
			must(t, st.Remove(limit(t, lease), key, later, session.EndDelete))
			db.dead(t)
			if claims := reap(t, st, 10, session.NewToken()); len(claims) != 0 {
				t.Errorf("%d ends are left", len(claims))
			}
		})
	}
}

// TestS6_RepeatWakes: where the first attempt took effect and its answer was
// lost, so was who it would have woken. The repeat wakes them.
func TestS6_RepeatWakes(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st := db.open(t, sqlstore.Config{})
	rec, moved := newRecord("1"), newKey()
	for _, c := range []struct {
		op     string
		first  func(session.StoreKey, session.Token) (string, []any)
		repeat func(session.StoreKey, session.Token) error
	}{
		{"Save", func(key session.StoreKey, token session.Token) (string, []any) {
			return st.SaveStatement(key, rec, token, session.Commit{})
		}, func(key session.StoreKey, token session.Token) error {
			return st.Save(limit(t, lease), key, rec, token, session.Commit{})
		}},
		{"Save, MoveTo", func(key session.StoreKey, token session.Token) (string, []any) {
			return st.SaveStatement(key, rec, token, session.Commit{MoveTo: moved, Grace: lease})
		}, func(key session.StoreKey, token session.Token) error {
			return st.Save(limit(t, lease), key, rec, token, session.Commit{MoveTo: moved, Grace: lease})
		}},
		{"Release", func(key session.StoreKey, token session.Token) (string, []any) {
			return st.ReleaseStatement(key, token)
		}, func(key session.StoreKey, token session.Token) error {
			return st.Release(limit(t, lease), key, token)
		}},
		{"Remove", func(key session.StoreKey, token session.Token) (string, []any) {
			return st.RemoveStatement(key, token, session.EndDelete)
		}, func(key session.StoreKey, token session.Token) error {
			return st.Remove(limit(t, lease), key, token, session.EndDelete)
		}},
		{"Remove, abandoned", func(key session.StoreKey, token session.Token) (string, []any) {
			return st.RemoveStatement(key, token, session.EndAbandoned)
		}, func(key session.StoreKey, token session.Token) error {
			return st.Remove(limit(t, lease), key, token, session.EndAbandoned)
		}},
	} {
		t.Run(c.op, func(t *testing.T) {
			key := create(t, st, "0")
			token := acquire(t, st, key)
			wake := watch(t, st, key)
			wait(t, st, key)
			sql, args := c.first(key, token)
			db.exec(t, sql, args...)
			rec.Repeat = true
			must(t, c.repeat(key, token))
			awake(t, wake)
			rec = newRecord("1")
		})
	}
}

// TestExtremeDurations: what a Duration can hold, a session can have.
func TestExtremeDurations(t *testing.T) {
	t.Parallel()
	st, _ := newDatabase(t).store(t, sqlstore.Config{})
	const most = time.Duration(1<<63 - 1)
	for name, set := range map[string]func(*session.Record){
		"Lifetime":    func(rec *session.Record) { rec.Lifetime = most },
		"IdleTimeout": func(rec *session.Record) { rec.IdleTimeout, rec.Refresh = most, most },
		"tiny": func(rec *session.Record) {
			rec.Lifetime, rec.IdleTimeout, rec.Refresh = most, most, 1
		},
	} {
		key, rec := newKey(), newRecord("0")
		set(&rec)
		must(t, st.Create(limit(t, lease), key, rec, session.Token{}, 0))
		got, err := st.Load(limit(t, lease), key, false)
		must(t, err)
		for field, d := range map[string][2]time.Duration{
			"Lifetime": {rec.Lifetime, got.Lifetime}, "IdleTimeout": {rec.IdleTimeout, got.IdleTimeout}, "Refresh": {rec.Refresh, got.Refresh},
		} {
			if diff := d[1] - d[0]; diff <= -time.Microsecond || diff >= time.Microsecond || (d[0] > 0) != (d[1] > 0) {
				t.Errorf("%s: %s %v comes back as %v", name, field, d[0], d[1])
			}
		}
		if got.ExpiresIn <= 0 {
			t.Errorf("%s: ExpiresIn is %v", name, got.ExpiresIn)
		}
		token := session.NewToken()
		_, err = st.Acquire(limit(t, lease), key, token, most)
		must(t, err)
		must(t, st.Save(limit(t, lease), key, newRecord("1"), token, session.Commit{Keep: most}))
		must(t, st.Extend(limit(t, lease), key, token, most))
		must(t, st.Release(limit(t, lease), key, token))
	}
}

// TestS1_ListingsShowNothingExpired: a record that a listing shows has some time
// left, however short.
func TestS1_ListingsShowNothingExpired(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	db.exec(t, `INSERT INTO `+db.table()+` (id, expires, created, placed, namespace, owner, idle)
		SELECT decode(lpad(to_hex(i), 64, '0'), 'hex'), clock_timestamp() + i * interval '0.5 ms', now(), now(), $1, 'somebody', 1
		FROM generate_series(1, 3000) i`, namespace)
	listings := 0
	for left := 1; left > 0; listings++ {
		infos, err := st.ListOwner(limit(t, lease), namespace, "somebody")
		must(t, err)
		for info, err := range st.All(limit(t, lease), namespace) {
			must(t, err)
			infos = append(infos, info)
		}
		for _, info := range infos {
			if info.ExpiresIn <= 0 {
				t.Fatalf("a listing shows a record with ExpiresIn %v", info.ExpiresIn)
			}
		}
		left = len(infos)
	}
	if listings < 3 {
		t.Errorf("all had expired after %d listings: the test shows nothing", listings)
	}
}
