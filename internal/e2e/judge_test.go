package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// The checks on histories that are known to be right or wrong. Times are in
// milliseconds; the lease is 100 of them.

func ms(n int64) int64 { return n * int64(time.Millisecond) }

// told is an operation that was confirmed: a read if number is 0.
func told(number int, from, to int64, value int) operation {
	return operation{ID: wire.ID{Client: 1, Number: number}, mode: wire.ModeExclusive, invoke: ms(from), replied: ms(to),
		outcome: confirmed, value: value, sent: true}
}

func notTold(number int, from, to int64, o outcome) operation {
	op := told(number, from, to, 0)
	op.outcome = o
	return op
}

func stateOf(counter int, made ...int) wire.State {
	s := wire.State{Counter: counter}
	for _, n := range made {
		s.Ledger = s.Ledger.Add(wire.ID{Client: 1, Number: n})
	}
	s.Made = s.Ledger.Len()
	return s
}

func evidenceOf(state wire.State, history ...operation) *evidence {
	return &evidence{
		set:     &settings{mode: "test", lease: 100 * time.Millisecond},
		ended:   ms(100_000),
		history: history,
		states:  []wire.State{state},
	}
}

func TestJudge_History(t *testing.T) {
	for _, c := range []struct {
		name    string
		state   wire.State
		history []operation
		want    result // what is counted
		says    string
	}{
		{name: "in order", state: stateOf(2, 1, 2),
			history: []operation{told(1, 0, 10, 1), told(0, 12, 15, 1), told(2, 20, 30, 2), told(0, 20, 30, 1)}},
		{name: "side by side", state: stateOf(2, 1, 2),
			history: []operation{told(1, 0, 10, 2), told(2, 5, 20, 1)}},
		{name: "unknown and made", state: stateOf(3, 1, 2, 3),
			history: []operation{told(1, 0, 10, 1), notTold(2, 10, 20, unknown), told(3, 30, 40, 3), told(0, 35, 36, 2)}},
		{name: "unknown and made late", state: stateOf(3, 1, 2, 3),
			history: []operation{told(1, 0, 10, 1), notTold(2, 10, 20, unknown), told(0, 50, 60, 1), told(3, 70, 80, 2)}},
		{name: "unknown and not made", state: stateOf(1, 1),
			history: []operation{told(1, 0, 10, 1), notTold(2, 10, 20, unknown)}},
		{name: "refused and not made", state: stateOf(1, 1),
			history: []operation{told(1, 0, 10, 1), notTold(2, 10, 20, refused)}},
		{name: "many unknown", state: stateOf(41, count(41)...), history: func() (ops []operation) {
			for n := range 40 {
				ops = append(ops, notTold(n+1, int64(n), int64(n)+1, unknown))
			}
			return append(ops, told(41, 100, 110, 20), told(0, 500, 510, 20), told(0, 520, 530, 41))
		}()},

		{name: "lost", state: stateOf(1, 1), want: result{lost: 1, disordered: 1}, says: "is not stored",
			history: []operation{told(1, 0, 10, 1), told(2, 20, 30, 2)}},
		{name: "overwritten", state: stateOf(1, 2), want: result{lost: 1, disordered: 1}, says: "not linearizable",
			history: []operation{told(1, 0, 30, 1), told(2, 20, 30, 1)}},
		{name: "refused and made", state: stateOf(2, 1, 2), want: result{uncalled: 1}, says: "refused for certain, and is stored",
			history: []operation{told(1, 0, 10, 1), notTold(2, 10, 20, refused)}},
		{name: "made twice", state: stateOf(2, 1, 1), want: result{twice: 1, disordered: 1}, says: "more than once",
			history: []operation{told(1, 0, 10, 2)}},
		{name: "made by nobody", state: stateOf(1, 9), want: result{other: 1, disordered: 1}, says: "nobody has asked for",
			history: []operation{told(0, 0, 10, 0)}},
		{name: "torn", state: stateOf(2, 1), want: result{other: 1, disordered: 1}, says: "come apart",
			history: []operation{told(1, 0, 10, 1)}},
		{name: "gone", state: wire.State{Gone: true}, want: result{other: 1}, says: "is gone"},
		{name: "an odd reply", state: stateOf(0), want: result{other: 1}, says: "nobody should get",
			history: []operation{notTold(1, 0, 10, odd)}},
		{name: "a stale read", state: stateOf(2, 1, 2), want: result{disordered: 1}, says: "nothing explains",
			history: []operation{told(1, 0, 10, 1), told(2, 20, 30, 2), told(0, 40, 50, 1)}},
		{name: "a read of the future", state: stateOf(1, 1), want: result{disordered: 1}, says: "nothing explains",
			history: []operation{told(0, 0, 10, 1), told(1, 20, 30, 1)}},
		{name: "made before it was asked for", state: stateOf(2, 1, 2), want: result{disordered: 1}, says: "nothing explains",
			history: []operation{told(2, 0, 10, 2), notTold(1, 20, 30, unknown)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := judge(evidenceOf(c.state, c.history...))
			got := result{lost: res.lost, twice: res.twice, uncalled: res.uncalled, disordered: res.disordered, other: res.other}
			if got.lost != c.want.lost || got.twice != c.want.twice || got.uncalled != c.want.uncalled ||
				got.disordered != c.want.disordered || got.other != c.want.other {
				t.Errorf("%+v, want %+v\n%s", got, c.want, res.explain())
			}
			if !strings.Contains(res.explain(), c.says) || res.ok() != (c.says == "") {
				t.Errorf("it says %s, want %q", res.explain(), c.says)
			}
		})
	}
}

