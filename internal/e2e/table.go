package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// printTable prints a line for each run. What must be 0 stands together.
func printTable(w io.Writer, set *settings, servers string, results []*result) {
	fmt.Fprintf(w, "%s; %d processes, %d clients, 1 hot session and %d cool ones, leases of %v, seed %d.\n\n",
		servers, set.processes, set.clients, set.cool, set.lease, set.seed)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "store\tfault\t|\tseconds\toperations\tfaults\t|\tconfirmed\trefused\tunknown\t|\tlost\ttwice\tuncalled\toverlaps\tdisordered\tother\t|\tunavailable\tleases lost\tholders halted\tlongest wait for theirs\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t|\t%.0f\t%d\t%d\t|\t%d\t%d\t%d\t|\t%d\t%d\t%d\t%d\t%d\t%d\t|\t%v\t%d\t%d\t%v\t\n",
			r.set.store, r.set.mode, r.seconds, r.operations, max(r.faults, r.calls), r.confirmed, r.refused, r.unknown,
			r.lost, r.twice, r.uncalled, r.overlaps, r.disordered, r.other+r.notFreed,
			round(r.longestGap), r.leasesLost, r.haltedHolders, round(r.longestFree))
	}
	t.Flush()
	fmt.Fprint(w, `
faults: what was done to processes, database or network, or, where these are counted, calls that met it.
lost: confirmed and not stored. twice: made more than once. uncalled: refused for certain and stored.
overlaps: two holders of a session at once, unless the lease of one had lapsed and nothing of it was stored
(leases lost). disordered: sessions whose history is not linearizable. other: replies that nobody should get,
processes that ended badly, sessions that stayed locked. unavailable: the longest time in which the hot session
was of use to nobody. longest wait for theirs: until a session was free whose holder was killed or stopped; a
lease is allowed.
`)
}

// printTrends prints what runs had in use that were made to find out.
func printTrends(w io.Writer, results []*result) {
	begun := false
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	for _, r := range results {
		for _, q := range r.trends {
			if !begun {
				fmt.Fprint(w, "\nIn use, all processes together; medians of a third of the time each, after a sixth of it.\n\n")
				fmt.Fprintln(t, "store\twhat\t|\tfirst third\tlast third\tallowed\t|\tmost\tper hour\t")
				begun = true
			}
			fmt.Fprintf(t, "%s\t%s\t|\t%.1f\t%.1f\t%.1f\t|\t%.1f\t%+.1f\t\n", r.set.store, q.name,
				q.first/q.unit, q.last/q.unit, q.allowed()/q.unit, q.most/q.unit, q.slope/q.unit)
		}
	}
	t.Flush()
}

// printReasons prints why requests were not confirmed, the most frequent reasons
// first.
func printReasons(w io.Writer, results []*result) {
	const most = 8
	for _, r := range results {
		texts := slices.SortedFunc(maps.Keys(r.reasons), func(a, b string) int {
			return cmp.Or(cmp.Compare(r.reasons[b], r.reasons[a]), cmp.Compare(a, b))
		})
		for i, text := range texts {
			switch {
			case i == 0:
				fmt.Fprintf(w, "\nNot confirmed, %s, %s:\n", r.set.store, r.set.mode)
			case i == most:
				fmt.Fprintf(w, "        … and %d other reasons\n", len(texts)-most)
			}
			if i >= most {
				break
			}
			fmt.Fprintf(w, "%7d %s\n", r.reasons[text], text)
		}
	}
}

func round(ns int64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }
