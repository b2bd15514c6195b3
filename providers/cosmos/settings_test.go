package cosmosstore_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// TestSettings_Retries: how often, and for how long in all, what fails is tried
// again; and not before the service says.
func TestSettings_Retries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what     string
		attempts int
		wait     time.Duration
		kind     faultKind
		header   string // x-ms-retry-after-ms
		want     int
	}{
		{"of an answer that is lost", 3, time.Minute, cutAfter, "", 4},
		{"of what is throttled", 2, time.Minute, throttle, "", 3},
		{"none", -1, time.Minute, throttle, "", 1},
		{"as long as may be waited", 50, 200 * time.Millisecond, none, "120", 2},
		{"none that comes too late", 50, 100 * time.Millisecond, none, "120", 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			cfg := fresh(t)
			cfg.MaxRetryAttempts, cfg.MaxRetryWait = c.attempts, c.wait
			n := newNetwork(t)
			var mu sync.Mutex
			var times []time.Time
			var throttled bool
			cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				if throttled {
					times = append(times, time.Now())
					return answered(req, http.StatusTooManyRequests, "x-ms-retry-after-ms", c.header), nil
				}
				return n.RoundTrip(req)
			})
			s := open(t, cfg)
			if c.header != "" {
				mu.Lock()
				throttled = true
				mu.Unlock()
			} else {
				n.on(func(int, *http.Request) fault { return fault{kind: c.kind} })
			}
			err := s.Touch(t.Context(), newKey())
			wantError(t, err, session.ErrUnavailable, "touch")
			if got := len(times) + len(n.exchanges()); c.header == "" && got != c.want || c.header != "" && len(times) != c.want {
				t.Errorf("it was sent %d times, want %d", got, c.want)
			}
			for i := 1; i < len(times); i++ {
				if waited := times[i].Sub(times[i-1]); waited < 120*time.Millisecond {
					t.Errorf("it was sent again after %v, and the service asked for 120ms", waited)
				}
			}
		})
	}
}

// TestSettings_RequestTimeout: a request that hangs is given up and made again.
func TestSettings_RequestTimeout(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.RequestTimeout = 300 * time.Millisecond
	s, n := behind(t, cfg)
	key := newKey()
	n.on(func(i int, _ *http.Request) fault {
		if i == 1 {
			return fault{delay: time.Hour}
		}
		return fault{}
	})
	if err := s.Create(t.Context(), key, record("content"), nobody, 0); err != nil {
		t.Error(err)
	}
	if sent := n.exchanges(); len(sent) != 2 || sent[0].status != 0 {
		t.Errorf("%d requests were made, want 2", len(sent))
	}
}

// TestS14_AHangingExchangeEndsWithTheContext: whichever exchange of an operation
// hangs, the call ends with its context and not with RequestTimeout.
func TestS14_AHangingExchangeEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		t.Run(op.what, func(t *testing.T) {
			t.Parallel()
			cfg := fresh(t)
			cfg.RequestTimeout = time.Minute
			s, n := behind(t, cfg)
			for at := 1; ; at++ {
				key, token := newKey(), session.NewToken()
				n.on(nil)
				op.before(t, s, key, token)
				ctx, cancel := context.WithCancel(t.Context())
				var hung time.Time
				n.on(func(i int, _ *http.Request) fault {
					if i != at {
						return fault{}
					}
					hung = time.Now()
					cancel()
					return fault{delay: time.Hour}
				})
				err := op.do(ctx, s, key, token)
				took := time.Since(hung)
				cancel()
				n.on(nil)
				if hung.IsZero() || op.what == "Reap" && at > 2 {
					break // there is no such exchange; or it is one of the records before
				}
				// A move is done when it is committed, which is before its last.
				if !errors.Is(err, context.Canceled) && (err != nil || op.what != "Save with MoveTo" || at < 4) {
					t.Errorf("exchange %d: %v, want context.Canceled", at, err)
				}
				if took > 2*time.Second { // S14 says 100 ms, on a machine that is not busy
					t.Errorf("exchange %d: it took %v", at, took)
				}
				_ = s.Remove(t.Context(), key, nobody, session.EndDelete)
			}
		})
	}
}

// TestSettings_OfferThroughput: it is asked for with the container that is made,
// and only if it is given.
func TestSettings_OfferThroughput(t *testing.T) {
	t.Parallel()
	for given, want := range map[int]string{0: "", 400: "400"} {
		cfg := fresh(t)
		cfg.OfferThroughput = given
		var asked []string
		cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/colls") {
				asked = append(asked, req.Header.Get("x-ms-offer-throughput"))
			}
			return http.DefaultTransport.RoundTrip(req)
		})
		open(t, cfg)
		if !slices.Equal(asked, []string{want}) {
			t.Errorf("with an OfferThroughput of %d the service was asked for %q, want %q", given, asked, want)
		}
	}
}

// TestSettings_MaxConnections: no more connections than that are made, however
// many requests there are.
func TestSettings_MaxConnections(t *testing.T) {
	t.Parallel()
	for given, most := range map[int]int{2: 2, -1: 100} {
		server := newCounting(t)
		defer server.Close()
		s, err := cosmosstore.Open(t.Context(), cosmosstore.Config{Endpoint: server.URL + "/", Key: anyKey,
			MaxConnections: given, MaxRetryAttempts: -1})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { _ = s.Ping(t.Context()) })
		}
		wg.Wait()
		if got := server.most(); got > most || given < 0 && got < 4 {
			t.Errorf("with MaxConnections %d there were %d at once", given, got)
		}
		s.Close()
	}
}
