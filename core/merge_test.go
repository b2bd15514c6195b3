package session_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

var (
	aKey = session.NewKey[string]("a")
	bKey = session.NewKey[string]("b")
)

// beside has one Concurrent request begin before and end after another.
func beside(t *testing.T, p *process, id string, first, second func(s *session.Session)) {
	t.Helper()
	r, s := p.client(id).hold(session.Concurrent)
	first(s)
	if err := p.client(id).do(session.Concurrent, second); err != nil {
		t.Errorf("the second: %v", err)
	}
	if err := r.end(ok200); err != nil {
		t.Errorf("the first: %v", err)
	}
}

func TestM4_ChangesAreMerged(t *testing.T) {
	setA := func(v string) func(*session.Session) { return func(s *session.Session) { aKey.Set(s, v) } }
	setB := func(v string) func(*session.Session) { return func(s *session.Session) { bKey.Set(s, v) } }
	both := func(fs ...func(*session.Session)) func(*session.Session) {
		return func(s *session.Session) {
			for _, f := range fs {
				f(s)
			}
		}
	}
	count := func(s *session.Session) { add(s) }
	for _, c := range []struct {
		name          string
		first, second func(*session.Session) // the first one saves last
		want          string
	}{
		{"different keys", setA("1"), setB("2"), "a=1 b=2 count=0"},
		{"one key", setA("1"), setA("2"), "a=1 b= count=0"},
		{"a counter", count, count, "a= b= count=2"},
		{"a counter, twice", both(count, count), both(count, count, count), "a= b= count=5"},
		{"a delete", func(s *session.Session) { countKey.Delete(s) }, setA("1"), "a=1 b= count=none"},
		{"a delete that loses", setA("1"), func(s *session.Session) { countKey.Delete(s) }, "a=1 b= count=none"},
		{"clear", func(s *session.Session) { s.Clear() }, setA("1"), "a= b= count=none"},
		{"clear and set", both(func(s *session.Session) { s.Clear() }, setB("2")), setA("1"), "a= b=2 count=none"},
		{"a flash", func(s *session.Session) { countKey.Take(s) }, setA("1"), "a=1 b= count=none"},
		{"no change is no save", func(s *session.Session) { countKey.Set(s, 0) }, count, "a= b= count=1"},
		{"set to the same, then counted", both(func(s *session.Session) { countKey.Set(s, 0) }, count), both(count, count), "a= b= count=1"},
		{"deleted what was not there, and changed", both(func(s *session.Session) { aKey.Delete(s) }, setB("2")), setA("1"), "a= b=2 count=0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := start(t, memstore.New(), session.Config{})
				id := p.stored(0)
				beside(t, p, id, c.first, c.second)
				p.client(id).do(session.Snapshot, func(s *session.Session) {
					a, _ := aKey.Get(s)
					b, _ := bKey.Get(s)
					got := fmt.Sprintf("a=%s b=%s count=", a, b)
					if s.Has("count") {
						got += fmt.Sprint(get(t, s))
					} else {
						got += "none"
					}
					if got != c.want {
						t.Errorf("got %s, want %s", got, c.want)
					}
				})
			})
		})
	}
}

func TestM4_TimeoutAndOwnerAreMerged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(0)
		beside(t, p, id,
			func(s *session.Session) { s.SetTimeout(time.Hour) },
			func(s *session.Session) { s.SetOwner("ann") })
		beside(t, p, id, func(s *session.Session) { add(s) }, func(s *session.Session) { add(s) })
		p.client(id).do(session.Snapshot, func(s *session.Session) {
			if s.Timeout() != time.Hour || s.Owner() != "ann" || get(t, s) != 2 {
				t.Error(s.Timeout(), s.Owner(), get(t, s))
			}
		})
	})
}

func TestM4_NeverWaitsToAcquire(t *testing.T) {
	pairs(t, session.Config{}, func(t *testing.T, writer, waiter *process) {
		id := writer.stored(0)
		r, s := writer.client(id).hold(session.Exclusive)
		begun := time.Now()
		cr, cs := waiter.client(id).hold(session.Concurrent)
		wantTook(t, "Acquire", begun, 0, 0)
		add(s)
		add(cs)
		// Its Swap meets the lock and waits its turn.
		ended := make(chan error)
		go func() { ended <- cr.end(ok200) }()
		time.Sleep(2 * time.Second)
		select {
		case <-ended:
			t.Error("the save did not wait for the holder")
		default:
		}
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := writer.count(id); n != 2 {
			t.Errorf("the count is %d, want 2", n)
		}
	})
}

func TestM4_ThreeConflictsThenTheLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Concurrent)
		runs := 0
		countKey.Update(s, func(n int) int { runs++; return n + 1 })
		for range 10 { // another one saves before each of its attempts gets through
			p.faults.Next(sessiontest.OpSwap, 1, sessiontest.Fault{Delay: time.Second})
		}
		done := make(chan error)
		q.client(id).do(session.Concurrent, func(s *session.Session) { add(s) })
		go func() { done <- r.end(ok200) }()
		synctest.Wait()
		for range 4 {
			time.Sleep(700 * time.Millisecond)
			q.client(id).do(session.Concurrent, func(s *session.Session) { add(s) })
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		calls := p.calls.Counts()
		if calls[sessiontest.OpSwap] != 3 || calls[sessiontest.OpAcquire] != 1 || calls[sessiontest.OpSave] != 1 {
			t.Errorf("calls: %v, want 3 Swaps, then Acquire and Save", calls)
		}
		if n := p.events.count(session.EventConflict); n != 3 {
			t.Errorf("the observer heard of %d conflicts", n)
		}
		if n := p.count(id); n != 6 {
			t.Errorf("the count is %d, want 6", n)
		}
		if runs < 2 {
			t.Errorf("Update ran %d times", runs)
		}
	})
}

func TestM4_ManyAtOnce(t *testing.T) {
	pairs(t, session.Config{RequestQueueLimit: -1}, func(t *testing.T, p, q *process) {
		id := p.stored(0)
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				mode := session.Concurrent
				if i%4 == 3 {
					mode = session.Exclusive
				}
				mine := session.NewKey[int](fmt.Sprint("own", i))
				for j := range 5 {
					if err := []*process{p, q}[i%2].client(id).do(mode, func(s *session.Session) {
						add(s)
						time.Sleep(time.Duration(i%7) * time.Millisecond)
						mine.Set(s, j)
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		p.client(id).do(session.Snapshot, func(s *session.Session) {
			if n := get(t, s); n != 300 || s.Len() != 61 {
				t.Errorf("the count is %d, want 300; %d values, want 61", n, s.Len())
			}
			for i := range 60 {
				if n, _ := session.NewKey[int](fmt.Sprint("own", i)).Get(s); n != 4 {
					t.Errorf("own value %d is %d", i, n)
				}
			}
		})
	})
}

func TestM4_RenewTakesTheLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(0)
		c := p.client(id)
		r, s := c.hold(session.Concurrent)
		add(s)
		if err := s.Renew(); err != nil {
			t.Error(err)
		}
		if err := p.client(id).do(session.Concurrent, func(s *session.Session) { add(s); aKey.Set(s, "1") }); err != nil {
			t.Error(err)
		}
		late, ls := p.client(id).hold(session.Concurrent)
		add(ls)
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if c.id == id {
			t.Fatal("no new ID")
		}
		if n := p.count(c.id); n != 2 {
			t.Errorf("the count is %d, want 2", n)
		}
		// Who still has the old one cannot save, and is told to come again.
		if err := late.end(ok200); session.HTTPStatus(err) != 409 {
			t.Errorf("a save under the old ID: %v", err)
		}
		wantErr(t, "the old ID", p.client(id).try(session.Concurrent, func(*session.Session) {}), session.ErrRenewed)
	})
}

