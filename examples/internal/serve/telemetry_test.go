package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

func telemetryTo(where string) func(string) string {
	return func(name string) string {
		if name == "SESSION_TELEMETRY" {
			return where
		}
		return ""
	}
}

// TestTelemetry: SESSION_TELEMETRY prints what is measured and the spans of
// each request, and no cookie.
func TestTelemetry(t *testing.T) {
	for _, where := range []string{"", "stdout"} {
		began, proceed := make(chan *session.Manager, 1), make(chan struct{})
		close(proceed)
		r := startWith(t, telemetryTo(where), counting(began, proceed), "-addr", "127.0.0.1:0")
		res, err := http.Get(r.url + "?secret=in-the-path")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		<-began
		cookies := res.Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%d cookies", len(cookies))
		}
		r.end()
		if line := r.line(t); !strings.Contains(line, "ending") {
			t.Errorf("at the end it says %q", line)
		}
		printed, err := io.ReadAll(r.stdout)
		if err != nil {
			t.Error(err)
		}
		if code := <-r.code; code != exitOK {
			t.Errorf("exit code %d", code)
		}
		if where == "" {
			if len(printed) > 0 {
				t.Errorf("without telemetry it prints %s", printed)
			}
			continue
		}
		for _, secret := range []string{cookies[0].Value, "in-the-path"} {
			if bytes.Contains(printed, []byte(secret)) {
				t.Errorf("it prints %q", secret)
			}
		}
		for _, want := range []string{"session.acquire.duration", "session.hold.duration", "session.save.duration", "session.store.duration"} {
			if !bytes.Contains(printed, []byte(`"Name":"`+want+`"`)) {
				t.Errorf("%s is not printed", want)
			}
		}
		wantSpans(t, printed)
	}
}

// wantSpans fails the test unless the spans of the session were printed, below
// one of the request.
func wantSpans(t *testing.T, printed []byte) {
	t.Helper()
	type ids struct{ SpanID string }
	type span struct {
		Name                string
		SpanContext, Parent ids
	}
	var request string
	parents := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(printed)); ; {
		var s span
		if err := d.Decode(&s); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, printed)
		}
		if s.Name == http.MethodGet {
			request = s.SpanContext.SpanID
		} else if s.Name != "" {
			parents[s.Name] = s.Parent.SpanID
		}
	}
	var names []string
	for name, parent := range parents {
		names = append(names, name)
		if parent != request {
			t.Errorf("%s is not below the request's span", name)
		}
	}
	slices.Sort(names)
	if got, want := strings.Join(names, " "), "session.acquire session.hold session.save session.store.Create"; request == "" || got != want {
		t.Errorf("the spans are %q below %q, want %q below the request's", got, request, want)
	}
}

func TestTelemetryThatIsNone(t *testing.T) {
	var stderr bytes.Buffer
	code := Run(t.Context(), nil, telemetryTo("nowhere"), io.Discard, &stderr, func(*session.Manager, *shop.Shop) Server {
		t.Error("it serves")
		return &http.Server{}
	})
	if code != exitUsage || !strings.Contains(stderr.String(), `SESSION_TELEMETRY is "nowhere"`) {
		t.Errorf("exit code %d and:\n%s", code, &stderr)
	}
}
