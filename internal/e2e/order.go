package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// step is an operation with the value that the counter had after it.
type step struct {
	*operation
	value int
	until int64 // when it must have happened by
}

const (
	never      = int64(1) << 62 // later than everything
	windowSize = 1000           // operations that are checked together, about
	checkTime  = 30 * time.Second
)

// checkOrder checks that each session's history is linearizable: that there is
// an order of all that was done, within the times at which it was under way, in
// which a counter that belongs to one client at a time gives the same answers.
func (e *evidence) checkOrder(res *result) {
	bySession := make([][]*operation, len(e.states))
	for i := range e.history {
		o := &e.history[i]
		bySession[o.Session] = append(bySession[o.Session], o)
	}
	for i, ops := range bySession {
		if text := disorder(ops, &e.states[i], e.begun, e.ended); text != "" {
			res.disordered++
			res.report("the history of session %d is not linearizable: %s", i, text)
		}
	}
}

// disorder returns what is wrong with a session's history; "" if nothing is.
//
// The counter only grows, and by one. So whatever order there is has the
// operations in the order of their values: it is enough to check those of a few
// values at a time, and that none with a higher value ended before one with a
// lower value began.
func disorder(ops []*operation, final *wire.State, begun, ended int64) string {
	steps := stepsOf(ops, final, ended)
	for from, low, latest := 0, 0, (*step)(nil); from < len(steps); {
		to := min(from+windowSize, len(steps))
		for to < len(steps) && steps[to].value == steps[to-1].value {
			to++
		}
		window := steps[from:to]
		if latest != nil {
			for _, s := range window {
				if s.until < latest.invoke {
					return fmt.Sprintf("the first of these two ended before the second began, and saw more:\n    %s\n    %s",
						s.describe(begun), latest.describe(begun))
				}
			}
		}
		if text := checkWindow(window, low, begun); text != "" {
			return text
		}
		for _, s := range window {
			if latest == nil || s.invoke > latest.invoke {
				latest = s
			}
		}
		from, low = to, window[len(window)-1].value
	}
	return ""
}

// stepsOf returns the operations that have happened, by value. Those that nobody
// was told of and that are in the ledger happened some time after they were
// asked for. They are alike but for that time; so if there is an order at all,
// there is one in which those asked for first have the smallest of the values
// that nobody was told.
func stepsOf(ops []*operation, final *wire.State, ended int64) []*step {
	var steps, silent []*step
	told := make(map[int]bool)
	for _, o := range ops {
		switch {
		case o.outcome == confirmed:
			steps = append(steps, &step{o, o.value, o.replied})
			if o.increments() {
				told[o.value] = true
			}
		case o.increments() && final.Ledger.Has(o.ID):
			silent = append(silent, &step{o, 0, never})
		}
	}
	slices.SortFunc(silent, func(a, b *step) int { return cmp.Compare(a.invoke, b.invoke) })
	value := 0
	for _, s := range silent {
		for value++; told[value]; value++ {
		}
		if s.value = value; value <= final.Counter {
			steps = append(steps, s)
		}
	}
	last := &operation{mode: "at the end", invoke: ended, replied: ended, outcome: confirmed, value: final.Counter}
	if len(ops) > 0 {
		last.Session = ops[0].Session
	}
	steps = append(steps, &step{last, final.Counter, ended})
	slices.SortFunc(steps, func(a, b *step) int {
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.invoke, b.invoke))
	})
	return steps
}

// checkWindow has porcupine find an order for steps, from a counter that is low.
func checkWindow(steps []*step, low int, begun int64) string {
	model := porcupine.Model{
		Init: func() any { return low },
		Step: func(state, input, _ any) (bool, any) {
			s := input.(*step)
			if s.increments() {
				return s.value == state.(int)+1, s.value
			}
			return s.value == state.(int), state
		},
	}
	history := make([]porcupine.Operation, len(steps))
	for i, s := range steps {
		history[i] = porcupine.Operation{ClientId: s.Client, Input: s, Call: s.invoke, Return: s.until}
	}
	switch porcupine.CheckOperationsTimeout(model, history, checkTime) {
	case porcupine.Ok:
		return ""
	case porcupine.Unknown:
		return fmt.Sprintf("that it is could not be shown within %v", checkTime)
	}
	_, info := porcupine.CheckOperationsVerbose(model, history, checkTime)
	return stuck(steps, info, low, begun)
}

// stuck shows where the longest order that there is ends.
func stuck(steps []*step, info porcupine.LinearizationInfo, low int, begun int64) string {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	ordered := make(map[*step]bool)
	counter := low
	for _, o := range longest {
		s := o.Input.(*step)
		ordered[s], counter = true, s.value
	}
	var b strings.Builder
	fmt.Fprintf(&b, "in the longest order that there is the counter gets to %d, by\n", counter)
	for _, o := range longest[max(0, len(longest)-4):] {
		fmt.Fprintf(&b, "    %s\n", o.Input.(*step).describe(begun))
	}
	b.WriteString("  and nothing explains what comes next:")
	rest := slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return ordered[s] })
	slices.SortFunc(rest, func(a, b *step) int { return cmp.Compare(a.until, b.until) })
	for _, s := range rest[:min(len(rest), 6)] {
		fmt.Fprintf(&b, "\n    %s", s.describe(begun))
	}
	return b.String()
}