func TestM4_TheSaveIsBoundedBySaveTimeout(t *testing.T) {
	for _, op := range []sessiontest.Op{sessiontest.OpSwap, sessiontest.OpLoad, sessiontest.OpAcquire, sessiontest.OpSave} {
		t.Run(string(op), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := memstore.New()
				p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
				id := p.stored(0)
				r, s := p.client(id).hold(session.Concurrent)
				add(s)
				var held *request
				if op != sessiontest.OpSwap {
					q.client(id).do(session.Concurrent, func(s *session.Session) { add(s) })
				}
				if op == sessiontest.OpAcquire || op == sessiontest.OpSave {
					held, _ = q.client(id).hold(session.Exclusive) // so that it needs the lock
				}
				before := q.count(id)
				p.faults.Next(op, -1, hangs)
				if held != nil {
					held.end(ok200)
					s.Renew()
				}
				begun := time.Now()
				wantErr(t, "the save", r.end(ok200), session.ErrUnavailable)
				wantTook(t, "the save", begun, 5*time.Second, 10*time.Second)
				if n := q.count(id); n != before {
					t.Errorf("the count is %d, want %d", n, before)
				}
				// Nothing is in the others' way.
				begun = time.Now()
				if err := q.client(id).do(session.Exclusive, func(s *session.Session) { add(s) }); err != nil {
					t.Error(err)
				}
				wantTook(t, "the next request", begun, 0, 0)
			})
		})
	}
}

// Swap's answer is lost: the repeat is known, and nothing counts twice.
func TestM4_ALostAnswerCountsOnce(t *testing.T) {
	for _, kind := range []sessiontest.FaultKind{sessiontest.FailAfter, sessiontest.HangAfter} {
		for _, crowd := range []int{0, 3, 20} { // that save while its answer is lost
			t.Run(fmt.Sprintf("kind %d, %d others", kind, crowd), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					store := memstore.New()
					p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
					id := p.stored(0)
					p.faults.Next(sessiontest.OpSwap, 1, sessiontest.Fault{Kind: kind})
					p.faults.Next(sessiontest.OpSwap, 1, sessiontest.Fault{Delay: time.Second})
					done := make(chan error)
					go func() { done <- p.client(id).do(session.Concurrent, func(s *session.Session) { add(s) }) }()
					time.Sleep(time.Millisecond)
					for range crowd {
						q.client(id).do(session.Exclusive, func(s *session.Session) { add(s) })
					}
					err := <-done
					if crowd < 8 && err != nil {
						t.Error(err)
					} else if crowd > 8 {
						wantErr(t, "the save", err, session.ErrOutcomeUnknown)
					}
					if n := q.count(id); n != crowd+1 {
						t.Errorf("the count is %d, want %d", n, crowd+1)
					}
				})
			})
		}
	}
}

// Every answer of a save is lost until SaveTimeout. Whatever the handler does
// then, the Update is not applied a second time.
func TestM4_AnUnknownOutcomeIsNotRepeated(t *testing.T) {
	for _, op := range []sessiontest.Op{sessiontest.OpSwap, sessiontest.OpSave} {
		t.Run(string(op), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := start(t, memstore.New(), session.Config{})
				id := p.stored(0)
				r, s := p.client(id).hold(session.Concurrent)
				add(s)
				if op == sessiontest.OpSave {
					s.Renew()
				}
				p.faults.Next(op, -1, sessiontest.Fault{Kind: sessiontest.HangAfter})
				wantErr(t, "Save", s.Save(r.ctx), session.ErrUnavailable)
				p.faults.Reset()
				wantErr(t, "Save again", s.Save(r.ctx), session.ErrUnavailable)
				add(s)
				wantErr(t, "Finish", r.end(ok200), session.ErrUnavailable)
				if op == sessiontest.OpSwap {
					if n := p.count(id); n != 1 {
						t.Errorf("the count is %d, want 1", n)
					}
				}
			})
		})
	}
}

func TestM4_SavesTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Concurrent)
		var want []int
		for range 5 { // each time somebody else has saved before, or not
			add(s)
			if err := s.Save(r.ctx); err != nil {
				t.Error(err)
			}
			want = append(want, p.count(id))
			p.client(id).do(session.Concurrent, func(s *session.Session) { add(s) })
		}
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if !slices.Equal(want, []int{1, 3, 5, 7, 9}) || p.count(id) != 10 {
			t.Errorf("counts %v, %d at last", want, p.count(id))
		}
	})
}

// A session that another request has ended is not brought back.
func TestM4_AnEndedSessionStaysEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Concurrent)
		add(s)
		p.client(id).do(session.ReadOnly, func(s *session.Session) { s.Abandon() })
		wantErr(t, "the save", r.end(ok200), session.ErrConflict)
		p.client(id).do(session.Snapshot, func(s *session.Session) {
			if !s.IsNew() {
				t.Error("it is back")
			}
		})
	})
}
