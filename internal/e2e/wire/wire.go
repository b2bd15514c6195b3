// Package wire is what the service and the program that drives it tell each
// other: who asks for what, what came of it, and which clock both go by.
package wire

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// The headers of a reply.
const (
	// Value is the counter's value right after the increment, in a reply that
	// confirms it. It is set when the session has been stored, not before.
	Value = "E2e-Value"
	// Outcome is Refused or Unknown in every reply that confirms nothing.
	Outcome = "E2e-Outcome"
)

// What becomes of an increment that is not confirmed.
const (
	Refused = "refused" // it was not made, and never will be
	Unknown = "unknown" // it was made, or will be, or not
)

// The names of the service's parameters.
const (
	ModeExclusive  = "exclusive"
	ModeConcurrent = "concurrent"
	ModeReadOnly   = "readonly"
	ModeSnapshot   = "snapshot"
)

// ID names one increment. Numbers are counted per session and client, from 1.
type ID struct {
	Session int `json:"s"`
	Client  int `json:"c"`
	Number  int `json:"n"`
}

func (id ID) String() string {
	return fmt.Sprintf("session %d, client %d, increment %d", id.Session, id.Client, id.Number)
}

// Range is a run of numbers, both ends included.
type Range [2]int

// Ledger is a session's own list of the increments that were made in it. It
// grows with the gaps between them, not with their number.
type Ledger struct {
	Made  map[int][]Range `json:"made"`            // by client, in order
	Again []ID            `json:"again,omitempty"` // those that were made once more
}

// Add returns l with one more increment. It may change what l refers to.
func (l Ledger) Add(id ID) Ledger {
	if l.Made == nil {
		l.Made = make(map[int][]Range)
	}
	ranges := l.Made[id.Client]
	i, found := find(ranges, id.Number)
	switch {
	case found:
		l.Again = append(l.Again, id)
	case i > 0 && ranges[i-1][1] == id.Number-1:
		ranges[i-1][1] = id.Number
		if i < len(ranges) && ranges[i][0] == id.Number+1 {
			ranges[i-1][1] = ranges[i][1]
			ranges = slices.Delete(ranges, i, i+1)
		}
	case i < len(ranges) && ranges[i][0] == id.Number+1:
		ranges[i][0] = id.Number
	default:
		ranges = slices.Insert(ranges, i, Range{id.Number, id.Number})
	}
	l.Made[id.Client] = ranges
	return l
}

// Has reports whether the increment was made.
func (l Ledger) Has(id ID) bool {
	_, found := find(l.Made[id.Client], id.Number)
	return found
}

// Len is how many increments were made, those made again counted again.
func (l Ledger) Len() int {
	n := len(l.Again)
	for _, ranges := range l.Made {
		for _, r := range ranges {
			n += r[1] - r[0] + 1
		}
	}
	return n
}

// find returns the range that n is in, or else where a range of its own goes.
func find(ranges []Range, n int) (int, bool) {
	return slices.BinarySearchFunc(ranges, n, func(r Range, n int) int {
		switch {
		case r[1] < n:
			return -1
		case r[0] > n:
			return 1
		}
		return 0
	})
}

// AddressVariable is the environment variable with the store's address:
// arguments can be seen by every user.
const AddressVariable = "E2E_STORE"

// The names of the stores.
const (
	Memory     = "memory"
	PostgreSQL = "postgres"
	Cosmos     = "cosmos"
)

// Calm is what the service answers when its store's faults are to end.
type Calm struct {
	Injected int `json:"injected"` // calls that met one
}

// State is a session's content as the service reports it.
type State struct {
	Gone    bool   `json:"gone,omitempty"` // there is no such session
	Counter int    `json:"counter"`
	Made    int    `json:"made"` // Ledger.Len
	Ledger  Ledger `json:"ledger,omitzero"`
	Locked  bool   `json:"locked,omitempty"` // somebody holds it
}

// Stats is what a process says of itself.
type Stats struct {
	Goroutines int    `json:"goroutines"`
	Heap       uint64 `json:"heap"` // bytes in use after a collection

	Wall    time.Time     `json:"wall"`    // the time of day
	Elapsed time.Duration `json:"elapsed"` // since it started, by its monotonic clock
}

// Kind says what an Event tells of.
type Kind string

// What happens to the holder of a lock, in order.
const (
	Enter  Kind = "enter"  // the session is acquired
	Extend Kind = "extend" // the lease was renewed
	Leave  Kind = "leave"  // the handler does not use the session any more
	Done   Kind = "done"   // the session is released, or given up
)

// Event is one line of a service's journal, which survives its process. Instants
// are Now's.
type Event struct {
	Kind Kind  `json:"k"`
	ID   ID    `json:"id"`
	At   int64 `json:"at"`
	// Asked is when the store was asked for what it granted: the lock (Enter)
	// or its renewal (Extend). A lease counts from then at the earliest.
	Asked int64 `json:"asked,omitempty"`
}

// Now is the time by the clock that all processes of a machine share, in
// nanoseconds. It never goes back.
func Now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0 // no system of this century
	}
	return t.Nano()
}
