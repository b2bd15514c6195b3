package otelsession_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
	otelsession "github.com/sessionstate/sessionstate/observers/otel"
)

var countKey = session.NewKey[int]("count")

// owner is whose the tests' sessions are.
const owner = "ada@example.com"

// service serves sessions in memory, observed, with a span for each request as
// tracing middleware makes it.
type service struct {
	*session.Manager
	t        *testing.T
	observer *otelsession.Observer
	store    session.Store // without the faults
	faults   *sessiontest.Faults
	reader   *sdkmetric.ManualReader
	spans    *tracetest.InMemoryExporter
	tracers  *sdktrace.TracerProvider
	meters   *sdkmetric.MeterProvider

	mu      sync.Mutex
	secrets []string // that nothing exported may contain
}

// start makes a service. It belongs in a bubble, where durations are exact.
// When the test ends, nothing exported may name a session.
func start(t *testing.T, cfg session.Config) *service {
	t.Helper()
	return startWith(t, cfg, otelsession.Config{})
}

// startWith is start with more for otelsession.New than the providers.
func startWith(t *testing.T, cfg session.Config, ocfg otelsession.Config) *service {
	t.Helper()
	store := memstore.New()
	s := &service{
		t: t, store: store, faults: sessiontest.NewFaults(store), secrets: []string{owner},
		reader: sdkmetric.NewManualReader(), spans: tracetest.NewInMemoryExporter(),
	}
	s.tracers = sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans))
	s.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	var err error
	ocfg.MeterProvider, ocfg.TracerProvider = s.meters, s.tracers
	s.observer, err = otelsession.New(ocfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Observer, cfg.Logger = s.observer, slog.New(slog.DiscardHandler)
	cfg.ReapInterval = cmp.Or(cfg.ReapInterval, -1)
	if s.Manager, err = session.New(s.faults.Store, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.faults.Reset()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for _, secret := range s.leaks() {
			t.Errorf("%q is in what was exported", secret)
		}
	})
	return s
}

// request makes one request of the client that has the cookie id, and returns
// the reply's status and the cookie that the client has after it.
func (s *service) request(id string, mode session.Mode, f func(*session.Session)) (status int, after string) {
	s.t.Helper()
	handler := httpsession.New(s.Manager)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sess, err := httpsession.Acquire(r, mode)
		if err != nil {
			httpsession.Fail(w, r, err)
			return
		}
		s.keepSecret(sess.ID())
		s.keepSecret(forms(sess.StoreKey())...)
		f(sess)
	}))
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	if id != "" {
		r.Header.Set("Cookie", "session="+id)
	}
	ctx, span := s.tracers.Tracer("tests").Start(r.Context(), "request")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r.WithContext(ctx))
	span.End()
	for _, c := range w.Result().Cookies() {
		id = c.Value
	}
	return w.Code, id
}

// stored makes a session, forgets what was observed of that, and returns its
// ID.
func (s *service) stored() (id string) {
	s.t.Helper()
	status, id := s.request("", session.Exclusive, func(sess *session.Session) {
		s.set(sess, 1000)
		if err := sess.SetOwner(owner); err != nil {
			s.t.Error(err)
		}
	})
	if status != http.StatusOK || id == "" {
		s.t.Fatalf("storing a session: status %d", status)
	}
	s.spans.Reset()
	return id
}

func (s *service) set(sess *session.Session, n int) {
	if err := countKey.Set(sess, n); err != nil {
		s.t.Errorf("Set: %v", err)
	}
}

// keepSecret has the end of the test look for what was said to be secret.
func (s *service) keepSecret(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, secrets...)
}

// forms returns a key in every form in which it could be exported.
func forms(key session.StoreKey) []string {
	decimal := strings.Trim(fmt.Sprint(key[:]), "[]")
	return []string{
		string(key[:]),
		hex.EncodeToString(key[:]), strings.ToUpper(hex.EncodeToString(key[:])),
		base64.RawStdEncoding.EncodeToString(key[:]), base64.RawURLEncoding.EncodeToString(key[:]),
		decimal, strings.ReplaceAll(decimal, " ", ","),
	}
}

