package otelsession

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// instruments are all that this package measures. README.md has them in a
// table.
type instruments struct {
	acquireDuration, waitDuration, holdDuration, saveDuration, storeDuration metric.Float64Histogram
	startDuration, endDuration                                               metric.Float64Histogram
	saveSize                                                                 metric.Int64Histogram

	waitingRequests metric.Int64UpDownCounter

	lockTakeovers, lockLosses, conflicts, unknownIDs, corruptReads metric.Int64Counter
	storeIO, backgroundFailures, endLosses, ownerLimitHits         metric.Int64Counter
}

// Where the histograms' buckets end, unless a View of the SDK says otherwise.
// Memory answers within microseconds, a database within milliseconds, and what
// lasts longest is a wait (30 s, AcquireTimeout's default) or a hold (110 s,
// ExecutionTimeout's). 1 MiB is MaxSize's default.
var (
	seconds = metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120)
	bytes   = metric.WithExplicitBucketBoundaries(1<<8, 1<<10, 1<<12, 1<<14, 1<<16, 1<<18, 1<<20)
)

func newInstruments(m metric.Meter) (in instruments, err error) {
	duration := func(name, description string) metric.Float64Histogram {
		h, e := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), seconds)
		err = errors.Join(err, e)
		return h
	}
	counter := func(name, unit, description string) metric.Int64Counter {
		c, e := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		err = errors.Join(err, e)
		return c
	}
	in.acquireDuration = duration("session.acquire.duration",
		"How long requests took to get their session, the wait for other requests included.")
	in.waitDuration = duration("session.wait.duration",
		"How long requests that had to wait for others did so.")
	in.holdDuration = duration("session.hold.duration",
		"How long requests held their session.")
	in.saveDuration = duration("session.save.duration",
		"How long it took to store a session's changes, or to remove it, repeats included.")
	in.storeDuration = duration("session.store.duration",
		"How long the store took for a call.")
	in.startDuration = duration("session.start.duration",
		"How long OnStart took for a new session.")
	in.endDuration = duration("session.end.duration",
		"How long OnEnd took for the end of a session.")
	var e error
	in.saveSize, e = m.Int64Histogram("session.save.size", metric.WithUnit("By"), bytes,
		metric.WithDescription("Length of the names and values of sessions that were stored."))
	err = errors.Join(err, e)
	in.waitingRequests, e = m.Int64UpDownCounter("session.waiting_requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that wait for others to get their session."))
	err = errors.Join(err, e)
	in.lockTakeovers = counter("session.lock.takeovers", "{lock}",
		"Locks that requests waited for until their leases had run out.")
	in.lockLosses = counter("session.lock.losses", "{lock}",
		"Locks that requests lost while they ran.")
	in.conflicts = counter("session.conflicts", "{conflict}",
		"Saves of concurrent changes that met another's and were merged anew.")
	in.unknownIDs = counter("session.unknown_ids", "{request}",
		"Requests that presented an ID that the store does not know.")
	in.corruptReads = counter("session.corrupt_reads", "{read}",
		"Reads of stored sessions whose content could not be made out.")
	in.storeIO = counter("session.store.io", "By",
		"Content of sessions that the store has taken and given.")
	in.endLosses = counter("session.end.losses", "{session}",
		"Ends of sessions that OnEnd failed to hear of too often.")
	in.ownerLimitHits = counter("session.owner_limit.hits", "{session}",
		"Sessions that were ended, or not begun, because their owner had too many.")
	in.backgroundFailures = counter("session.background.failures", "{failure}",
		"Work in the background that failed or was dropped.")
	return in, err
}
