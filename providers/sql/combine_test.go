package sqlstore_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// busy keeps so many writes of st under way, on rows that somebody else has
// locked, that those who come now must wait for company. The function that it
// returns lets them go and waits for their end.
func (db *database) busy(t *testing.T, st *sqlstore.Store) (end func()) {
	t.Helper()
	writers := max(4, runtime.GOMAXPROCS(0))
	keys, tokens := make([]session.StoreKey, writers), make([]session.Token, writers)
	for i := range keys {
		keys[i] = create(t, st, "0")
		tokens[i] = acquire(t, st, keys[i])
	}
	free := db.lockRows(t, keys...)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			if err := st.Save(limit(t, lease), keys[i], newRecord("1"), tokens[i], session.Commit{}); err != nil {
				t.Errorf("a save of a row that was locked for a while: %v", err)
			}
		})
	}
	eventually(t, "the writers are under way", st.Crowded)
	end = sync.OnceFunc(func() { free(); wg.Wait() })
	t.Cleanup(end)
	return end
}

// blocked returns how many of the stores' connections wait for a row.
func (db *database) blocked(tb testing.TB) int {
	tb.Helper()
	return query[int](tb, db, `SELECT count(*) FROM pg_stat_activity
		WHERE application_name = $1 AND wait_event_type = 'Lock'`, db.schema)
}

