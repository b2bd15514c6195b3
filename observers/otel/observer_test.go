package otelsession_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	session "github.com/sessionstate/sessionstate/core"
	otelsession "github.com/sessionstate/sessionstate/observers/otel"
)

// TestErrorTypes: every error of package session has an error.type of its own,
// also wrapped; of several the one counts that the client is told.
func TestErrorTypes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{session.ErrNotFound, "not_found"},
		{session.ErrExists, "exists"},
		{&session.LockedError{}, "locked"},
		{session.ErrLockLost, "lock_lost"},
		{session.ErrConflict, "conflict"},
		{session.ErrOutcomeUnknown, "outcome_unknown"},
		{session.ErrQueueFull, "queue_full"},
		{session.ErrAcquireTimeout, "acquire_timeout"},
		{session.ErrReadOnly, "read_only"},
		{session.ErrReleased, "released"},
		{session.ErrRedirect, "redirect"},
		{session.ErrRenewed, "renewed"},
		{session.ErrHeadersSent, "headers_sent"},
		{session.ErrTooLarge, "too_large"},
		{session.ErrTooManySessions, "too_many_sessions"},
		{session.ErrCorrupt, "corrupt"},
		{session.ErrUnavailable, "unavailable"},
		{session.ErrNoSession, "no_session"},
		{context.Canceled, "canceled"},
		{context.DeadlineExceeded, "deadline_exceeded"},
		{errors.New("some driver's, about ada@example.com"), "_OTHER"},
		{fmt.Errorf("%w: %w", session.ErrUnavailable, context.DeadlineExceeded), "unavailable"},
		{fmt.Errorf("%w, and the save before is in doubt: %w", session.ErrLockLost, session.ErrOutcomeUnknown), "outcome_unknown"},
		{errors.Join(session.ErrNoSession, session.ErrUnavailable), "no_session"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, session.Config{})
			s.observer.Observe(t.Context(), session.Event{Kind: session.EventSaveFailed, Err: fmt.Errorf("wrapped: %w", c.err)})
			compare(t, "measurements", s.metrics(), []string{
				"session.save.duration s error.type=" + c.want + ",session.mode=exclusive,session.removed=false: 1, 0",
			})
		})
	}
}

// TestStrangers: a later version of package session may have more kinds and
// modes, and a failure may come without an error.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, session.Config{})
		for kind := range 256 {
			if session.EventKind(kind).String() == "unknown" {
				s.observer.Observe(t.Context(), session.Event{Kind: session.EventKind(kind), Duration: time.Second})
			}
		}
		compare(t, "measurements of unknown kinds", s.metrics(), nil)
		for mode := range 256 {
			s.observer.Observe(t.Context(), session.Event{Kind: session.EventReleased, Mode: session.Mode(mode), Duration: time.Second})
		}
		s.observer.Observe(t.Context(), session.Event{Kind: session.EventBackground})
		compare(t, "measurements", s.metrics(), []string{
			"session.background.failures {failure}: 1",
			"session.hold.duration s session.mode=_OTHER: 252, 252",
			"session.hold.duration s session.mode=concurrent: 1, 1",
			"session.hold.duration s session.mode=exclusive: 1, 1",
			"session.hold.duration s session.mode=read-only: 1, 1",
			"session.hold.duration s session.mode=snapshot: 1, 1",
		})
	})
}

// TestSpansJoinTracesOnly: without a recorded span of the request there is none
// of the session.
func TestSpansJoinTracesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, session.Config{})
		s.observer.Observe(t.Context(), session.Event{Kind: session.EventAcquired})
		dropped := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
		ctx, span := dropped.Tracer("tests").Start(t.Context(), "request")
		s.observer.Observe(ctx, session.Event{Kind: session.EventAcquired})
		span.End()
		ctx, span = s.tracers.Tracer("tests").Start(t.Context(), "request")
		span.End() // as it is when the tracing middleware is inside of the session's
		s.spans.Reset()
		s.observer.Observe(ctx, session.Event{Kind: session.EventReleased})
		s.observer.Observe(ctx, session.Event{Kind: session.EventConflict})
		compare(t, "spans", s.traces(), nil)
	})
}

// TestGlobalProviders: the zero Config uses those.
func TestGlobalProviders(t *testing.T) {
	meters, tracers := otel.GetMeterProvider(), otel.GetTracerProvider()
	defer otel.SetMeterProvider(meters)
	defer otel.SetTracerProvider(tracers)
	s := &service{t: t, reader: sdkmetric.NewManualReader(), spans: tracetest.NewInMemoryExporter()}
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader)))
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans)))

	observer := newObserver(t, otelsession.Config{})
	ctx, span := otel.Tracer("tests").Start(t.Context(), "request")
	observer.Observe(ctx, session.Event{Kind: session.EventReleased, Duration: time.Second})
	span.End()
	compare(t, "measurements", s.metrics(), []string{"session.hold.duration s session.mode=exclusive: 1, 1"})
	if spans := s.traces(); len(spans) != 2 || spans[0] != "session.hold 1s session.mode=exclusive Unset" {
		t.Errorf("spans: %q", spans)
	}
}

// refusing is a MeterProvider whose Meter makes no counters.
type refusing struct{ metric.MeterProvider }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter {
	return refusingMeter{metricnoop.Meter{}}
}

type refusingMeter struct{ metric.Meter }

var errRefused = errors.New("no counters here")

func (refusingMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errRefused
}

func TestNewRefused(t *testing.T) {
	o, err := otelsession.New(otelsession.Config{MeterProvider: refusing{}})
	if o != nil || !errors.Is(err, errRefused) || !strings.HasPrefix(err.Error(), "otelsession: New: ") {
		t.Errorf("got %v, %v", o, err)
	}
}
