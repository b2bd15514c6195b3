package session_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// benchExchange is an exchange that costs next to nothing, so that only this
// package is measured.
type benchExchange struct {
	cookies []string
	set     []string // Set-Cookie
}

func (ex *benchExchange) RequestHeader(name string) []string {
	if name == "Cookie" {
		return ex.cookies
	}
	return nil
}

func (ex *benchExchange) ReplyHeader(string) []string { return nil }

func (ex *benchExchange) SetReplyHeader(name string, values ...string) {
	if name == "Set-Cookie" {
		ex.set = values
	}
}

func (ex *benchExchange) Secure() bool { return true }

// benchRequest makes one request.
func benchRequest(m *session.Manager, ex *benchExchange, mode session.Mode, f func(s *session.Session)) error {
	rq, ctx := m.Begin(context.Background(), ex)
	s, err := m.Acquire(ctx, mode)
	if err != nil {
		return err
	}
	f(s)
	return rq.Finish(ctx, ok200)
}

// benchSession stores a session whose text has that many bytes, and returns
// the exchange of its client.
func benchSession(b testing.TB, m *session.Manager, size int) *benchExchange {
	b.Helper()
	ex := &benchExchange{}
	err := benchRequest(m, ex, session.Exclusive, func(s *session.Session) {
		if err := textKey.Set(s, strings.Repeat("x", size)); err != nil {
			b.Error(err)
		}
		if err := countKey.Set(s, 1000); err != nil {
			b.Error(err)
		}
	})
	if err != nil || len(ex.set) != 1 {
		b.Fatal("no session:", err)
	}
	cookie, _, _ := strings.Cut(ex.set[0], ";")
	return &benchExchange{cookies: []string{cookie}}
}

func benchManager(b *testing.B) *session.Manager {
	m, err := session.New(memstore.New(), session.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := closeSoon(m); err != nil {
			b.Error(err)
		}
	})
	return m
}

func benchStep(s *session.Session) {
	n, _ := countKey.Get(s)
	_ = countKey.Set(s, n+1)
}

func benchLook(s *session.Session) { _, _ = countKey.Get(s) }

func benchNothing(*session.Session) {}

// BenchmarkRequest is a whole request: Begin, Acquire, use, Finish.
func BenchmarkRequest(b *testing.B) {
	for _, bm := range []struct {
		name string
		mode session.Mode
		use  func(*session.Session)
	}{
		{"exclusive/get+set", session.Exclusive, benchStep},
		{"exclusive/get", session.Exclusive, benchLook},
		{"concurrent/get+set", session.Concurrent, benchStep},
		{"read-only/get", session.ReadOnly, benchLook},
		{"snapshot/get", session.Snapshot, benchLook},
		{"snapshot/unused", session.Snapshot, benchNothing},
	} {
		b.Run(bm.name, func(b *testing.B) {
			m := benchManager(b)
			ex := benchSession(b, m, 200)
			b.ReportAllocs()
			for b.Loop() {
				if err := benchRequest(m, ex, bm.mode, bm.use); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bm.name+"/parallel", func(b *testing.B) {
			m := benchManager(b)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				ex := benchSession(b, m, 200) // each its own
				for pb.Next() {
					if err := benchRequest(m, ex, bm.mode, bm.use); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkNewSession stores a session for every request.
func BenchmarkNewSession(b *testing.B) {
	m := benchManager(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := benchRequest(m, &benchExchange{}, session.Exclusive, benchStep); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnused is a request that never acquires.
func BenchmarkUnused(b *testing.B) {
	m := benchManager(b)
	for name, ex := range map[string]*benchExchange{"no cookie": {}, "cookie": benchSession(b, m, 200)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rq, ctx := m.Begin(context.Background(), ex)
				if err := rq.Finish(ctx, ok200); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHandOff has requests of two clients want one session all the time.
// The figure is the time from the end of one, its save included, to the start
// of the other.
func BenchmarkHandOff(b *testing.B) {
	m := benchManager(b)
	ex := benchSession(b, m, 200)
	var ended time.Time // guarded by the session's lock
	var mu sync.Mutex
	var gaps []time.Duration
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range 2 {
		wg.Go(func() {
			mine := make([]time.Duration, 0, b.N/2)
			for range (b.N + 1) / 2 {
				err := benchRequest(m, ex, session.Exclusive, func(s *session.Session) {
					if !ended.IsZero() {
						mine = append(mine, time.Since(ended))
					}
					benchStep(s)
					ended = time.Now()
				})
				if err != nil {
					b.Error(err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			gaps = append(gaps, mine...)
		})
	}
	wg.Wait()
	b.StopTimer()
	if slices.Sort(gaps); len(gaps) > 0 {
		b.ReportMetric(float64(gaps[len(gaps)/2])/1000, "µs-p50")
		b.ReportMetric(float64(gaps[len(gaps)*99/100])/1000, "µs-p99")
	}
}
