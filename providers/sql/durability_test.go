package sqlstore_test

import (
	"sync"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// recorder is a table in which a trigger writes, at the end of each
// transaction, what it has changed and whether its commit waits for the disk.
type recorder struct {
	tb    testing.TB
	db    *database
	table string
}

// record has the changes of the test's sessions recorded.
func (db *database) record(tb testing.TB) *recorder {
	tb.Helper()
	r := &recorder{tb, db, db.schema + ".changes"}
	db.exec(tb, `CREATE TABLE `+r.table+` (id bytea, durable text, transaction bigint)`)
	db.exec(tb, `CREATE FUNCTION `+db.schema+`.record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO `+r.table+` VALUES (coalesce(NEW.id, OLD.id), current_setting('synchronous_commit'), txid_current());
		RETURN NULL; END $$`)
	db.exec(tb, `CREATE CONSTRAINT TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON `+db.table()+`
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION `+db.schema+`.record()`)
	return r
}

func (r *recorder) reset() {
	r.tb.Helper()
	r.db.exec(r.tb, "TRUNCATE "+r.table)
}

// transactions returns in how many of them changes were made.
func (r *recorder) transactions() int {
	r.tb.Helper()
	return query[int](r.tb, r.db, "SELECT count(DISTINCT transaction) FROM "+r.table)
}

// want reports changes of the keys that were not made n times, or with another
// durability.
func (r *recorder) want(op, durable string, n int, keys ...session.StoreKey) {
	r.tb.Helper()
	ids := make([][]byte, len(keys))
	for i := range keys {
		ids[i] = keys[i][:]
	}
	all := query[int](r.tb, r.db, "SELECT count(*) FROM "+r.table+" WHERE substr(id, 1, 32) = ANY ($1)", ids)
	right := query[int](r.tb, r.db, "SELECT count(*) FROM "+r.table+" WHERE substr(id, 1, 32) = ANY ($1) AND durable = $2", ids, durable)
	if all != n || right != n {
		r.tb.Errorf("%s: %d changes, %d of them with synchronous_commit %s; want %d", op, all, right, durable, n)
	}
}

// TestS7_Durability: writes wait for the disk, and what a crash may forget does
// not.
func TestS7_Durability(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.storeAt(t, with(db.dsn, "synchronous_commit", "on"), sqlstore.Config{})
	seen := db.record(t)
	ctx := limit(t, lease)
	key, moved, token, next := newKey(), newKey(), session.NewToken(), session.NewToken()
	rec := newRecord("0")
	rec.Events, rec.Owner = true, "somebody"
	write := func() session.Record {
		rec.Write = session.NewWriteID()
		return rec
	}
	for _, step := range []struct {
		op      string
		do      func() error
		durable string
		changes int
		key     session.StoreKey
	}{
		{"Create", func() error { return st.Create(ctx, key, write(), token, lease) }, "on", 1, key},
		{"Extend", func() error { return st.Extend(ctx, key, token, lease) }, "off", 1, key},
		{"register", func() error { wait(t, st, key); return nil }, "off", 1, key},
		{"Save, Keep", func() error { return st.Save(ctx, key, write(), token, session.Commit{Keep: lease}) }, "on", 1, key},
		{"Save, Next", func() error { return st.Save(ctx, key, write(), token, session.Commit{Keep: lease, Next: next}) }, "on", 1, key},
		{"Release", func() error { return st.Release(ctx, key, next) }, "off", 1, key},
		{"Acquire", func() error { return second(st.Acquire(ctx, key, token, lease)) }, "off", 1, key},
		{"Save", func() error { return st.Save(ctx, key, write(), token, session.Commit{}) }, "on", 1, key},
		{"Swap", func() error { old := rec.Write; return st.Swap(ctx, key, write(), old) }, "on", 1, key},
		{"Touch", func() error { return st.Touch(ctx, key) }, "off", 1, key},
		{"Touch that is not due", func() error { return st.Touch(ctx, key) }, "off", 0, key},
		{"Acquire", func() error { return second(st.Acquire(ctx, key, token, lease)) }, "off", 1, key},
		{"Save, MoveTo", func() error {
			return st.Save(ctx, key, write(), token, session.Commit{Keep: lease, MoveTo: moved, Grace: lease})
		}, "on", 1, moved},
		{"Remove with a reason", func() error { return st.Remove(ctx, moved, token, session.EndAbandoned) }, "on", 1, moved},
		{"Remove under the claim", func() error { return st.Remove(ctx, moved, token, session.EndDelete) }, "on", 1, moved},
		{"Create", func() error { return st.Create(ctx, moved, write(), session.Token{}, 0) }, "on", 1, moved},
		{"RemoveOwner with a reason", func() error {
			return second(st.RemoveOwner(ctx, namespace, "somebody", session.EndRevoked))
		}, "on", 1, moved},
		{"Create in its place", func() error { return st.Create(ctx, moved, write(), session.Token{}, 0) }, "on", 2, moved},
		{"Remove", func() error { return st.Remove(ctx, moved, session.Token{}, session.EndDelete) }, "on", 1, moved},
	} {
		if step.op == "Touch" { // makes it due
			db.exec(t, "UPDATE "+db.table()+" SET expires = expires - interval '2 minutes'")
		}
		seen.reset()
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.op, err)
		}
		seen.want(step.op, step.durable, step.changes, step.key)
	}
}

// TestS7_DurabilityInBatches: it is the same for statements that travel
// together, which those of the two kinds never do.
func TestS7_DurabilityInBatches(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.storeAt(t, with(db.dsn, "synchronous_commit", "on"), sqlstore.Config{})
	seen := db.record(t)
	const callers = 64
	kinds := []struct {
		op, durable string
		do          func(key session.StoreKey, token session.Token) error
	}{
		{"Save", "on", func(key session.StoreKey, token session.Token) error {
			return st.Save(limit(t, lease), key, newRecord("1"), token, session.Commit{})
		}},
		{"Acquire", "off", func(key session.StoreKey, token session.Token) error {
			return second(st.Acquire(limit(t, lease), key, token, lease))
		}},
		{"Extend", "off", func(key session.StoreKey, token session.Token) error {
			return st.Extend(limit(t, lease), key, token, lease)
		}},
		{"Release", "off", func(key session.StoreKey, token session.Token) error {
			return st.Release(limit(t, lease), key, token)
		}},
	}
	keys := make([][]session.StoreKey, len(kinds))
	tokens := make([][]session.Token, len(kinds))
	for k := range kinds {
		for range callers {
			key := create(t, st, "0")
			keys[k], tokens[k] = append(keys[k], key), append(tokens[k], acquire(t, st, key))
		}
	}
	seen.reset()
	var wg sync.WaitGroup
	for i := range callers {
		for k, kind := range kinds {
			wg.Go(func() {
				if err := kind.do(keys[k][i], tokens[k][i]); err != nil {
					t.Errorf("%s: %v", kind.op, err)
				}
			})
		}
	}
	wg.Wait()
	for k, kind := range kinds {
		seen.want(kind.op, kind.durable, callers, keys[k]...)
	}
	for _, durable := range []string{"on", "off"} {
		most := query[int](t, db, `SELECT max(n) FROM (SELECT count(*) AS n FROM `+seen.table+`
			WHERE durable = $1 GROUP BY transaction) a`, durable)
		if most < 2 {
			t.Errorf("no statements with synchronous_commit %s travelled together: the test shows nothing", durable)
		}
	}
}
