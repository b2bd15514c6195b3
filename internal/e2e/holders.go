package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// holder is a request that was told that it holds a session alone.
type holder struct {
	wire.ID
	process *process
	asked   int64   // when the store was asked for the lock
	entered int64   // when the handler had it
	left    int64   // when it did not use the session any more
	done    int64   // when it was released; MaxInt64: it never was
	renewed []int64 // when the store was asked for renewals that it granted
}

// holdersOf reads the journals. A holder that was killed held its session until
// its process was gone.
func holdersOf(processes []*process) ([]*holder, error) {
	var all []*holder
	for _, p := range processes {
		events, err := p.events()
		if err != nil {
			return nil, err
		}
		end := int64(math.MaxInt64)
		for _, h := range p.halts {
			if h.killed {
				end = h.to
			}
		}
		holds := make(map[wire.ID]*holder)
		for _, e := range events {
			h := holds[e.ID]
			switch {
			case e.Kind == wire.Enter:
				h = &holder{ID: e.ID, process: p, asked: e.Asked, entered: e.At, left: end, done: math.MaxInt64}
				holds[e.ID] = h
				all = append(all, h)
			case h == nil: // of a Concurrent request, which holds a lock for its save only
			case e.Kind == wire.Extend:
				h.renewed = append(h.renewed, e.Asked)
			case e.Kind == wire.Leave:
				h.left = e.At
			case e.Kind == wire.Done:
				h.done = e.At
			}
		}
	}
	slices.SortFunc(all, func(a, b *holder) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.entered, b.entered))
	})
	return all, nil
}

func (h *holder) describe(begun int64) string {
	until := "it never left"
	if h.left != math.MaxInt64 {
		until = fmt.Sprintf("left at %.3fms", millis(h.left-begun))
	}
	if h.done == math.MaxInt64 {
		until += ", never released it"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v (%s) asked at %.3fms, held the session from %.3fms, %s",
		h.ID, h.process.name, millis(h.asked-begun), millis(h.entered-begun), until)
	for _, at := range h.renewed {
		fmt.Fprintf(&b, ", renewed at %.3fms", millis(at-begun))
	}
	for _, halt := range h.process.halts {
		if halt.from < h.left && halt.to > h.asked {
			fmt.Fprintf(&b, ", its process was halted from %.3fms to %.3fms", millis(halt.from-begun), millis(halt.to-begun))
		}
	}
	return b.String()
}

// lapsed reports whether the lease of h may have lapsed before the instant, so
// that others could rightly get the session.
func (h *holder) lapsed(before, lease int64, local bool) bool {
	until := h.asked + lease - h.process.early(h.asked, local)
	for _, at := range h.renewed {
		if at < before {
			until = max(until, at+lease-h.process.early(at, local))
		}
	}
	return until <= before
}

// dateUnit is how exactly a store that goes by processes' clocks corrects one that
// is wrong: by answers that tell the second.
const dateUnit = int64(time.Second)

// early is by how much sooner than promised a lease may end that was asked for at
// an instant. Cosmos DB does not tell its time to a condition, so that the end of
// a lease is by its process's clock. That is off by as much as the process missed
// until it has had an answer, and by up to a second afterwards: see package
// cosmosstore, on time. Where the store's clock is the database's it is nothing.
func (p *process) early(at int64, local bool) (early int64) {
	if !local || p.clocks == nil {
		return 0
	}
	early = dateUnit
	for _, h := range p.halts {
		if h.to <= at+dateUnit && at <= h.to+dateUnit {
			early += h.to - h.from
		}
	}
	return early
}

// checkHolders looks for two who held one session at the same time. It is no
// mistake if the lease of one had lapsed, or a crash of the database has
// forgotten its lock; but then its changes must not have been stored.
func (e *evidence) checkHolders(res *result) {
	lease, local := e.set.lease.Nanoseconds(), e.set.store == wire.Cosmos
	var open []*holder // of one session, that may not have left yet
	losers := make(map[*holder]bool)
	for _, b := range e.holders {
		open = slices.DeleteFunc(open, func(a *holder) bool { return a.Session != b.Session || a.left <= b.entered })
		for _, a := range open {
			crashed := slices.ContainsFunc(e.crashes, func(c span) bool {
				return c.to >= min(a.asked, b.asked) && c.from <= max(a.entered, b.entered)
			})
			aLapsed, bLapsed := a.lapsed(b.entered, lease, local), b.lapsed(a.entered, lease, local)
			aStored, bStored := e.states[a.Session].Ledger.Has(a.ID), e.states[b.Session].Ledger.Has(b.ID)
			var wrong string
			switch {
			case aStored && bStored:
				wrong = "both have changed it"
			case !crashed && !aLapsed && !bLapsed:
				wrong = "neither's lease had lapsed"
			case !crashed && aLapsed && !bLapsed && aStored, !crashed && bLapsed && !aLapsed && bStored:
				wrong = "the one whose lease had lapsed has changed it"
			case bLapsed && !aLapsed:
				losers[b] = true
				continue
			default: // or it was a crash's turn, and either may be the one
				losers[a] = true
				continue
			}
			res.overlaps++
			res.report("two held one session at once, and %s:\n    %s\n    %s", wrong, a.describe(e.begun), b.describe(e.begun))
		}
		open = append(open, b)
	}
	res.leasesLost = len(losers)
}

// checkFreed measures how long the sessions of holders that were killed, or
// stopped for longer than a lease, stayed locked for those who waited.
func (e *evidence) checkFreed(res *result) {
	bySession := make(map[int][]*holder)
	for _, h := range e.holders {
		bySession[h.Session] = append(bySession[h.Session], h)
	}
	asking := make(map[int][]*operation)
	for i := range e.history {
		if o := &e.history[i]; o.mode == wire.ModeExclusive && o.sent {
			asking[o.Session] = append(asking[o.Session], o)
		}
	}
	lease := e.set.lease.Nanoseconds()
	for _, h := range e.holders {
		for _, halt := range h.process.halts {
			if h.entered > halt.from || h.done <= halt.from || halt.to-halt.from < lease && !halt.killed {
				continue
			}
			// The next to hold it, and who can tell how long that took: those
			// who asked before the lease was over, for as long as they and
			// their processes waited.
			next := int64(math.MaxInt64)
			for _, n := range bySession[h.Session] {
				if n.entered > halt.from && n != h {
					next = n.entered
					break
				}
			}
			waited := int64(-1)
			for _, o := range asking[h.Session] {
				if until := e.waitedUntil(o); o.ID != h.ID && o.invoke <= halt.from+lease && until > halt.from {
					waited = max(waited, min(next, until)-halt.from)
				}
			}
			if waited < 0 {
				continue
			}
			res.haltedHolders++
			res.longestFree = max(res.longestFree, waited)
			allowed := lease + slack.Nanoseconds()
			if halt.killed {
				allowed += halt.to - halt.from // it may have lived, and renewed, for that long
			}
			if waited > allowed {
				res.notFreed++
				what := "stopped"
				if halt.killed {
					what = "killed"
				}
				res.report("the session of a holder that was %s stayed locked for %.0fms, its lease is %v:\n    %s",
					what, millis(waited), e.set.lease, h.describe(e.begun))
			}
		}
	}
}

// waitedUntil returns until when an operation was waited for: a client may give
// up, and so may its process.
func (e *evidence) waitedUntil(o *operation) int64 {
	until := o.replied
	for _, p := range e.processes {
		if p.name != o.process {
			continue
		}
		for _, h := range p.halts {
			if h.to > o.invoke {
				until = min(until, h.from)
			}
		}
	}
	return until
}
