package session_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// tally is what became of the increments of a run.
type tally struct {
	mu        sync.Mutex
	confirmed int            // must be in the final count
	unknown   int            // may be
	refused   map[string]int // must not be
}

// note sorts n increments by the error of the save that was to store them.
func (ta *tally) note(t *testing.T, n int, err error) {
	ta.mu.Lock()
	defer ta.mu.Unlock()
	switch {
	case err == nil:
		ta.confirmed += n
	case errors.Is(err, session.ErrUnavailable), errors.Is(err, session.ErrOutcomeUnknown):
		ta.unknown += n
	case errors.Is(err, session.ErrLockLost), errors.Is(err, session.ErrConflict):
		ta.refused[err.Error()] += n
	default:
		t.Errorf("the save: %v", err)
	}
}

// Several processes, a store of which every call can fail, hang, be late or
// lose its answer, and clients that leave: what was confirmed is there once,
// what was refused is not.
func TestM1_M4_NoIncrementIsLostOrDoubled(t *testing.T) {
	for name, use := range map[string][]session.Mode{
		"exclusive":  {session.Exclusive},
		"concurrent": {session.Concurrent},
		"mixed":      {session.Exclusive, session.Concurrent, session.ReadOnly},
	} {
		for seed := range uint64(12) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				bubble(t, func(t *testing.T) { increments(t, use, seed) })
			})
		}
	}
}

func increments(t *testing.T, use []session.Mode, seed uint64) {
	var store session.Store = memstore.New()
	rnd := rand.New(rand.NewPCG(seed, 1))
	cfg := session.Config{
		LockLease: 3 * time.Second, StoreTimeout: time.Second, SaveTimeout: 4 * time.Second,
		AcquireTimeout: 20 * time.Second, ExecutionTimeout: 8 * time.Second, RequestQueueLimit: 20,
	}
	var ps []*process
	for i := range 3 {
		if i == 2 {
			store = silent{store} // one process cannot be woken
		}
		ps = append(ps, start(t, store, cfg))
	}
	id := ps[0].stored(0)
	for i, p := range ps {
		rates := sessiontest.Rates{FailBefore: .03, FailAfter: .04, HangBefore: .02, HangAfter: .03, Delay: .3, MaxDelay: 300 * time.Millisecond}
		if seed%3 == 2 { // many faults
			rates = sessiontest.Rates{FailBefore: .1, FailAfter: .15, HangBefore: .05, HangAfter: .1, Delay: .5, MaxDelay: 1200 * time.Millisecond}
		}
		p.faults.Rule(sessiontest.Random(seed*10+uint64(i), rates))
	}
	ta := &tally{refused: map[string]int{}}
	var wg sync.WaitGroup
	for i := range 24 {
		p, r := ps[i%len(ps)], rand.New(rand.NewPCG(seed, rnd.Uint64()))
		wg.Go(func() {
			for range 12 {
				time.Sleep(time.Duration(r.Int64N(int64(2 * time.Second))))
				increment(t, p, id, use[r.IntN(len(use))], r, ta)
			}
		})
	}
	wg.Wait()
	for _, p := range ps {
		p.faults.Reset()
	}
	time.Sleep(10 * time.Second)
	n := ps[0].count(id)
	if n < ta.confirmed || n > ta.confirmed+ta.unknown {
		t.Errorf("the count is %d, want from %d to %d; refused: %v", n, ta.confirmed, ta.confirmed+ta.unknown, ta.refused)
	}
	if ta.confirmed < 5 {
		t.Errorf("only %d increments were confirmed, %d unknown, refused: %v", ta.confirmed, ta.unknown, ta.refused)
	}
}

// increment makes one request that adds one.
func increment(t *testing.T, p *process, id string, mode session.Mode, r *rand.Rand, ta *tally) {
	rq := p.client(id).begin()
	defer rq.cancel()
	if r.IntN(6) == 0 { // the client goes away some time
		timer := time.AfterFunc(time.Duration(r.Int64N(int64(4*time.Second))), rq.cancel)
		defer timer.Stop()
	}
	s, err := session.Acquire(rq.ctx, mode)
	if err != nil {
		rq.Finish(rq.ctx, session.Outcome{Status: 503})
		return
	}
	if mode == session.ReadOnly {
		time.Sleep(time.Duration(r.Int64N(int64(time.Second))))
		rq.Finish(rq.ctx, ok200)
		return
	}
	n := 1
	step(t, s, mode, r)
	if r.IntN(4) == 0 {
		if err := s.Save(rq.ctx); err == nil {
			ta.note(t, n, nil)
			n = 0
		}
		n++ // what Save has not stored is to be stored at the end
		step(t, s, mode, r)
	}
	ta.note(t, n, rq.Finish(rq.ctx, ok200))
}

// step works for a while, and adds one.
func step(t *testing.T, s *session.Session, mode session.Mode, r *rand.Rand) {
	work := time.Duration(r.Int64N(int64(400 * time.Millisecond)))
	if r.IntN(20) == 0 {
		work = 10 * time.Second // more than ExecutionTimeout
	}
	time.Sleep(work / 2)
	if s.IsNew() {
		t.Error("the session is gone")
	}
	if mode == session.Exclusive { // not Update: a plain read, and write
		set(t, s, get(t, s)+1)
	} else {
		add(s)
	}
	time.Sleep(work / 2)
}