// keyOf returns the key of a session, and forgets the spans of asking for it.
func (s *service) keyOf(id string) (key session.StoreKey) {
	s.t.Helper()
	s.request(id, session.Snapshot, func(sess *session.Session) { key = sess.StoreKey() })
	s.spans.Reset()
	return key
}

// damage cuts off the end of what is stored of a session.
func (s *service) damage(t *testing.T, id string) {
	t.Helper()
	key, token := s.keyOf(id), session.NewToken()
	rec, err := s.store.Acquire(t.Context(), key, token, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	rec.Data, rec.Write = slices.Clone(rec.Data[:len(rec.Data)-1]), session.NewWriteID()
	if err := s.store.Save(t.Context(), key, rec, token, session.Commit{}); err != nil {
		t.Fatal(err)
	}
}

// leaks returns the secrets that were exported.
func (s *service) leaks() (found []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	exported := s.exported()
	for _, secret := range s.secrets {
		if strings.Contains(exported, secret) {
			found = append(found, secret)
		}
	}
	return found
}

// exported returns everything that was exported, as JSON and as Go prints it.
func (s *service) exported() string {
	spans := s.spans.GetSpans()
	metrics := s.collect()
	data, err := json.Marshal([]any{metrics, spans})
	if err != nil {
		s.t.Error(err)
	}
	return fmt.Sprintf("%s %+v %+v", data, metrics, spans)
}

func (s *service) collect() (m metricdata.ResourceMetrics) {
	s.t.Helper()
	if err := s.reader.Collect(context.Background(), &m); err != nil {
		s.t.Error(err)
	}
	return m
}

// metrics returns what was measured, a line for each instrument and set of
// attributes: what the histograms counted and summed up, and the counters.
func (s *service) metrics() (lines []string) {
	s.t.Helper()
	for _, sm := range s.collect().ScopeMetrics {
		for _, m := range sm.Metrics {
			line := func(attrs attribute.Set, value string) {
				text := m.Name + " " + m.Unit
				if a := attrs.Encoded(attribute.DefaultEncoder()); a != "" {
					text += " " + a
				}
				lines = append(lines, text+": "+value)
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					line(p.Attributes, fmt.Sprintf("%d, %v", p.Count, p.Sum))
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					line(p.Attributes, fmt.Sprintf("%d, %v", p.Count, p.Sum))
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					line(p.Attributes, fmt.Sprint(p.Value))
				}
			default:
				s.t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// traces returns the spans in the order of their ends, a line for each: name,
// duration, attributes, status and, after a colon, its events. Spans of
// sessions must be the children of a request's.
func (s *service) traces() (lines []string) {
	s.t.Helper()
	stubs := s.spans.GetSpans()
	for _, span := range stubs {
		line := fmt.Sprint(span.Name, " ", span.EndTime.Sub(span.StartTime))
		set := attribute.NewSet(span.Attributes...)
		line += " " + set.Encoded(attribute.DefaultEncoder()) + " " + span.Status.Code.String()
		for _, e := range span.Events {
			set := attribute.NewSet(e.Attributes...)
			line += ": " + e.Name + " " + set.Encoded(attribute.DefaultEncoder())
		}
		lines = append(lines, strings.TrimSpace(line))
		child := slices.ContainsFunc(stubs, func(p tracetest.SpanStub) bool {
			return p.Name == "request" && p.SpanContext.SpanID() == span.Parent.SpanID() && p.SpanContext.TraceID() == span.SpanContext.TraceID()
		})
		if span.Name != "request" && !child {
			s.t.Errorf("span %s is not the child of a request's span", span.Name)
		}
	}
	return lines
}
