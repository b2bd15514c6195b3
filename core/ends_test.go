package session_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// Of 10,000 sessions that expire together every end is told, though one of the
// three processes that tell them dies on the way. Only what that one had
// claimed is told twice, or, where it had not come to it, at a second attempt.
func TestM17_TenThousandEndsAndOneDeath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 10_000
		memory, over := memstore.New(), make(chan struct{})
		var mu sync.Mutex
		heard := make(map[session.Token][]int) // by which process, in order
		retried, doomedCalls := 0, 0
		processes := make([]*process, 3)
		for i := range processes {
			cfg := session.Config{ReapInterval: 30 * time.Second}
			cfg.OnEnd = func(_ context.Context, e session.Ended) error {
				time.Sleep(100 * time.Millisecond)
				mu.Lock()
				if i == 0 && doomedCalls >= 500 { // the dead do nothing
					mu.Unlock()
					<-over
					return nil
				}
				heard[e.Token] = append(heard[e.Token], i)
				if e.Attempt > 1 {
					retried++
				}
				if i == 0 {
					if doomedCalls++; doomedCalls == 500 {
						processes[0].dies()
					}
				}
				mu.Unlock()
				return nil
			}
			processes[i] = start(t, memory, cfg)
		}
		t.Cleanup(func() { close(over) })
		for i := range n {
			processes[i%3].stored(i)
		}
		time.Sleep(30 * time.Minute)

		mu.Lock()
		defer mu.Unlock()
		if len(heard) != n {
			t.Errorf("%d ends were told, want %d", len(heard), n)
		}
		repeats := 0
		for _, by := range heard {
			switch {
			case len(by) == 1:
			case len(by) == 2 && by[0] == 0 && by[1] != 0:
				repeats++
			default:
				t.Errorf("an end was told by %v", by)
			}
		}
		if doomedCalls < 500 {
			t.Fatalf("the process that was to die has told %d ends", doomedCalls)
		}
		// It had one batch of 32 at a time, and eight calls under way.
		if repeats == 0 || repeats > 8 || retried > 32+8 || retried < repeats {
			t.Errorf("%d ends were told twice, %d at a second attempt", repeats, retried)
		}
		nothingLeft(t, memory)
	})
}

// Close waits for what is being told, and for what this process has ended
// itself; it begins nothing else.
func TestM17_CloseWaitsForOnEnd(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		a, memory := &ear{t: t}, memstore.New()
		a.then = func(ctx context.Context, _ session.Ended) error {
			time.Sleep(time.Second)
			return ctx.Err()
		}
		p := start(t, memory, reaping(a))
		c := p.client(p.stored(7))
		wantErr(t, "logout", c.try(mode, func(s *session.Session) { wantErr(t, "Abandon", s.Abandon(), nil) }), nil)
		begun := time.Now()
		wantErr(t, "Close", closeSoon(p.Manager), nil)
		wantTook(t, "Close", begun, time.Second, time.Second)
		a.heard(1)
		nothingLeft(t, memory)
		a.heard(1)
	})
}

func TestM17_CloseLeavesTheRestToOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, memory := &ear{t: t}, memstore.New()
		a.then = func(context.Context, session.Ended) error {
			time.Sleep(time.Second)
			return nil
		}
		p := start(t, memory, reaping(a))
		for i := range 200 {
			p.stored(i)
		}
		time.Sleep(21*time.Minute - time.Second)
		for { // until the first of them are being told
			time.Sleep(100 * time.Millisecond)
			a.mu.Lock()
			begun := len(a.calls) > 0
			a.mu.Unlock()
			if begun {
				break
			}
		}
		wantErr(t, "Close", closeSoon(p.Manager), nil)
		a.heard(32) // a batch
		second := &ear{t: t}
		start(t, memory, reaping(second))
		time.Sleep(time.Minute)
		second.heard(200 - 32)
		nothingLeft(t, memory)
	})
}

// When Close runs out of patience OnEnd's context ends, and another process
// tells the end again.
func TestM17_CloseOutOfPatience(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, memory := &ear{t: t}, memstore.New()
		a.then = func(ctx context.Context, _ session.Ended) error {
			<-ctx.Done()
			return ctx.Err()
		}
		p := start(t, memory, reaping(a))
		c := p.client(p.stored(7))
		wantErr(t, "logout", c.try(session.Exclusive, func(s *session.Session) { wantErr(t, "Abandon", s.Abandon(), nil) }), nil)
		begun := time.Now()
		err := closeSoon(p.Manager)
		wantErr(t, "Close", err, context.DeadlineExceeded)
		wantTook(t, "Close", begun, 10*time.Second, 10*time.Second)
		synctest.Wait()
		token := a.heard(1)[0].Token
		second := &ear{t: t}
		start(t, memory, reaping(second))
		time.Sleep(2 * time.Minute)
		if e := second.heard(1)[0]; e.Token != token || e.Attempt != 2 {
			t.Errorf("%+v", e)
		}
		nothingLeft(t, memory)
	})
}

// What OnEnd costs in store calls: an abandon under a lock one to end it, one
// to be sure of the claim, and one to remove it; the others one more batch.
func TestM17_StoreCallsOfAnEnd(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		a := &ear{t: t}
		cfg := reaping(a)
		cfg.ReapInterval = 24 * time.Hour
		p := start(t, memstore.New(), cfg)
		c := p.client(p.stored(7))
		r, s := c.hold(mode)
		wantErr(t, "Abandon", s.Abandon(), nil)
		p.calls.Reset()
		wantErr(t, "Finish", r.end(ok200), nil)
		synctest.Wait()
		a.heard(1)
		want := map[sessiontest.Op]int{sessiontest.OpRemove: 2, sessiontest.OpReap: 1}
		if mode == session.Exclusive {
			want = map[sessiontest.Op]int{sessiontest.OpRemove: 2, sessiontest.OpExtend: 1}
		}
		got := p.calls.Counts()
		delete(got, sessiontest.OpWatch)
		if len(got) != len(want) || p.calls.Total() != 3 {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
