package sqlstore_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// chaos is how long each of these tests disturbs its callers. What they do is
// not the same each time; what must come of it is. They are not parallel: they
// keep all processors busy, and others have time limits to keep.
const chaos = time.Second

// enough returns a function that says when to stop: when chaos has passed and
// done has come to some number, however slow the machine is; or when that takes
// so long that the test fails.
func enough(tb testing.TB, done *atomic.Int64) func() bool {
	tb.Helper()
	const least = 20
	whole, short := limit(tb, lease), limit(tb, chaos)
	tb.Cleanup(func() {
		if n := done.Load(); n < least {
			tb.Errorf("only %d times: the test shows nothing", n)
		}
	})
	return func() bool {
		return tb.Failed() || whole.Err() != nil || short.Err() != nil && done.Load() >= least
	}
}

// impatient makes a call again and again, whose caller mostly leaves in
// less than most, until it has an answer. repeat says whether it is not
// the first attempt.
func impatient(most time.Duration, call func(ctx context.Context, repeat bool) error) error {
	for n := 0; ; n++ {
		patience := rand.N(most)
		if n > 5 || rand.IntN(3) == 0 {
			patience = lease
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := call(ctx, n > 0)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, session.ErrUnavailable) || n > 1000 {
			return err
		}
	}
}

