package otelsession

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	session "github.com/sessionstate/sessionstate/core"
)

// operationSpans are the names of the spans of the store's calls.
var operationSpans = func() (names [len(operationNames)]string) {
	for op, name := range operationNames {
		names[op] = "session.store." + name
	}
	return names
}()

// span makes a span of what has just ended, below the request's.
func (o *Observer) span(ctx context.Context, name string, e session.Event, attrs *options) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	now := time.Now()
	_, s := o.tracer.Start(ctx, name, trace.WithTimestamp(now.Add(-e.Duration)), attrs.span)
	if hasSize(e) {
		s.SetAttributes(sizeKey.Int(e.Size))
	}
	if e.Err != nil && (e.Kind != session.EventStoreCall || !isAnswer(e.Err)) {
		s.SetStatus(codes.Error, "") // error.type says what
	}
	s.End(trace.WithTimestamp(now))
}

// spanEvent notes in the request's span what has no duration.
func spanEvent(ctx context.Context, name string, attrs *options) {
	if s := trace.SpanFromContext(ctx); s.IsRecording() {
		s.AddEvent(name, attrs.span)
	}
}