// TestBatch_LockedRow: a row that an administrator keeps locked holds up who
// wants it, and nobody else.
func TestBatch_LockedRow(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.store(t, sqlstore.Config{})
	var keys [50]session.StoreKey
	for i := range keys {
		keys[i] = create(t, st, "0")
	}
	end := db.busy(t, st)

	var slowest, operations atomic.Int64
	ctx := limit(t, lease)
	running, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := worker; running.Err() == nil; i += 16 {
				key, token := keys[i%len(keys)], session.NewToken()
				for _, call := range []func() error{
					func() error { return second(st.Acquire(ctx, key, token, lease)) },
					func() error { return st.Save(ctx, key, newRecord("1"), token, session.Commit{}) },
				} {
					begun := time.Now()
					err := call()
					took := int64(time.Since(begun))
					for most := slowest.Load(); took > most && !slowest.CompareAndSwap(most, took); most = slowest.Load() {
					}
					operations.Add(1)
					if errors.Is(err, session.ErrLocked) {
						break // by another of the sixteen
					}
					if err != nil {
						t.Errorf("beside a locked row: %v", err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if !st.Crowded() {
		t.Error("the writers have not waited for their rows")
	}
	end()
	took := time.Duration(slowest.Load())
	t.Logf("%d operations, the slowest took %v", operations.Load(), took)
	if took > time.Second { // 300 ms on a machine that is not busy
		t.Errorf("an operation was held up for %v by rows that it has nothing to do with", took)
	}
	if n := operations.Load(); n < 100 {
		t.Errorf("only %d operations in two seconds", n)
	}
	eventually(t, "no connection is kept", func() bool { return pool.Stat().AcquiredConns() == 0 })
}

// TestBatch_Leave: who leaves while a batch is under way, or before it is,
// returns at once (S14) and leaves nothing behind, and their repeats settle
// what has become of their writes (S6).
func TestBatch_Leave(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.store(t, sqlstore.Config{})
	end := db.busy(t, st)
	const callers = 40
	keys, tokens, recs := make([]session.StoreKey, callers), make([]session.Token, callers), make([]session.Record, callers)
	for i := range keys {
		keys[i] = create(t, st, "0")
		tokens[i] = acquire(t, st, keys[i])
		recs[i] = newRecord("1")
	}
	free := db.lockRows(t, keys[:10]...) // their batches are held up until they give up
	var wg sync.WaitGroup
	left := atomic.Int32{}
	for i := range keys {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var ended atomic.Int64
			begun := time.Now()
			timer := time.AfterFunc(time.Duration(i)*3*time.Millisecond, func() {
				ended.Store(int64(time.Since(begun)))
				cancel()
			})
			defer timer.Stop()
			err := st.Save(ctx, keys[i], recs[i], tokens[i], session.Commit{})
			if err == nil {
				return
			}
			left.Add(1)
			late := time.Since(begun) - time.Duration(ended.Load())
			if !errors.Is(err, context.Canceled) || late > 500*time.Millisecond { // S14 says 100 ms, on a machine that is not busy
				t.Errorf("caller %d: %v later: %v", i, late, err)
			}
		})
	}
	wg.Wait()
	if n := left.Load(); n < 10 {
		t.Errorf("%d of %d callers had to leave: the test shows nothing", n, callers)
	}
	free()
	for i := range keys {
		recs[i].Repeat = true
		if err := st.Save(limit(t, lease), keys[i], recs[i], tokens[i], session.Commit{}); err != nil {
			t.Errorf("caller %d: the repeat: %v", i, err)
		}
		if got := data(t, st, keys[i]); got != "1" {
			t.Errorf("caller %d: %q is stored", i, got)
		}
	}
	end()
	eventually(t, "no connection is kept", func() bool { return pool.Stat().AcquiredConns() == 0 })
	if n := db.blocked(t); n != 0 {
		t.Errorf("%d statements are still under way", n)
	}
}

// TestBatch_OneFails: of statements that travel together one that fails fails
// alone.
func TestBatch_OneFails(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	seen := db.record(t)
	db.exec(t, `CREATE FUNCTION `+db.schema+`.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF NEW.data = 'refused' THEN RAISE 'no such thing'; END IF; RETURN NEW; END $$`)
	db.exec(t, `CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON `+db.table()+` FOR EACH ROW EXECUTE FUNCTION `+db.schema+`.refuse()`)
	for _, bad := range []int{-1, 0, 10, 19} {
		end := db.busy(t, st)
		seen.reset()
		var wg sync.WaitGroup
		keys := make([]session.StoreKey, 20)
		for i := range keys {
			keys[i] = newKey()
			wg.Go(func() {
				rec := newRecord("stored")
				if i == bad {
					rec.Data = []byte("refused")
				}
				err := st.Create(limit(t, lease), keys[i], rec, session.Token{}, 0)
				if i == bad {
					refused(t, "Create", err, "no such thing")
				} else if err != nil {
					t.Errorf("%d beside one that fails: %v", i, err)
				}
			})
		}
		wg.Wait()
		for i, key := range keys {
			if i == bad {
				if _, err := st.Load(limit(t, lease), key, false); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("what was refused is there: %v", err)
				}
			} else if got := data(t, st, key); got != "stored" {
				t.Errorf("%d: %q is stored", i, got)
			}
		}
		// Without a failure they do travel together.
		if n := seen.transactions(); bad < 0 && n >= len(keys) {
			t.Errorf("%d transactions for %d statements: there was no batch", n, len(keys))
		}
		end()
	}
}

// TestBatch_GoneWithoutAWord: should a machine vanish when the server has got
// half of a batch, the server finds out, and does not keep the sessions of that
// half locked for as long as systems otherwise take to miss the other end.
func TestBatch_GoneWithoutAWord(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.store(t, sqlstore.Config{})
	const settings = `concat_ws(' ', current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'))`
	before := query[string](t, db, "SELECT "+settings)
	db.exec(t, `CREATE TABLE `+db.schema+`.seen (settings text, over_tcp boolean)`)
	db.exec(t, `CREATE FUNCTION `+db.schema+`.note() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO `+db.schema+`.seen VALUES (`+settings+`, inet_client_addr() IS NOT NULL); RETURN NULL; END $$`)
	db.exec(t, `CREATE TRIGGER note AFTER INSERT OR UPDATE ON `+db.table()+` FOR EACH ROW EXECUTE FUNCTION `+db.schema+`.note()`)
	inBatch := func(do func()) { // of one: the place that it gets is its own
		defer st.Crowd()()
		do()
	}
	var key session.StoreKey
	var token session.Token
	inBatch(func() { key = create(t, st, "0") })
	inBatch(func() { token = acquire(t, st, key) })
	inBatch(func() { must(t, st.Save(limit(t, lease), key, newRecord("1"), token, session.Commit{})) })
	if tcp := query[bool](t, db, "SELECT bool_and(over_tcp) FROM "+db.schema+".seen"); !tcp {
		t.Skip("the server is not reached by TCP, where the other end's death is no secret")
	}
	if got := query[string](t, db, "SELECT string_agg(settings, ', ') FROM "+db.schema+".seen"); got != "5 5 2, 5 5 2, 5 5 2" {
		t.Errorf("in batches that create, acquire and save: %s", got)
	}
	for _, c := range pool.AcquireAllIdle(limit(t, lease)) {
		var after string
		must(t, c.QueryRow(limit(t, lease), "SELECT "+settings).Scan(&after))
		if after != before {
			t.Errorf("a connection is left with %s instead of %s", after, before)
		}
		c.Release()
	}
}
