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
func printTable(w io.Writer, set *settings, version string, results []*result) {
	fmt.Fprintf(w, "PostgreSQL %s, %d processes, %d clients, 1 hot session and %d cool ones, leases of %v, seed %d.\n\n",
		version, set.processes, set.clients, set.cool, set.lease, set.seed)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "mode\t|\tseconds\toperations\tdisturbances\t|\tconfirmed\trefused\tunknown\t|\tlost\ttwice\tuncalled\toverlaps\tdisordered\tother\t|\tleases lost\tlongest pause\tholders halted\tlongest wait for theirs\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t|\t%.0f\t%d\t%d\t|\t%d\t%d\t%d\t|\t%d\t%d\t%d\t%d\t%d\t%d\t|\t%d\t%v\t%d\t%v\t\n",
			r.set.mode, r.seconds, r.operations, r.faults, r.confirmed, r.refused, r.unknown,
			r.lost, r.twice, r.uncalled, r.overlaps, r.disordered, r.other+r.notFreed,
			r.leasesLost, round(r.longestGap), r.haltedHolders, round(r.longestFree))
	}
	t.Flush()
	fmt.Fprint(w, `
lost: confirmed and not stored. twice: made more than once. uncalled: refused for certain and stored.
overlaps: two holders of a session at once, unless the lease of one had lapsed and nothing of it was stored
(leases lost). disordered: sessions whose history is not linearizable. longest pause: of the hot session.
longest wait for theirs: until a session was free whose holder was killed or stopped; a lease is allowed.
`)
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
				fmt.Fprintf(w, "\nNot confirmed in mode %s:\n", r.set.mode)
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