// TestJudge_Windows: a long history is checked in parts, and what is wrong
// between two of them is found too.
func TestJudge_Windows(t *testing.T) {
	const n = 3*windowSize + 10
	var history []operation
	for i := range n {
		history = append(history, told(i+1, int64(10*i), int64(10*i+9), i+1))
	}
	if res := judge(evidenceOf(stateOf(n, count(n)...), history...)); !res.ok() {
		t.Error(res.explain())
	}
	early := append(slices.Clone(history), told(0, 0, 5, n)) // reads what is written much later
	if res := judge(evidenceOf(stateOf(n, count(n)...), early...)); res.disordered != 1 || !strings.Contains(res.explain(), "saw more") {
		t.Error(res.explain())
	}
}

func TestJudge_Holders(t *testing.T) {
	const never = math.MaxInt64
	p, q := &process{name: "p"}, &process{name: "q"}
	hold := func(number int, p *process, asked, entered, left int64, renewed ...int64) *holder {
		h := &holder{ID: wire.ID{Client: 1, Number: number}, process: p, asked: ms(asked), entered: ms(entered), left: ms(left), done: ms(left) + 1}
		for _, at := range renewed {
			h.renewed = append(h.renewed, ms(at))
		}
		return h
	}
	for _, c := range []struct {
		name           string
		made           []int
		crashes        []int64
		holders        []*holder
		overlaps, lost int
	}{
		{"one after the other", []int{1, 2}, nil, []*holder{hold(1, p, 0, 10, 20), hold(2, q, 5, 20, 30)}, 0, 0},
		{"two at once", []int{1}, nil, []*holder{hold(1, p, 0, 10, 50), hold(2, q, 5, 20, 30)}, 1, 0},
		{"a lapsed lease", []int{2}, nil, []*holder{hold(1, p, 0, 10, 150), hold(2, q, 5, 110, 130)}, 0, 1},
		{"a lapsed lease, seen late", []int{1}, nil, []*holder{hold(1, q, 105, 110, 180), hold(2, p, 0, 150, 151)}, 0, 1},
		{"a lapsed lease whose holder saved", []int{1}, nil, []*holder{hold(1, p, 0, 10, 150), hold(2, q, 5, 110, 130)}, 1, 0},
		{"a lapsed lease, and both saved", []int{1, 2}, nil, []*holder{hold(1, p, 0, 10, 150), hold(2, q, 5, 110, 130)}, 1, 0},
		{"a renewed lease", []int{2}, nil, []*holder{hold(1, p, 0, 10, 150, 50), hold(2, q, 5, 110, 130)}, 1, 0},
		{"a lease that was renewed too late", []int{2}, nil, []*holder{hold(1, p, 0, 10, 250, 180), hold(2, q, 5, 110, 130)}, 0, 1},
		{"a crash", []int{2}, []int64{15}, []*holder{hold(1, p, 0, 10, 50), hold(2, q, 5, 20, 30)}, 0, 1},
		{"a crash, and both saved", []int{1, 2}, []int64{15}, []*holder{hold(1, p, 0, 10, 50), hold(2, q, 5, 20, 30)}, 1, 0},
		{"a crash long before", []int{2}, []int64{-5}, []*holder{hold(1, p, 0, 10, 50), hold(2, q, 5, 20, 30)}, 1, 0},
		{"a third", []int{1}, nil, []*holder{hold(1, p, 0, 10, 90), hold(2, q, 5, 20, 30), hold(3, q, 5, 40, 50)}, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := evidenceOf(stateOf(len(c.made), c.made...))
			e.holders = c.holders
			for _, at := range c.crashes {
				e.crashes = append(e.crashes, span{ms(at), ms(at)})
			}
			res := &result{set: e.set}
			e.checkHolders(res)
			if res.overlaps != c.overlaps || res.leasesLost != c.lost || len(res.problems) != c.overlaps {
				t.Errorf("%d overlaps, %d leases lost, want %d, %d\n%s", res.overlaps, res.leasesLost, c.overlaps, c.lost, res.explain())
			}
		})
	}
	t.Run("a wrong clock", func(t *testing.T) {
		// Leases of 3 s, asked for at 10 s. The process was paused for 2 s.
		const s = 1000
		for _, c := range []struct {
			name     string
			store    string
			clocks   *clocks
			from, to int64 // its pause
			next     int64 // when the next one holds the session
			overlaps int
		}{
			{"the database's clock", wire.PostgreSQL, new(clocks), 8 * s, 10 * s, 12500, 1},
			{"no clock to set", wire.Cosmos, nil, 8 * s, 10 * s, 12500, 1},
			{"long after the pause", wire.Cosmos, new(clocks), 1 * s, 3 * s, 12500, 0},
			{"long after the pause, much too early", wire.Cosmos, new(clocks), 1 * s, 3 * s, 11500, 1},
			{"right after the pause", wire.Cosmos, new(clocks), 7500, 9500, 10500, 0},
		} {
			paused := &process{name: "p", clocks: c.clocks, halts: []halt{{from: ms(c.from), to: ms(c.to)}}}
			e := evidenceOf(stateOf(1, 2))
			e.set = &settings{store: c.store, mode: faultPause, lease: 3 * time.Second}
			e.holders = []*holder{hold(1, paused, 10*s, 10*s, 20*s), hold(2, q, 10*s, c.next, c.next+10)}
			res := &result{set: e.set}
			e.checkHolders(res)
			if res.overlaps != c.overlaps || res.leasesLost != 1-c.overlaps {
				t.Errorf("%s: %d overlaps, %d leases lost, want %d, %d", c.name, res.overlaps, res.leasesLost, c.overlaps, 1-c.overlaps)
			}
		}
	})
	t.Run("freed", func(t *testing.T) {
		for _, c := range []struct {
			name       string
			halt       halt
			next       int64 // when the next one holds the session; 0: nobody
			asks, told int64 // the one who waits
			waited     int64
			notFreed   int
		}{
			{"at once", halt{ms(20), ms(21), true}, 30, 10, 50, 10, 0},
			{"after the lease", halt{ms(20), ms(21), true}, 119, 10, 150, 99, 0},
			{"much later", halt{ms(20), ms(21), true}, 1900, 10, 1950, 1880, 1},
			{"never", halt{ms(20), ms(21), true}, 0, 10, 4000, 3980, 1},
			{"never, but given up soon", halt{ms(20), ms(21), true}, 0, 10, 140, 120, 0},
			{"asked for later", halt{ms(20), ms(21), true}, 1900, 1890, 1950, 0, 0},
			{"stopped, and much later", halt{ms(20), ms(1800), false}, 1900, 10, 1950, 1880, 1},
			{"stopped for a moment", halt{ms(20), ms(30), false}, 1900, 10, 1950, 0, 0},
		} {
			p := &process{name: "p", halts: []halt{c.halt}}
			dead := &holder{ID: wire.ID{Client: 1, Number: 1}, process: p, asked: 0, entered: ms(5), left: never, done: never}
			waits := told(2, c.asks, c.told, 1)
			waits.process = "q"
			e := evidenceOf(stateOf(1, 2), waits)
			e.processes = []*process{p, q}
			e.holders = []*holder{dead}
			if c.next > 0 {
				e.holders = append(e.holders, hold(2, q, c.asks, c.next, c.next+1))
			}
			res := &result{set: e.set}
			e.checkFreed(res)
			if res.longestFree != ms(c.waited) || res.notFreed != c.notFreed {
				t.Errorf("%s: %v, %d not freed, want %dms, %d", c.name, round(res.longestFree), res.notFreed, c.waited, c.notFreed)
			}
		}
	})
}

// count returns the numbers from 1 to n.
func count(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i+1)
	}
	return numbers
}
