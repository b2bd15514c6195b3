package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// evidence is all that is known of a run.
type evidence struct {
	set          *settings
	begun, ended int64
	played       int64 // when clients and faults had stopped
	history      []operation
	holders      []*holder    // by session and time
	states       []wire.State // by session, at the end
	processes    []*process
	crashes      []span
	faults       int      // disturbances
	calls        int      // of the store that met one, where that is counted
	failed       []string // processes that did not end well
	samples      []sample

	before, after sample // in use when no client had come yet, and when all had gone; of a soak
}

// result is a run's line of the table, and what is wrong.
type result struct {
	set                         *settings
	seconds                     float64
	operations, faults, calls   int
	confirmed, refused, unknown int

	lost          int // confirmed, and not there
	twice         int // made more than once
	uncalled      int // refused for certain, and there
	overlaps      int // two holders at once, without an excuse
	disordered    int // sessions whose history is not linearizable
	notFreed      int // sessions that stayed locked for too long after their holder's death
	other         int // what should never be seen
	leasesLost    int // holders whose lease lapsed or was forgotten, and who met the next one
	longestGap    int64
	longestFree   int64
	haltedHolders int

	trends   []trend // of what is in use
	problems []string
	reasons  map[string]int // why requests were not confirmed, numbers left out
}

// report notes what is wrong, in words.
func (res *result) report(format string, args ...any) {
	res.problems = append(res.problems, fmt.Sprintf(format, args...))
}

// ok reports whether nothing is wrong.
func (res *result) ok() bool { return len(res.problems) == 0 }

// maxProblems is how many of a run's problems are printed.
const maxProblems = 12

// explain returns what is wrong, for people.
func (res *result) explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, seed %d: %d problems:\n", res.set.store, res.set.mode, res.set.seed, len(res.problems))
	for i, p := range res.problems {
		if i == maxProblems {
			fmt.Fprintf(&b, "  … and %d more\n", len(res.problems)-i)
			break
		}
		fmt.Fprintf(&b, "- %s\n", p)
	}
	return b.String()
}

// digits are what makes two reasons differ that are one.
var digits = regexp.MustCompile(`[0-9]+`)

// judge looks for what must not be.
func judge(e *evidence) *result {
	res := &result{set: e.set, seconds: time.Duration(e.played - e.begun).Seconds(), operations: len(e.history), faults: e.faults, calls: e.calls}
	res.reasons = make(map[string]int)
	for i := range e.history {
		o := &e.history[i]
		if o.outcome != confirmed {
			res.reasons[string(o.outcome)+": "+digits.ReplaceAllString(o.why, "N")]++
		}
		switch o.outcome {
		case confirmed:
			res.confirmed++
		case refused:
			res.refused++
		case unknown:
			res.unknown++
		default:
			res.other++
			res.report("a reply that nobody should get: %s", o.describe(e.begun))
		}
	}
	for _, text := range e.failed {
		res.other++
		res.report("%s", text)
	}
	e.checkLedgers(res)
	e.checkHolders(res)
	e.checkFreed(res)
	e.checkOrder(res)
	e.measureGap(res)
	e.checkTrends(res)
	return res
}

// checkLedgers compares what clients were told with what is stored.
func (e *evidence) checkLedgers(res *result) {
	for i, state := range e.states {
		switch {
		case state.Locked:
			res.other++
			res.report("session %d is still locked, more than a lease after everybody has gone", i)
		case state.Gone:
			res.other++
			res.report("session %d is gone", i)
		case state.Counter != state.Made || state.Made != state.Ledger.Len():
			res.other++
			res.report("session %d: its counter is %d, and its ledger has %d increments: two values that only change together have come apart",
				i, state.Counter, state.Made)
		}
	}
	asked := make([]int, len(e.states))
	ops := make(map[wire.ID]*operation)
	for i := range e.history {
		o := &e.history[i]
		if !o.increments() {
			continue
		}
		ops[o.ID] = o
		made := e.states[o.Session].Ledger.Has(o.ID)
		switch {
		case made && o.outcome == refused:
			res.uncalled++
			res.report("an increment was refused for certain, and is stored: %s", o.describe(e.begun))
		case !made && o.outcome == confirmed:
			res.lost++
			res.report("an increment was confirmed, and is not stored: %s", o.describe(e.begun))
		}
		if made {
			asked[o.Session]++
		}
	}
	for i, state := range e.states {
		for _, id := range state.Ledger.Again {
			res.twice++
			text := "by nobody that is known"
			if o := ops[id]; o != nil {
				text = o.describe(e.begun)
			}
			res.report("an increment was made more than once: %s", text)
		}
		if n := state.Ledger.Len() - len(state.Ledger.Again); n > asked[i] {
			res.other++
			res.report("session %d has %d increments that nobody has asked for", i, n-asked[i])
		}
	}
}

// measureGap finds the longest time in which the hot session was of use to
// nobody, while there was somebody who wanted it.
func (e *evidence) measureGap(res *result) {
	at, asked := []int64{e.begun}, e.begun
	for i := range e.history {
		if o := &e.history[i]; o.Session == 0 {
			asked = max(asked, o.invoke)
			if o.outcome == confirmed {
				at = append(at, o.replied)
			}
		}
	}
	at = append(at, asked)
	slices.Sort(at)
	for i := 1; i < len(at); i++ {
		res.longestGap = max(res.longestGap, at[i]-at[i-1])
	}
}
