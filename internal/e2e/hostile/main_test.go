package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv(serveVariable) != "" { // a test's target
		os.Exit(program(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestM10_M11_M6_M7_M8_HostileClients makes both attacks on all adapters, in
// small.
func TestM10_M11_M6_M7_M8_HostileClients(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	args := []string{"-requests", "20000", "-slow", "3s", "-patience", "20s"}
	if code := program(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d; it says:\n%s", code, &stderr)
	}
	t.Logf("\n%s", &stdout)
	for _, adapter := range adapterNames() {
		if n := strings.Count(stdout.String(), adapter+" "); n < len(kinds())+2 {
			t.Errorf("%d lines of %s", n, adapter)
		}
	}
	for _, wrong := range [][]string{{"-adapters", "paper"}, {"-requests", "many"}} {
		if code := program(t.Context(), wrong, &stdout, &stderr); code != 2 {
			t.Errorf("%q: exit code %d, want 2", wrong, code)
		}
	}
}

// TestKinds: what is sent is HTTP, and as the kind says.
func TestKinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, k := range kinds() {
		for range 100 {
			raw := append([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n"), k.write(rng, nil)...)
			req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(raw, "\r\n"...))))
			if err != nil {
				t.Fatalf("%s: %v: %q", k.name, err, raw)
			}
			own, all, size := len(req.CookiesNamed("session")), len(req.Cookies()), len(strings.Join(req.Header["Cookie"], ""))
			want := map[string]bool{
				noCookie:     all == 0,
				"random":     size > len("session=") && all <= 64,
				"forged":     own == 1 && len(req.CookiesNamed("session")[0].Value) == idChars,
				"oversized":  own == 1 && size >= 32<<10,
				"padded":     all == 0 && len(req.Header.Get("Padding")) >= 32<<10,
				"duplicated": own == 64,
				"crowded":    own == 1 && all == 301,
			}
			if !want[k.name] {
				t.Fatalf("%s: %d cookies, %d of them the session's, %d bytes: %q", k.name, all, own, size, raw)
			}
		}
	}
}

// TestCheck: what must not be is found.
func TestCheck(t *testing.T) {
	well := func() *flood {
		f := &flood{adapter: "a", peak: 20_000, before: usage{Heap: 1 << 20}, calm: usage{Peak: 20_000}, after: usage{Heap: 2 << 20}}
		for _, k := range kinds() {
			f.kinds = append(f.kinds, &flooded{kind: k, requests: 10, statuses: map[int]int{200: 10}})
		}
		return f
	}
	held := func() *holdUp {
		return &holdUp{adapter: "a", calm: []time.Duration{1e6, 2e6}, bare: []time.Duration{2e6, 3e6}, during: []time.Duration{2e6, 3e6}, tabs: map[int]int{200: 1, 429: 2, 503: 3, 409: 4},
			freed: time.Second, patience: time.Millisecond}
	}
	for _, c := range []struct {
		says  string
		flood func(*flood)
		hold  func(*holdUp)
	}{
		{},
		{says: "cookie out", flood: func(f *flood) { f.kinds[2].cookies = 1 }},
		{says: "status 500", flood: func(f *flood) { f.kinds[2].statuses[500] = 1 }},
		{says: "status 431", flood: func(f *flood) { f.kinds[0].statuses[431] = 1 }},
		{says: "sessions are stored", flood: func(f *flood) { f.sessions = 1 }},
		{says: "heap has grown", flood: func(f *flood) { f.after.Heap = 64 << 20 }},
		{says: "of memory", flood: func(f *flood) { f.peak = 200_000 }},
		{says: "requests of others failed", hold: func(h *holdUp) { h.failed = 1 }},
		{says: "p50 of the others", hold: func(h *holdUp) { h.during = []time.Duration{2e8, 2e8} }},
		{says: "the longest of the others", hold: func(h *holdUp) { h.during[1] = 3 * time.Second }},
		{says: "status 500", hold: func(h *holdUp) { h.tabs[500] = 1 }},
		{says: "after the attack", hold: func(h *holdUp) { h.freed = time.Minute }},
		{says: "goroutines are left", hold: func(h *holdUp) { h.left = 3 }},
	} {
		f, h := well(), held()
		if c.flood != nil {
			c.flood(f)
		}
		if c.hold != nil {
			c.hold(h)
		}
		said := strings.Trim(fmt.Sprint(f.check(), h.check()), "<nil> ")
		if (said == "") != (c.says == "") || !strings.Contains(said, c.says) {
			t.Errorf("it says %q, want %q", said, c.says)
		}
	}
}
