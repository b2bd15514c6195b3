package sessiontest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Harness is a store under test. RunStore asks for a new one for every
// subtest, and subtests run in parallel: each needs data of its own, because
// Advance ages all of it. What a harness opens it closes by testing.TB.Cleanup.
type Harness struct {
	// Store is the store to be proved. If it is a session.Watcher, it can
	// watch by the time the harness is handed over.
	Store session.Store

	// Second is another store on the same data, as another process would
	// open it. A store that lives in one process gives Store again.
	Second session.Store

	// MaxSize is the most Data that the store takes, in bytes. 0: no limit
	// is known, and 1 MiB must work.
	MaxSize int

	// Advance makes all data older by d: expiry, locks, claims and the grace
	// of moves. For a database it shifts the times in its rows; in a bubble
	// it is time.Sleep. It is called while other calls are under way, and
	// fails the test by itself if it cannot.
	Advance func(d time.Duration)
}

// Want says what RunStore must find, and how to run it.
type Want struct {
	// Watcher, OwnerIndex, Iterator and Pinger are the optional interfaces
	// that the store must have. One that is there is tested in any case; one
	// that is wanted and not there fails.
	Watcher, OwnerIndex, Iterator, Pinger bool

	// Bubble runs every subtest, the making of its harness and the store's
	// goroutines included, in a bubble of testing/synctest. The harness must
	// then end all goroutines by Cleanup.
	Bubble bool
}

// RunStore proves that a store obeys the rules S1 to S16 of session.Store and
// of those optional interfaces that it has. newHarness is called at the start
// of each subtest, with that subtest's testing.TB.
func RunStore(t *testing.T, newHarness func(testing.TB) Harness, want Want) {
	t.Helper()
	checks := slices.Concat(
		absenceChecks(), lockChecks(), holderChecks(), writeChecks(), createAndSwapChecks(),
		repeatChecks(), outcomeChecks(), expiryChecks(), moveChecks(), endChecks(), reapChecks(),
		contextChecks(), sharingChecks(),
		watcherChecks(), ownerIndexChecks(), iteratorChecks(), pingerChecks(),
	)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if !c.alone {
				t.Parallel()
			}
			if !want.Bubble {
				c.run(newKit(t, newHarness(t), want))
				return
			}
			skipped := false // which a bubble does not tell its test
			synctest.Test(t, func(t *testing.T) {
				defer func() { skipped = t.Skipped() }()
				c.run(newKit(t, newHarness(t), want))
			})
			if skipped {
				t.Skip("see above")
			}
		})
	}
}

// check is one subtest of RunStore.
type check struct {
	name  string // the rule, a slash, and what it says
	run   func(*kit)
	alone bool // it measures time: no other subtest may run beside it
}
