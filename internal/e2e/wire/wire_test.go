package wire

import (
	"math/rand/v2"
	"testing"
)

// TestLedger: whatever the order, each number is there once, and those added
// again are told.
func TestLedger(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var l Ledger
		want, again := make(map[ID]bool), 0
		for range 60 {
			id := ID{7, rng.IntN(3), 1 + rng.IntN(40)}
			if want[id] {
				again++
			}
			want[id] = true
			l = l.Add(id)
		}
		if len(l.Again) != again || l.Len() != len(want)+again {
			t.Fatalf("%v: %d again, %d in all, want %d and %d", l, len(l.Again), l.Len(), again, len(want)+again)
		}
		for client := range 3 {
			for n := range 43 {
				if id := (ID{7, client, n}); l.Has(id) != want[id] {
					t.Fatalf("%v: Has(%v) is %v", l, id, l.Has(id))
				}
			}
			ranges := l.Made[client]
			for i := 1; i < len(ranges); i++ {
				if ranges[i][0] <= ranges[i-1][1]+1 {
					t.Fatalf("%v: ranges that touch", ranges)
				}
			}
		}
	}
}

func TestNow(t *testing.T) {
	first := Now()
	if first <= 0 || Now() < first {
		t.Errorf("%d, then less", first)
	}
}
