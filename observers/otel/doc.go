// Package otelsession tells OpenTelemetry what happens to the sessions of
// package session: as metrics, and as spans in the traces of the requests.
//
//	observer, err := otelsession.New(otelsession.Config{}) // the global providers
//	if err != nil {
//		return err
//	}
//	sessions, err := session.New(store, session.Config{Observer: observer})
//
// It needs OpenTelemetry's API only. Without an SDK that the program sets up,
// nothing is measured, and an event costs some nanoseconds.
//
// # Metrics
//
// The histograms session.acquire.duration, session.wait.duration,
// session.hold.duration and session.save.duration say in seconds how long
// requests took to get their sessions, waited for others, held them, and took to
// store them; session.store.duration how long the store took for each operation;
// session.save.size how large the stored content was, in bytes. The gauge
// session.waiting_requests is the depth of the queues. The counters
// session.lock.takeovers, session.lock.losses, session.conflicts,
// session.unknown_ids, session.corrupt_reads and session.background.failures
// count what should be rare. The README has a table of all of them, with units
// and attributes, and says what to have an eye on.
//
// The number of acquires, holds, saves and ends is the count of their histograms.
// What failed is in the same histogram as what did not, and has the attribute
// error.type, as it is with OpenTelemetry's metrics of HTTP and of databases.
//
// # Attributes
//
// Each has a handful of values: session.mode (exclusive, read-only, snapshot,
// concurrent), session.waited (whether another request was in the way),
// session.removed (whether a save was a removal), session.end.reason,
// session.store.operation, session.store.io.direction, and error.type
// (queue_full, acquire_timeout, unavailable and so on; _OTHER for an error that
// is none of package session's). No ID, StoreKey, owner or token is in any
// attribute, nor the text of an error. All sets of attributes are made by New.
//
// # Traces
//
// A request whose span is recorded gets the spans session.acquire, session.wait,
// session.hold, session.save and session.start below it, with Config.StoreSpans
// also one of each call of the store, and the span's own events
// session.conflict, session.unknown_id, session.corrupt, session.lock_takeover,
// session.lock_loss and session.owner_limit. So the tracing middleware belongs
// outside of the session's. Nothing here begins a trace of its own: a request
// that is not sampled costs no span, nor does work in the background, such as
// the renewal of a lock.
//
// A span is made when what it tells of is over, with the times at which that
// began and ended, since this is when a session.Observer hears of it. That is
// why spans of the store's driver are beside these, not below them.
//
// # Several Managers
//
// An Observer may serve several Managers and is safe for concurrent use. Their
// figures are then one. To keep them apart give each Manager an Observer of its
// own, with MeterProviders whose resources differ.
package otelsession
