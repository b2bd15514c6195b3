package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Call describes a call for a rule to decide on.
type Call struct {
	Op  Op
	Key session.StoreKey // zero where the operation has none
	N   int              // how many calls of Op there were, this one included
}

// FaultKind says what becomes of a call.
type FaultKind uint8

// What can become of a call. The errors of failed and hanging calls wrap
// session.ErrUnavailable and what caused them.
const (
	// NoFault: the call is made and its answer passed on.
	NoFault FaultKind = iota

	// FailBefore: the call fails and is not made.
	FailBefore

	// FailAfter: the call is made and its answer, good or bad, is lost.
	FailAfter

	// HangBefore: the call is not made, and hangs until its context ends.
	HangBefore

	// HangAfter: the call is made, and hangs until its context ends.
	HangAfter
)

// Fault is what to do to a call. The zero Fault leaves it alone.
type Fault struct {
	Kind FaultKind

	// Delay is waited for first. If the context ends meanwhile the call is
	// not made.
	Delay time.Duration

	// Err is the cause that FailBefore and FailAfter give. Default: an error
	// that says that it was injected.
	Err error
}

// OpAny stands for every operation, in Faults.Next.
const OpAny Op = "any"

var errInjected = errors.New("injected fault")

// Faults makes the calls of a store fail, hang or lose their answers. At first
// it passes all of them on. It waits with timers and contexts only, so it works
// in a bubble of testing/synctest, and is safe for concurrent use.
//
// A Watch has neither a context nor an error: every Kind but NoFault makes it
// answer that it cannot watch, at once; Delay is ignored.
type Faults struct {
	// Store passes its calls on, as its faults have it. It has exactly the
	// optional interfaces of the store that it wraps.
	Store session.Store

	mu       sync.Mutex
	rule     func(Call) Fault
	script   []*scripted
	calls    map[Op]int
	injected int
}

// scripted is what Next has ordered.
type scripted struct {
	op    Op
	n     int // calls left; negative: all
	fault Fault
}

// NewFaults returns a Faults for the calls of store.
func NewFaults(store session.Store) *Faults {
	f := &Faults{calls: make(map[Op]int)}
	f.Store = intercept(store, f.around)
	return f
}

// Next has the next n calls of op meet fault; a negative n means all of them,
// until Reset. What was ordered first comes first, and what is ordered comes
// before what the rule says.
func (f *Faults) Next(op Op, n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n != 0 {
		f.script = append(f.script, &scripted{op, n, fault})
	}
}

// Rule has rule decide on the calls that Next has nothing ordered for. It is
// called by one goroutine at a time, and must not call the Faults or its Store.
// nil: they are passed on.
func (f *Faults) Rule(rule func(Call) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule = rule
}

// Reset forgets what was ordered, the rule, and all counts.
func (f *Faults) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule, f.script, f.injected = nil, nil, 0
	clear(f.calls)
}

// Injected returns how many calls have met a fault, or a delay.
func (f *Faults) Injected() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.injected
}

// decide returns the fault that a call meets.
func (f *Faults) decide(op Op, key session.StoreKey) (fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	if s := f.scripted(op); s != nil {
		fault = s.fault
	} else if f.rule != nil {
		fault = f.rule(Call{Op: op, Key: key, N: f.calls[op]})
	}
	if fault.Kind != NoFault || fault.Delay > 0 {
		f.injected++
	}
	return fault
}

// scripted takes what was ordered first for op, or nil.
func (f *Faults) scripted(op Op) *scripted {
	for i, s := range f.script {
		if s.op != op && s.op != OpAny {
			continue
		}
		if s.n--; s.n == 0 {
			f.script = append(f.script[:i:i], f.script[i+1:]...)
		}
		return s
	}
	return nil
}

func (f *Faults) around(ctx context.Context, op Op, key session.StoreKey, call func(context.Context) error) error {
	fault := f.decide(op, key)
	if op == OpWatch {
		if fault.Kind != NoFault {
			return errInjected
		}
		return call(ctx)
	}
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return unavailable(op, ctx.Err())
		}
	}
	switch fault.Kind {
	case FailBefore:
		return unavailable(op, fault.cause())
	case FailAfter:
		_ = call(ctx) // its answer is what gets lost
		return unavailable(op, fault.cause())
	case HangBefore:
		<-ctx.Done()
		return unavailable(op, ctx.Err())
	case HangAfter:
		_ = call(ctx)
		<-ctx.Done()
		return unavailable(op, ctx.Err())
	}
	return call(ctx)
}

func (f Fault) cause() error {
	if f.Err != nil {
		return f.Err
	}
	return errInjected
}

func unavailable(op Op, cause error) error {
	return fmt.Errorf("sessiontest: %s: %w: %w", op, session.ErrUnavailable, cause)
}

// Rates says how many calls meet which fault: each rate is a probability from 0
// to 1, and those of the kinds together are 1 at most.
type Rates struct {
	FailBefore, FailAfter, HangBefore, HangAfter float64

	// Delay is how many calls wait first, each for up to MaxDelay.
	Delay    float64
	MaxDelay time.Duration
}

// Random returns a rule for Faults.Rule that injects faults at those rates. The
// n-th call of an operation meets the same fault whenever the seed is the same,
// in whatever order the calls of several operations come.
func Random(seed uint64, rates Rates) func(Call) Fault {
	kinds := []struct {
		kind FaultKind
		rate float64
	}{
		{FailBefore, rates.FailBefore}, {FailAfter, rates.FailAfter},
		{HangBefore, rates.HangBefore}, {HangAfter, rates.HangAfter},
	}
	return func(c Call) (fault Fault) {
		hash := fnv.New64a()
		fmt.Fprint(hash, c.Op, c.N)
		r := rand.New(rand.NewPCG(seed, hash.Sum64()))
		if r.Float64() < rates.Delay {
			fault.Delay = time.Duration(r.Int64N(int64(max(rates.MaxDelay, 1)))) + 1
		}
		roll := r.Float64()
		for _, k := range kinds {
			if roll < k.rate {
				fault.Kind = k.kind
				break
			}
			roll -= k.rate
		}
		return fault
	}
}
