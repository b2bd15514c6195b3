package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// client makes one request after the other, as its random numbers have it.
type client struct {
	set     *settings
	fleet   *fleet
	n       int
	rng     *rand.Rand
	http    *http.Client
	cookies []string    // by session; the first is the hot one
	numbers map[int]int // by session: the last increment asked for
	count   *counts
	history []operation
}

// counts say how far a run is.
type counts struct{ requests, confirmed atomic.Int64 }

func newClient(set *settings, f *fleet, n int, cookies []string, count *counts) *client {
	return &client{
		set: set, fleet: f, n: n, cookies: cookies, count: count,
		rng:     rand.New(rand.NewPCG(set.seed, uint64(n))),
		http:    &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
		numbers: make(map[int]int),
	}
}

// run asks until ctx ends, and then waits for what it has asked for.
func (c *client) run(ctx context.Context) {
	defer c.http.CloseIdleConnections()
	for ctx.Err() == nil {
		p := c.fleet.get(c.rng.IntN(c.set.processes))
		if p == nil {
			pause(ctx, 10*time.Millisecond) // all are down at once
			continue
		}
		op, query, patience := c.next()
		op.process = p.name
		c.ask(p.url, &op, query, patience)
		c.history = append(c.history, op)
		c.count.requests.Add(1)
		if op.outcome == confirmed {
			c.count.confirmed.Add(1)
		}
		rest := upTo(c.rng, c.set.think)
		if op.outcome != confirmed {
			rest += 50 * time.Millisecond // as clients should
		}
		pause(ctx, rest)
	}
}

// next chooses a request: half of them in the hot session, most of them
// increments, most of these Exclusive.
func (c *client) next() (op operation, query url.Values, patience time.Duration) {
	op.Client, patience = c.n, c.set.patience()
	if c.rng.IntN(2) == 0 {
		op.Session = 1 + c.rng.IntN(len(c.cookies)-1)
	}
	query = make(url.Values)
	switch x := c.rng.IntN(100); {
	case x < 55:
		op.mode = wire.ModeExclusive
		hold := upTo(c.rng, c.set.hold)
		if op.Session != 0 && c.rng.IntN(c.set.long) == 0 {
			hold = c.set.lease/2 + upTo(c.rng, c.set.lease) // so long that the lease is renewed
		}
		query.Set("hold", hold.String())
		if c.rng.IntN(4) == 0 {
			query.Set("early", "1")
		}
	case x < 75:
		op.mode = wire.ModeConcurrent
		if c.rng.IntN(4) == 0 {
			query.Set("early", "1")
		}
	case x < 93:
		op.mode = wire.ModeReadOnly
	default:
		op.mode = wire.ModeSnapshot
	}
	if op.mode == wire.ModeExclusive || op.mode == wire.ModeConcurrent {
		c.numbers[op.Session]++
		op.Number = c.numbers[op.Session]
		query.Set("number", strconv.Itoa(op.Number))
		if c.rng.IntN(100) == 0 { // a client that goes away
			patience = upTo(c.rng, 50*time.Millisecond)
		}
	}
	query.Set("session", strconv.Itoa(op.Session))
	query.Set("client", strconv.Itoa(op.Client))
	query.Set("mode", op.mode)
	return op, query, patience
}

// ask makes the request and notes what came of it.
func (c *client) ask(base string, op *operation, query url.Values, patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sent := new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	method, path := http.MethodGet, "/read?"
	if op.increments() {
		method, path = http.MethodPost, "/increment?"
	}
	op.invoke = wire.Now()
	res, body, err := get(ctx, c.http, method, base+path+query.Encode(), c.cookies[op.Session])
	op.replied = wire.Now()
	switch {
	case err != nil && !sent.Load():
		op.outcome, op.why = refused, "not sent: "+reason(err)
	case err != nil:
		op.outcome, op.why = unknown, "no reply: "+reason(err)
	default:
		op.answered = true
		op.told(res, body)
	}
}

// told notes what a reply says.
func (o *operation) told(res *http.Response, body []byte) {
	o.outcome, o.why = unknown, res.Status+": "+strings.TrimSpace(string(body))
	switch {
	case res.StatusCode != http.StatusOK:
		if o.outcome = outcome(res.Header.Get(wire.Outcome)); o.outcome == "" {
			o.outcome = "odd"
		}
	case o.increments():
		var err error
		if o.value, err = strconv.Atoi(res.Header.Get(wire.Value)); err == nil {
			o.outcome, o.why = confirmed, ""
		} else {
			o.outcome = "odd"
		}
	default:
		var state wire.State
		err := json.Unmarshal(body, &state)
		switch {
		case err != nil, state.Gone, state.Made != state.Counter:
			o.outcome = "odd"
		default:
			o.outcome, o.why, o.value = confirmed, "", state.Counter
		}
	}
}

// get makes a request with a session's cookie.
func get(ctx context.Context, h *http.Client, method, target, cookie string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, nil, err
	}
	if cookie != "" {
		req.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	res, err := h.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// newSession makes a session and returns its cookie.
func newSession(ctx context.Context, h *http.Client, base string) (string, error) {
	res, body, err := get(ctx, h, http.MethodPost, base+"/new", "")
	if err != nil {
		return "", err
	}
	for _, c := range res.Cookies() {
		if c.Name == "session" && res.StatusCode == http.StatusOK {
			return c.Value, nil
		}
	}
	return "", fmt.Errorf("a new session: %s: %s", res.Status, body)
}

// reason is an error of the network without the address, which says nothing.
func reason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var o *net.OpError
	if errors.As(err, &o) {
		err = o.Err
	}
	return err.Error()
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
