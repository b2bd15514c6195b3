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
}

// Observer is a session.Observer that turns events into measurements and
// spans. It is safe for concurrent use and needs no end: what it has measured
// is its providers' to export.
type Observer struct {
	instruments
	tables
	tracer trace.Tracer
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
	o := &Observer{tables: newTables(), tracer: cfg.TracerProvider.Tracer(scope)}
	var err error
	if o.instruments, err = newInstruments(cfg.MeterProvider.Meter(scope)); err != nil {
		return nil, fmt.Errorf("otelsession: New: make the instruments: %w", err)
	}
	return o, nil
}

// Observe implements session.Observer. Kinds of events that it does not know,
// of a later version of package session, it leaves alone.
func (o *Observer) Observe(ctx context.Context, e session.Event) {
	mode := indexOf(e.Mode)
	attrs := &o.byModeAndError[mode][noError]
	if e.Err != nil {
		attrs = &o.byModeAndError[mode][classOf(e.Err)]
	}
	switch e.Kind {
	case session.EventAcquired:
		attrs = &o.acquired[mode][index(e.Waited)]
		o.acquireDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		o.span(ctx, "session.acquire", e, attrs)
	case session.EventAcquireFailed:
		o.acquireDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		o.span(ctx, "session.acquire", e, attrs)
	case session.EventReleased:
		o.holdDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		o.span(ctx, "session.hold", e, attrs)
	case session.EventSaved, session.EventSaveFailed:
		o.saveDuration.Record(ctx, e.Duration.Seconds(), attrs.record...)
		if hasSize(e) {
			o.saveSize.Record(ctx, int64(e.Size), attrs.record...)
		}
		o.span(ctx, "session.save", e, attrs)
	case session.EventLockLost:
		o.lockLosses.Add(ctx, 1) // the hold goes on until EventReleased, which tells its whole duration
	case session.EventConflict:
		o.conflicts.Add(ctx, 1)
		spanEvent(ctx, "session.conflict", attrs)
	case session.EventUnknownID:
		o.unknownIDs.Add(ctx, 1, attrs.add...)
		spanEvent(ctx, "session.unknown_id", attrs)
	case session.EventCorrupt:
		attrs = &o.byModeAndError[mode][noError] // its error is always the same
		o.corruptReads.Add(ctx, 1, attrs.add...)
		spanEvent(ctx, "session.corrupt", attrs)
	case session.EventBackground:
		o.backgroundFailures.Add(ctx, 1, o.byError[classOf(e.Err)].add...)
	}
}

// hasSize reports whether something was stored. Of a session that was removed
// there is no size.
func hasSize(e session.Event) bool { return e.Kind == session.EventSaved && e.Size > 0 }
