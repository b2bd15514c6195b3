package otelsession_test

import (
	"encoding/hex"
	"fmt"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	session "github.com/sessionstate/sessionstate/core"
)

// TestLeaksAreFound: what start looks for at the end of every test would be
// found in spans, their events and metrics.
func TestLeaksAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, session.Config{})
		var key session.StoreKey
		id := s.stored()
		s.request(id, session.Snapshot, func(sess *session.Session) { key = sess.StoreKey() })
		if leaks := s.leaks(); leaks != nil {
			t.Fatalf("found at first: %q", leaks)
		}
		tracer, meter := s.tracers.Tracer("leaks"), s.meters.Meter("leaks")
		for i, leak := range []attribute.KeyValue{
			attribute.String("a", id), attribute.String("a", owner),
			attribute.String("a", string(key[:])), attribute.ByteSlice("a", key[:]),
			attribute.String("a", hex.EncodeToString(key[:])), attribute.String("a", fmt.Sprint(key)),
		} {
			_, span := tracer.Start(t.Context(), "leak", trace.WithAttributes(leak))
			span.End()
			if s.leaks() == nil {
				t.Errorf("leak %d was not found in a span", i)
			}
			s.spans.Reset()
			_, span = tracer.Start(t.Context(), "leak")
			span.AddEvent("leak", trace.WithAttributes(leak))
			span.End()
			if s.leaks() == nil {
				t.Errorf("leak %d was not found in an event", i)
			}
			s.spans.Reset()
		}
		counter, err := meter.Int64Counter("leak")
		if err != nil {
			t.Fatal(err)
		}
		counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("a", id)))
		if s.leaks() == nil {
			t.Error("a leak was not found in a metric")
		}
		s.secrets = nil // the reader keeps that
	})
}
