package otelsession_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	otelsession "github.com/sessionstate/sessionstate/observers/otel"
)

var (
	noMetrics = metricnoop.NewMeterProvider()
	noTraces  = tracenoop.NewTracerProvider()
)

func newMeters() metric.MeterProvider {
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
}

func newObserver(t testing.TB, cfg otelsession.Config) *otelsession.Observer {
	t.Helper()
	o, err := otelsession.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// hotEvents are those of every request.
var hotEvents = []session.Event{
	{Kind: session.EventStoreCall, Op: session.OpAcquire, Duration: time.Millisecond, Size: 1000},
	{Kind: session.EventAcquired, Duration: time.Millisecond},
	{Kind: session.EventStoreCall, Op: session.OpSave, Duration: time.Millisecond, Size: 1000},
	{Kind: session.EventSaved, Duration: time.Millisecond, Size: 1000},
	{Kind: session.EventReleased, Duration: time.Millisecond},
}

// TestNoAllocations: a request whose span is not recorded costs no allocation,
// with OpenTelemetry's SDK for metrics as without one.
func TestNoAllocations(t *testing.T) {
	for name, meters := range map[string]metric.MeterProvider{"SDK": newMeters(), "no SDK": noMetrics} {
		o := newObserver(t, otelsession.Config{MeterProvider: meters, TracerProvider: noTraces})
		ctx := t.Context()
		events := slices.Concat(hotEvents, []session.Event{{Kind: session.EventAcquireFailed, Err: session.ErrQueueFull}})
		for k := session.EventKind(1); k.String() != "unknown"; k++ {
			events = append(events, session.Event{Kind: k})
		}
		for _, e := range events {
			if n := testing.AllocsPerRun(100, func() { o.Observe(ctx, e) }); n != 0 {
				t.Errorf("%s: %v: %v allocations", name, e.Kind, n)
			}
		}
	}
}

// BenchmarkObserve is the five events of a request that acquires and saves.
// Beside it, the least that OpenTelemetry's API makes them cost: the eight
// measurements alone.
func BenchmarkObserve(b *testing.B) {
	tracers := sdktrace.NewTracerProvider()
	recorded, span := tracers.Tracer("bench").Start(context.Background(), "request")
	defer span.End()
	for _, c := range []struct {
		name string
		ctx  context.Context
		cfg  otelsession.Config
	}{
		{"no SDK", context.Background(), otelsession.Config{MeterProvider: noMetrics, TracerProvider: noTraces}},
		{"metrics", context.Background(), otelsession.Config{MeterProvider: newMeters(), TracerProvider: noTraces}},
		{"metrics and spans", recorded, otelsession.Config{MeterProvider: newMeters(), TracerProvider: tracers}},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := newObserver(b, c.cfg)
			b.ReportAllocs()
			for b.Loop() {
				for _, e := range hotEvents {
					o.Observe(c.ctx, e)
				}
			}
		})
	}
	b.Run("the SDK's measurements alone", func(b *testing.B) {
		h, err := newMeters().Meter("bench").Float64Histogram("h")
		if err != nil {
			b.Fatal(err)
		}
		opts := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("session.mode", "exclusive")))}
		b.ReportAllocs()
		for b.Loop() {
			for range 8 {
				h.Record(context.Background(), .001, opts...)
			}
		}
	})
}

// exchange is an exchange that costs next to nothing.
type exchange struct{ cookies []string }

func (ex *exchange) RequestHeader(name string) []string {
	if name == "Cookie" {
		return ex.cookies
	}
	return nil
}

func (*exchange) ReplyHeader(string) []string      { return nil }
func (*exchange) SetReplyHeader(string, ...string) {}
func (*exchange) Secure() bool                     { return true }

// BenchmarkRequest is a request that changes its session in memory, without
// HTTP, which is where an Observer weighs most.
func BenchmarkRequest(b *testing.B) {
	for _, c := range []struct {
		name     string
		observer session.Observer
	}{
		{"no observer", nil},
		{"no SDK", newObserver(b, otelsession.Config{MeterProvider: noMetrics, TracerProvider: noTraces})},
		{"metrics", newObserver(b, otelsession.Config{MeterProvider: newMeters(), TracerProvider: noTraces})},
	} {
		b.Run(c.name, func(b *testing.B) {
			m, err := session.New(memstore.New(), session.Config{
				Observer: c.observer, Logger: slog.New(slog.DiscardHandler), ReapInterval: -1,
			})
			if err != nil {
				b.Fatal(err)
			}
			ex, n, id := &exchange{}, 0, ""
			request := func() {
				rq, ctx := m.Begin(context.Background(), ex)
				s, err := m.Acquire(ctx)
				if err != nil {
					b.Fatal(err)
				}
				n++
				if err := countKey.Set(s, n); err != nil {
					b.Fatal(err)
				}
				if id == "" {
					id = s.ID()
				}
				if err := rq.Finish(ctx, session.Outcome{Status: 200}); err != nil {
					b.Fatal(err)
				}
			}
			request()
			ex.cookies = []string{"session=" + id}
			b.ReportAllocs()
			for b.Loop() {
				request()
			}
			if err := m.Close(context.Background()); err != nil {
				b.Error(err)
			}
		})
	}
}
