// Package telemetry turns on what the examples tell OpenTelemetry: the metrics
// of their sessions, and a trace of each request. A service of your own has its
// SDK and its tracing middleware already, and needs of this only the line with
// otelsession.New.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	session "github.com/sessionstate/sessionstate/core"
	otelsession "github.com/sessionstate/sessionstate/observers/otel"
)

// Help says what SESSION_TELEMETRY may be.
const Help = `SESSION_TELEMETRY says where metrics and traces go:
  (nothing)                                nowhere (the default)
  stdout                                   to the standard output, in JSON: metrics every ten
                                           seconds and at the end, traces as requests end`

// interval is how often metrics are printed.
const interval = 10 * time.Second

// Start turns on what SESSION_TELEMETRY names, and sets OpenTelemetry's global
// providers to it. The observer is for session.Config; it is nil, which costs
// nothing, if there is no telemetry. stop, after the Manager's Close, prints
// what is left.
func Start(name string, stdout io.Writer) (observer session.Observer, stop func(context.Context) error, err error) {
	switch name {
	case "":
		return nil, func(context.Context) error { return nil }, nil
	case "stdout":
	default:
		return nil, nil, fmt.Errorf("SESSION_TELEMETRY is %q:\n%s", name, Help)
	}
	w := &lockedWriter{w: stdout}
	metrics, err := stdoutmetric.New(stdoutmetric.WithWriter(w))
	if err != nil {
		return nil, nil, err
	}
	traces, err := stdouttrace.New(stdouttrace.WithWriter(w))
	if err != nil {
		return nil, nil, err
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics, sdkmetric.WithInterval(interval))))
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(traces))
	otel.SetMeterProvider(meters)
	otel.SetTracerProvider(tracers)
	stop = func(ctx context.Context) error {
		otel.SetMeterProvider(metricnoop.NewMeterProvider())
		otel.SetTracerProvider(tracenoop.NewTracerProvider())
		return errors.Join(tracers.Shutdown(ctx), meters.Shutdown(ctx))
	}
	observer, err = otelsession.New(otelsession.Config{StoreSpans: true}) // the global providers
	if err != nil {
		return nil, nil, errors.Join(err, stop(context.Background()))
	}
	return observer, stop, nil
}

// Handler puts each request into a span, which those of its session are below.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, end := Request(r.Context(), r.Method)
		defer end()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Request begins a request's span. Its name is the method, and no more: a path
// is the client's to choose, and there are sessions whose ID is part of it.
func Request(ctx context.Context, method string) (_ context.Context, end func()) {
	name := "HTTP"
	for _, m := range [...]string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if m == method {
			name = m
		}
	}
	ctx, span := otel.Tracer("shop").Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func() { span.End() }
}

// lockedWriter keeps what two exporters write apart.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