// TestS5_S6_ImpatientCallers: callers of two processes who leave at any moment,
// and come back, lose no lock before its time and no save, and make none twice.
func TestS5_S6_ImpatientCallers(t *testing.T) {
	db := newDatabase(t)
	stores := []*sqlstore.Store{db.open(t, sqlstore.Config{}), db.open(t, sqlstore.Config{})}
	var keys [6]session.StoreKey
	var saved [len(keys)]atomic.Int64
	for i := range keys {
		keys[i] = create(t, stores[0], "0")
	}
	var total atomic.Int64
	stop := enough(t, &total)
	var wg sync.WaitGroup
	for caller := range 16 {
		wg.Go(func() {
			for st := stores[caller%2]; !stop(); {
				i := rand.IntN(len(keys))
				switch ok, err := incrementImpatiently(st, keys[i]); {
				case ok:
					saved[i].Add(1)
					total.Add(1)
				case err != nil && !errors.Is(err, session.ErrLocked):
					t.Errorf("a session whose lease has not ended: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i, key := range keys {
		if got, want := data(t, stores[0], key), strconv.FormatInt(saved[i].Load(), 10); got != want {
			t.Errorf("session %d: %s increments are stored, %s were confirmed", i, got, want)
		}
	}
	for _, st := range stores {
		eventually(t, "nothing is under way any more", st.Idle)
	}
}

// incrementImpatiently counts a session up, or only locks it and lets it go. ok
// says that it has counted.
func incrementImpatiently(st *sqlstore.Store, key session.StoreKey) (ok bool, err error) {
	const most = 12 * time.Millisecond
	token := session.NewToken()
	var got session.Record
	err = impatient(most, func(ctx context.Context, _ bool) (err error) {
		got, err = st.Acquire(ctx, key, token, lease)
		return err
	})
	if err != nil {
		return false, err
	}
	if rand.IntN(4) == 0 {
		if err := impatient(most, func(ctx context.Context, _ bool) error { return st.Extend(ctx, key, token, lease) }); err != nil {
			return false, err
		}
	}
	if rand.IntN(5) == 0 {
		return false, impatient(most, func(ctx context.Context, _ bool) error { return st.Release(ctx, key, token) })
	}
	n, err := strconv.Atoi(string(got.Data))
	if err != nil {
		return false, err
	}
	rec := newRecord(strconv.Itoa(n + 1))
	err = impatient(most, func(ctx context.Context, repeat bool) error {
		rec.Repeat = repeat
		return st.Save(ctx, key, rec, token, session.Commit{})
	})
	return err == nil, err
}

// TestS11_ImpatientMoves: a session whose holder renews its ID again and again,
// and leaves at any moment, is under one key at a time; and who ends its
// owner's sessions meanwhile ends it, under whichever key it is.
func TestS11_ImpatientMoves(t *testing.T) {
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	var moves atomic.Int64
	stop := enough(t, &moves)
	var wg sync.WaitGroup
	for mover := range 6 {
		wg.Go(func() {
			m := &moved{t: t, st: st, owner: "owner " + strconv.Itoa(mover)}
			m.begin()
			for !stop() {
				if rand.IntN(6) == 0 {
					m.moveWhileEnded()
				} else {
					m.move()
				}
				moves.Add(1)
			}
		})
	}
	wg.Wait()
}

// moved is a session that moves.
type moved struct {
	t     *testing.T
	st    *sqlstore.Store
	owner string
	key   session.StoreKey
	token session.Token
}

func (m *moved) record() session.Record {
	rec := newRecord("0")
	rec.Owner = m.owner
	return rec
}

func (m *moved) begin() {
	m.key, m.token = newKey(), session.NewToken()
	if err := m.st.Create(limit(m.t, lease), m.key, m.record(), m.token, lease); err != nil {
		m.t.Errorf("Create: %v", err)
	}
}

// save moves the session.
func (m *moved) save(to session.StoreKey, grace time.Duration) error {
	rec := m.record()
	return impatient(4*time.Millisecond, func(ctx context.Context, repeat bool) error {
		rec.Repeat = repeat
		return m.st.Save(ctx, m.key, rec, m.token, session.Commit{MoveTo: to, Grace: grace, Keep: lease})
	})
}

// listed returns what the owner has.
func (m *moved) listed() []session.Info {
	infos, err := m.st.ListOwner(limit(m.t, lease), namespace, m.owner)
	if err != nil {
		m.t.Errorf("ListOwner: %v", err)
	}
	return infos
}

func (m *moved) move() {
	to, grace, old := newKey(), time.Duration(rand.IntN(2))*lease, session.ErrNotFound
	if grace > 0 {
		old = session.ErrRenewed
	}
	if err := m.save(to, grace); err != nil {
		m.t.Errorf("a move: %v", err)
		return
	}
	if infos := m.listed(); len(infos) != 1 || infos[0].Key != to || !infos[0].Locked {
		m.t.Errorf("after a move the owner has %d sessions, and not one, locked, under the new key", len(infos))
	}
	if _, err := m.st.Load(limit(m.t, lease), m.key, false); !errors.Is(err, old) {
		m.t.Errorf("the old key: %v, want %v", err, old)
	}
	m.key = to
}

func (m *moved) moveWhileEnded() {
	ended := make(chan int, 1)
	go func() { // ends with the call
		n, err := m.st.RemoveOwner(limit(m.t, lease), namespace, m.owner, session.EndRevoked)
		if err != nil {
			m.t.Errorf("RemoveOwner: %v", err)
		}
		ended <- n
	}()
	err := m.save(newKey(), lease)
	if err != nil && !errors.Is(err, session.ErrLockLost) && !errors.Is(err, session.ErrOutcomeUnknown) {
		m.t.Errorf("a move of what was ended meanwhile: %v", err)
	}
	if n := <-ended; n != 1 {
		m.t.Errorf("RemoveOwner has ended %d sessions of one", n)
	}
	if infos := m.listed(); len(infos) != 0 {
		m.t.Errorf("%d sessions have outlived RemoveOwner", len(infos))
	}
	m.begin()
}

// TestS12_ClaimsAndCreatesAtOnce: the end of every session is handed out once,
// however soon the next one takes its key.
func TestS12_ClaimsAndCreatesAtOnce(t *testing.T) {
	for _, limited := range []int{1, 5} {
		t.Run(strconv.Itoa(limited), func(t *testing.T) {
			db := newDatabase(t)
			st, _ := db.store(t, sqlstore.Config{})
			var made atomic.Int64
			stop := enough(t, &made)
			e := &ends{t: t, st: st, limited: limited, seen: make(map[session.WriteID]int)}
			var wg sync.WaitGroup
			for range 3 {
				key := newKey()
				for range 2 {
					wg.Go(func() {
						for !stop() {
							rec := reported("0")
							rec.IdleTimeout, rec.Refresh = 2*time.Millisecond, 0
							err := st.Create(limit(t, lease), key, rec, session.Token{}, 0)
							if err == nil {
								made.Add(1)
							} else if !errors.Is(err, session.ErrExists) {
								t.Errorf("Create: %v", err)
							}
						}
					})
				}
				wg.Go(func() {
					for !stop() {
						e.report()
					}
				})
			}
			wg.Wait()
			eventually(t, "all have ended and are reported", func() bool {
				e.report()
				return query[int](t, db, "SELECT count(*) FROM "+db.table()) == 0
			})
			if n := int64(len(e.seen)); n != made.Load() {
				t.Errorf("%d sessions were made, and the ends of %d handed out", made.Load(), n)
			}
			for _, n := range e.seen {
				if n != 1 {
					t.Errorf("an end was handed out %d times", n)
				}
			}
		})
	}
}

// ends counts the ends that are handed out.
type ends struct {
	t       *testing.T
	st      *sqlstore.Store
	limited int
	mu      sync.Mutex
	seen    map[session.WriteID]int
}

// report claims what has ended, and removes it.
func (e *ends) report() {
	token, ctx := session.NewToken(), limit(e.t, lease)
	claims, err := e.st.Reap(ctx, namespace, e.limited, token, lease)
	if err != nil {
		e.t.Errorf("Reap: %v", err)
	}
	for _, claim := range claims {
		e.mu.Lock()
		e.seen[claim.Record.Write]++
		e.mu.Unlock()
		if err := e.st.Extend(ctx, claim.Key, token, lease); err != nil {
			e.t.Errorf("Extend of a claim: %v", err)
		}
		if err := e.st.Remove(ctx, claim.Key, token, session.EndDelete); err != nil {
			e.t.Errorf("Remove of a claim: %v", err)
		}
	}
}
