package main

import (
	"net/http/httptest"
	"testing"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TestTraced: the handler's context has the request's span, which ends with it.
func TestTraced(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	defer otel.SetTracerProvider(noop.NewTracerProvider())
	var seen trace.SpanContext
	app := fiber.New()
	app.Use(traced)
	app.Post("/", func(c *fiber.Ctx) error {
		seen = trace.SpanContextFromContext(c.UserContext())
		return nil
	})
	res, err := app.Test(httptest.NewRequest("POST", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	got := spans.GetSpans()
	if len(got) != 1 || got[0].Name != "POST" || got[0].SpanContext.SpanID() != seen.SpanID() {
		t.Errorf("the handler is in span %v of %+v", seen.SpanID(), got)
	}
}
