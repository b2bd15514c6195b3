package otelsession

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	session "github.com/sessionstate/sessionstate/core"
)

// scope is the name under which SDKs know what this package measures.
const scope = "github.com/sessionstate/sessionstate/observers/otel"

// Config configures an Observer. The zero Config is a good one.
type Config struct {
	// MeterProvider makes the instruments. To measure nothing, set
	// noop.NewMeterProvider() of package go.opentelemetry.io/otel/metric/noop.
	// Default: the global one, otel.GetMeterProvider(), which may get its SDK
	// after New.
	MeterProvider metric.MeterProvider

	// TracerProvider makes the spans. To have none, set
	// noop.NewTracerProvider() of package go.opentelemetry.io/otel/trace/noop.
	// Default: the global one, otel.GetTracerProvider(), which may get its SDK
	// after New.
	TracerProvider trace.TracerProvider

	// StoreSpans makes a span of every call of the store that a request
	// makes. Drivers of databases that are traced themselves have such spans
	// already. Default: false.
	StoreSpans bool
}

// Observer is a session.Observer that turns events into measurements and
// spans. It is safe for concurrent use and needs no end: what it has measured
// is its providers' to export.
type Observer struct {
	instruments
	*tables
	tracer     trace.Tracer
	storeSpans bool
}

var _ session.Observer = (*Observer)(nil)

// New returns an Observer, for session.Config. It makes all instruments; an
// error is the MeterProvider's, who refused one of them.
func New(cfg Config) (*Observer, error) {
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	o := &Observer{tables: newTables(), tracer: cfg.TracerProvider.Tracer(scope), storeSpans: cfg.StoreSpans}
	var err error
	if o.instruments, err = newInstruments(cfg.MeterProvider.Meter(scope)); err != nil {
		return nil, fmt.Errorf("otelsession: New: make the instruments: %w", err)
	}
	return o, nil
}

// Observe implements session.Observer. Kinds of events that it does not know,
// of a later version of package session, it leaves alone.
func (o *Observer) Observe(ctx context.Context, e session.Event) {
	switch e.Kind {
	case session.EventStoreCall:
		o.storeCall(ctx, e)
	case session.EventAcquired, session.EventAcquireFailed, session.EventWaiting, session.EventWaited, session.EventTakeover:
		o.acquire(ctx, e)
	case session.EventReleased, session.EventSaved, session.EventSaveFailed, session.EventLockLost, session.EventConflict:
		o.use(ctx, e)
	default:
		o.seldom(ctx, e)
	}
}

// storeCall is told of every call of the store.
func (o *Observer) storeCall(ctx context.Context, e session.Event) {
	op := operationIndex(e.Op)
	attrs := o.operations[op].of(e.Err)
	o.storeDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
	if d := direction(e.Op); e.Size > 0 && d != noDirection {
		o.storeIO.Add(ctx, int64(e.Size), o.directions[d].add...)
	}
	if o.storeSpans {
		o.span(ctx, operationSpans[op], e, attrs)
	}
}

// acquire is told of how requests get their sessions.
func (o *Observer) acquire(ctx context.Context, e session.Event) {
	mode := modeIndex(e.Mode)
	attrs := o.modes[mode].of(e.Err)
	switch e.Kind {
	case session.EventAcquired:
		attrs = &o.acquired[mode][index(e.Waited)]
		o.acquireDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		o.span(ctx, "session.acquire", e, attrs)
	case session.EventAcquireFailed:
		o.acquireDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		o.span(ctx, "session.acquire", e, attrs)
	case session.EventWaiting:
		o.waitingRequests.Add(ctx, 1, o.modes[mode][noError].add...)
	case session.EventWaited:
		o.waitingRequests.Add(ctx, -1, o.modes[mode][noError].add...) // as it was counted when it began
		o.waitDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		o.span(ctx, "session.wait", e, attrs)
	case session.EventTakeover:
		o.lockTakeovers.Add(ctx, 1)
		spanEvent(ctx, "session.lock_takeover", attrs)
	}
}

// use is told of what requests do with their sessions.
func (o *Observer) use(ctx context.Context, e session.Event) {
	mode := modeIndex(e.Mode)
	attrs := &o.modes[mode][noError]
	switch e.Kind {
	case session.EventReleased:
		o.holdDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		o.span(ctx, "session.hold", e, attrs)
	case session.EventSaved, session.EventSaveFailed:
		saved := o.saved[mode][index(e.Removed)].of(e.Err)
		o.saveDuration.Record(ctx, e.Duration.Seconds(), saved.record...)
		if hasSize(e) {
			o.saveSize.Record(ctx, int64(e.Size), attrs.record...)
		}
		o.span(ctx, "session.save", e, saved)
	case session.EventLockLost:
		o.lockLosses.Add(ctx, 1) // the hold goes on until EventReleased, which tells its whole duration
		spanEvent(ctx, "session.lock_loss", attrs)
	case session.EventConflict:
		o.conflicts.Add(ctx, 1)
		spanEvent(ctx, "session.conflict", attrs)
	}
}

// seldom is told of what most requests have nothing to do with.
func (o *Observer) seldom(ctx context.Context, e session.Event) {
	mode := &o.modes[modeIndex(e.Mode)]
	end := &o.ends[reasonIndex(e.Reason)]
	switch e.Kind {
	case session.EventUnknownID:
		o.unknownIDs.Add(ctx, 1, mode[noError].add...)
		spanEvent(ctx, "session.unknown_id", &mode[noError])
	case session.EventCorrupt: // its error is always the same
		o.corruptReads.Add(ctx, 1, mode[noError].add...)
		spanEvent(ctx, "session.corrupt", &mode[noError])
	case session.EventStarted:
		attrs := mode.of(e.Err)
		o.startDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		o.span(ctx, "session.start", e, attrs)
	case session.EventEnded, session.EventEndFailed:
		o.endDuration.Record(ctx, e.Duration.Seconds(), end.of(e.Err).record...)
	case session.EventEndLost:
		if e.Duration > 0 { // else OnEnd was not called: the processes that were to do it have died
			o.endDuration.Record(ctx, e.Duration.Seconds(), end.of(e.Err).record...)
		}
		o.endLosses.Add(ctx, 1, end[noError].add...)
	case session.EventOwnerLimit:
		attrs := o.errors.of(e.Err)
		o.ownerLimitHits.Add(ctx, 1, attrs.add...)
		spanEvent(ctx, "session.owner_limit", attrs)
	case session.EventBackground:
		o.backgroundFailures.Add(ctx, 1, o.errors.of(e.Err).add...)
	}
}

// hasSize reports whether something was stored. Of a session that was removed
// there is no size.
func hasSize(e session.Event) bool { return e.Kind == session.EventSaved && !e.Removed }
