// Package sessiontest proves that a session store, or an adapter to a web
// framework, keeps its contract, wraps stores for the tests of what is built on
// them, and gives tests of handlers a session. Only tests import it.
//
// # Stores
//
// [RunStore] is the conformance kit of [session.Store]. A provider calls it
// from one test and tells it how to make a store on fresh data:
//
//	func TestStore(t *testing.T) {
//		sessiontest.RunStore(t, func(t testing.TB) sessiontest.Harness {
//			db := newDatabase(t) // its own schema, gone with the test
//			return sessiontest.Harness{
//				Store:   open(t, db),
//				Second:  open(t, db),
//				Advance: func(d time.Duration) { db.shiftTimes(d) },
//			}
//		}, sessiontest.Want{Watcher: true, OwnerIndex: true, Iterator: true, Pinger: true})
//	}
//
// A store that lives in one process and goes by the time package is run in
// bubbles of testing/synctest, where hours pass in no time:
//
//	store := memstore.New()
//	return sessiontest.Harness{Store: store, Second: store, Advance: time.Sleep}
//	…
//	sessiontest.Want{Bubble: true}
//
// Every subtest is named by the rule that it proves, as in
// "S5/a lapsed token still holds", or by the optional interface. So
//
//	go test -run 'TestStore/S5'
//
// runs what proves S5, and a failure names the rule that is broken.
//
// What no client of a store can see is not proved here and is left to the
// provider's own tests: that a call is one round trip (S2), that a write
// outlives a crash (S7), what a lost connection or a failover does (S15).
//
// # Adapters
//
// [RunAdapter] is the conformance kit of adapters. It describes servers as
// [Scenario] values, without saying of which framework; the adapter's test
// translates them, and implements [Conversation] on the framework's context
// ([NetHTTP] has most of it for frameworks on net/http). The kit drives the
// real server that comes out of it over loopback:
//
//	func TestConformance(t *testing.T) {
//		sessiontest.RunAdapter(t, newScenarioServer, sessiontest.AdapterWant{
//			Flush: true, Hijack: true, Errors: true, // what the framework can do
//		})
//	}
//
// # Tests of handlers
//
// [Context] gives a test a context with an acquired session in memory, so that
// a handler, or what it calls, can be tested without HTTP:
//
//	ctx := sessiontest.Context(t, map[string]any{"user": "ada"})
//	account(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/account", nil))
//
// docs/testing.md shows more: the whole service, time that passes, a store that
// fails.
//
// # Counting calls
//
// [NewCounter] wraps a store and counts the calls that it gets, for tests that
// promise how many round trips something costs (M21):
//
//	counter := sessiontest.NewCounter(store)
//	sessions, err := session.New(counter.Store, session.Config{})
//	…
//	if got := counter.Total(); got != 2 {
//		t.Errorf("%d round trips: %v", got, counter.Counts())
//	}
//
// # Injecting faults
//
// [NewFaults] wraps a store whose calls fail, hang or lose their answer when
// the test says so:
//
//	faults := sessiontest.NewFaults(store)
//	faults.Next(sessiontest.OpSave, 1, sessiontest.Fault{Kind: sessiontest.FailAfter})
//
// lets the next Save take effect and its caller not know it. [Faults.Rule]
// decides by function, and [Random] is such a function, with rates and a seed.
//
// Counter and Faults have a field Store to be handed on instead of being
// stores themselves, because it has exactly the optional interfaces of the
// store that they wrap.
package sessiontest
