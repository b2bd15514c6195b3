package otelsession_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
	otelsession "github.com/sessionstate/sessionstate/observers/otel"
)

// A service that measures its sessions. It reads its own metrics; others have
// a periodic reader export them.
func Example() {
	reader := sdkmetric.NewManualReader()
	observer, err := otelsession.New(otelsession.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(memstore.New(), session.Config{Observer: observer})
	if err != nil {
		log.Fatal(err)
	}
	visits := session.NewKey[int]("visits")
	service := httpsession.New(sessions)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := httpsession.Acquire(r)
		if err == nil {
			err = visits.Update(s, func(n int) int { return n + 1 })
		}
		if err != nil {
			httpsession.Fail(w, r, err)
		}
	}))
	service.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://example.com/", nil))

	var measured metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &measured); err != nil {
		log.Fatal(err)
	}
	var names []string
	for _, scope := range measured.ScopeMetrics {
		for _, m := range scope.Metrics {
			names = append(names, fmt.Sprintf("%s in %s", m.Name, m.Unit))
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Println(name)
	}
	if err := sessions.Close(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// session.acquire.duration in s
	// session.hold.duration in s
	// session.save.duration in s
	// session.save.size in By
	// session.store.duration in s
	// session.store.io in By
}
