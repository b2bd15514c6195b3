package sqlstore_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestBatch_AcquireThatIsGivenBack: who leaves while a batch is held up gives
// the session back, and the batch does not take it afterwards.
func TestBatch_AcquireThatIsGivenBack(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	held, wanted := session.StoreKey{1}, session.StoreKey{2} // in the order in which a batch takes them
	for _, key := range []session.StoreKey{held, wanted} {
		must(t, st.Create(limit(t, lease), key, newRecord("0"), session.Token{}, 0))
	}
	for range 5 { // a batch waits for a lock no longer than looking for that may take
		free := db.lockRows(t, held)
		end := st.Crowd()
		other, token := session.NewToken(), session.NewToken()
		ctx, cancel := context.WithCancel(limit(t, lease))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := st.Acquire(limit(t, lease), held, other, lease); err != nil {
				t.Errorf("Acquire of a row that was locked for a while: %v", err)
			}
		})
		left := make(chan error, 1)
		go func() { left <- second(st.Acquire(ctx, wanted, token, lease)) }() // ends with ctx
		eventually(t, "the batch waits for the row", func() bool { return db.blocked(t) == 1 })
		cancel()
		<-left // it may have had the session
		end()
		must(t, st.Release(limit(t, lease), wanted, token))
		free()
		wg.Wait()
		eventually(t, "all have returned", st.Idle)
		rec, err := st.Load(limit(t, lease), wanted, false)
		must(t, err)
		if rec.Lock != nil {
			t.Fatalf("the session is locked for %v by a caller who has left and given it back", rec.Lock.Left)
		}
		must(t, st.Release(limit(t, lease), held, other))
	}
}

// TestBatch_StuckStatements: those that do not return hold up who comes next
// once, and not for as long as they hang.
func TestBatch_StuckStatements(t *testing.T) {
	t.Parallel()
	st, _ := newDatabase(t).store(t, sqlstore.Config{})
	key := create(t, st, "0")
	end := st.Crowd()
	fastest := time.Duration(math.MaxInt64)
	for range 50 {
		token, begun := session.NewToken(), time.Now()
		_, err := st.Acquire(limit(t, lease), key, token, lease)
		fastest = min(fastest, time.Since(begun))
		must(t, err)
		must(t, st.Release(limit(t, lease), key, token))
	}
	if fastest >= sqlstore.Patience {
		t.Errorf("each of 50 calls waited for statements that hang: the fastest took %v", fastest)
	}
	end()
	if !st.Idle() {
		t.Error("places are taken by nobody")
	}
}

// TestBatch_FailingCommit: where statements that travel together fail at their
// commit, nobody is told of a success, and only whose fault it was of a failure.
func TestBatch_FailingCommit(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{MaxRetries: 1, RetryInterval: time.Millisecond})
	db.exec(t, `CREATE FUNCTION `+db.schema+`.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF NEW.data = 'refused' THEN RAISE 'no such thing' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$`)
	db.exec(t, `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON `+db.table()+`
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION `+db.schema+`.refuse()`)
	end := st.Crowd()
	defer end()
	keys := make([]session.StoreKey, 5)
	var wg sync.WaitGroup
	for i := range keys {
		keys[i] = newKey()
		wg.Go(func() {
			rec := newRecord("stored")
			if i == 2 {
				rec = newRecord("refused")
			}
			err := st.Create(limit(t, lease), keys[i], rec, session.Token{}, 0)
			if i == 2 {
				refused(t, "Create", err, "no such thing")
			} else if err != nil {
				t.Errorf("%d beside one whose commit fails: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i, key := range keys {
		if i == 2 {
			if _, err := st.Load(limit(t, lease), key, false); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("what was refused is there: %v", err)
			}
		} else if got := data(t, st, key); got != "stored" {
			t.Errorf("%d: %q is stored", i, got)
		}
	}
}

// TestS6_NothingSentIsNotUnknown: a Save that got no connection for a while has
// sent nothing, and so there is nothing that may have taken effect.
func TestS6_NothingSentIsNotUnknown(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	for range 10 { // more writes than a record remembers
		must(t, st.Save(limit(t, lease), key, newRecord("1"), token, session.Commit{Keep: lease}))
	}
	poor, pool := db.storeAt(t, with(db.dsn, "pool_max_conns", "2"), sqlstore.Config{
		Listen: sqlstore.ListenOff, CommandTimeout: 500 * time.Millisecond,
	})
	var taken [2]*pgxpool.Conn
	for i := range taken {
		c, err := pool.Acquire(limit(t, lease))
		must(t, err)
		taken[i] = c
	}
	end := poor.Crowd() // so that it travels in a batch
	defer end()
	result := make(chan error, 1)
	go func() { // ends when there are connections
		result <- poor.Save(limit(t, lease), key, newRecord("2"), session.NewToken(), session.Commit{})
	}()
	eventually(t, "the batch gives up waiting for a connection", func() bool { return pool.Stat().CanceledAcquireCount() > 0 })
	for _, c := range taken {
		c.Release()
	}
	if err := <-result; !errors.Is(err, session.ErrLockLost) {
		t.Errorf("a Save under a token that never held the lock: %v", err)
	}
}
