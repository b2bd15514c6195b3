package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sessionstate/sessionstate/internal/servers/cosmos"
)

// gateway stands between the service and Cosmos DB. It passes requests on one by
// one, so that it knows whether what it cuts off has had its effect.
type gateway struct {
	server  *http.Server
	client  *http.Client
	target  string
	Address string // the connection string through it
	there   string // the server's host and port
	here    string // the gateway's own
	down    chan struct{}

	mu      sync.Mutex
	rng     *rand.Rand
	weather weather
	met     int // requests that were disturbed
}

// weather is what becomes of requests: each share is a probability.
type weather struct {
	cutBefore, cutAfter   float64 // the connection breaks before, or after, the effect
	failBefore, failAfter float64 // 503, the same
	silent                float64 // no answer comes, and what was asked for may be done
	throttled             float64 // 429
	delay                 time.Duration
	retryAfter            time.Duration
}

func newGateway(server *cosmos.Server, seed uint64) (*gateway, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	own := "http://" + listener.Addr().String() + "/"
	target := strings.TrimSuffix(server.Endpoint(), "/")
	g := &gateway{
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		target:  target,
		there:   strings.TrimPrefix(target, "http://"),
		here:    listener.Addr().String(),
		Address: strings.ReplaceAll(server.ConnectionString(), server.Endpoint(), own),
		down:    make(chan struct{}),
		rng:     rand.New(rand.NewPCG(seed, 2<<32)),
	}
	g.server = &http.Server{Handler: g, ReadHeaderTimeout: time.Minute}
	go func() { _ = g.server.Serve(listener) }() // until close
	return g, nil
}

func (g *gateway) close() {
	close(g.down)
	_ = g.server.Close() // cuts what is left
	g.client.CloseIdleConnections()
}

// set changes the weather.
func (g *gateway) set(w weather) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.weather = w
}

// during has it be so for a while.
func (g *gateway) during(ctx context.Context, w weather, d time.Duration) {
	g.set(w)
	pause(ctx, d)
	g.set(weather{})
}

// fate is what becomes of one request.
type fate uint8

const (
	passed fate = iota
	cutBefore
	cutAfter
	failBefore
	failAfter
	silentBefore
	silentAfter
	throttled
)

// draw decides on a request.
func (g *gateway) draw() (f fate, delay, retryAfter time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.weather
	x := g.rng.Float64()
	for _, c := range []struct {
		fate  fate
		share float64
	}{
		{cutBefore, w.cutBefore}, {cutAfter, w.cutAfter}, {failBefore, w.failBefore}, {failAfter, w.failAfter},
		{silentBefore, w.silent / 2}, {silentAfter, w.silent / 2}, {throttled, w.throttled},
	} {
		if x < c.share {
			f = c.fate
			break
		}
		x -= c.share
	}
	delay = upTo(g.rng, w.delay)
	if f != passed || delay > 0 {
		g.met++
	}
	return f, delay, w.retryAfter
}

func (g *gateway) disturbed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.met
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the service has gone
	}
	f, delay, retryAfter := g.draw()
	half := delay / 2
	g.wait(half)
	switch f {
	case cutBefore:
		panic(http.ErrAbortHandler)
	case failBefore:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case throttled:
		w.Header().Set("x-ms-retry-after-ms", strconv.FormatInt(retryAfter.Milliseconds(), 10))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case silentBefore:
		g.silence(r.Context())
	}
	// What was sent arrives, whether or not the service waits for an answer.
	answered, err := g.pass(context.WithoutCancel(r.Context()), r, body)
	g.wait(delay - half)
	switch {
	case err != nil, f == cutAfter:
		panic(http.ErrAbortHandler)
	case f == failAfter:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case f == silentAfter:
		g.silence(r.Context())
	}
	if r.URL.Path == "/" { // the account tells where it is: here
		answered.body = bytes.ReplaceAll(answered.body, []byte(g.there), []byte(g.here))
		answered.header.Del("Content-Length")
	}
	maps.Copy(w.Header(), answered.header)
	w.WriteHeader(answered.status)
	_, _ = w.Write(answered.body) // fails if the service has gone
}

// pass asks the server.
func (g *gateway) pass(ctx context.Context, r *http.Request, body []byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, g.target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = r.Header.Clone()
	reply, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	a := &answer{status: reply.StatusCode, header: reply.Header}
	a.body, err = io.ReadAll(reply.Body)
	return a, err
}

// silence answers nothing for as long as somebody waits, and then breaks off.
func (g *gateway) silence(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-g.down:
	}
	panic(http.ErrAbortHandler)
}

func (g *gateway) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.down:
	}
}

// disturbGateway: every disturbance in turn, in random order. Those that hold
// requests up last longer than a lease now and then.
func disturbGateway(ctx context.Context, st *stage, rng *rand.Rand) error {
	lease := st.set.lease
	for {
		for _, n := range rng.Perm(5) {
			if !pause(ctx, between(rng, lease/10, lease/2)) {
				return nil
			}
			d := between(rng, lease/4, lease)
			switch n {
			case 0:
				st.note("no connection lives")
				st.gateway.during(ctx, weather{cutBefore: 1}, d/2)
			case 1:
				st.note("connections break before and after the effect")
				st.gateway.during(ctx, weather{cutBefore: 0.3, cutAfter: 0.4}, d)
			case 2:
				st.note("requests fail, with or without effect")
				st.gateway.during(ctx, weather{failBefore: 0.3, failAfter: 0.4}, d)
			case 3:
				st.note("requests take their time")
				st.gateway.during(ctx, weather{delay: lease / 6}, d)
			case 4:
				st.note("some requests are never answered")
				st.gateway.during(ctx, weather{silent: 0.15}, d+lease/2)
			}
		}
	}
}

// throttleGateway: the account has used up its request units, for more and less.
func throttleGateway(ctx context.Context, st *stage, rng *rand.Rand) error {
	for {
		if !pause(ctx, between(rng, st.set.lease/10, st.set.lease/2)) {
			return nil
		}
		share := []float64{0.3, 0.8, 1}[rng.IntN(3)]
		st.note("%.0f %% of the requests are throttled", 100*share)
		st.gateway.during(ctx, weather{throttled: share, retryAfter: between(rng, time.Millisecond, st.set.lease/4)},
			between(rng, st.set.lease/4, st.set.lease+st.set.lease/4))
	}
}
