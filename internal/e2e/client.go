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

// run asks until acting ends, and then waits for what it has asked for, unless
// ctx ends.
func (c *client) run(ctx, acting context.Context) {
	defer c.http.CloseIdleConnections()
	for acting.Err() == nil {
		p := c.fleet.get(c.rng.IntN(c.set.processes))
		if p == nil {
			pause(acting, 10*time.Millisecond) // all are down at once
			continue
		}
		op, query, patience := c.next()
		op.process = p.name
		c.ask(ctx, p.url, &op, query, patience)
		c.history = append(c.history, op)
		c.count.requests.Add(1)
		if op.outcome == confirmed {
			c.count.confirmed.Add(1)
		}
		rest := upTo(c.rng, c.set.think)
		if op.outcome != confirmed {
			rest += 50 * time.Millisecond // as clients should
		}
		pause(acting, rest)
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
func (c *client) ask(ctx context.Context, base string, op *operation, query url.Values, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sent := new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	method, path := http.MethodGet, "/read?"
	if op.increments() {
		method, path = http.MethodPost, "/increment?"
	}
	op.invoke = wire.Now()
	reply, err := get(ctx, c.http, method, base+path+query.Encode(), c.cookies[op.Session])
	op.replied = wire.Now()
	op.sent = sent.Load()
	switch {
	case err != nil && !op.sent:
		op.outcome, op.why = refused, "not sent: "+reason(err)
	case err != nil:
		op.outcome, op.why = unknown, "no reply: "+reason(err)
	default:
		op.told(reply)
	}
}

// told notes what a reply says.
func (o *operation) told(reply *answer) {
	o.outcome, o.why = odd, fmt.Sprintf("status %d: %s", reply.status, strings.TrimSpace(string(reply.body)))
	switch {
	case reply.status != http.StatusOK:
		if told := outcome(reply.header.Get(wire.Outcome)); told == refused || told == unknown {
			o.outcome = told
		}
	case o.increments():
		var err error
		if o.value, err = strconv.Atoi(reply.header.Get(wire.Value)); err == nil {
			o.outcome, o.why = confirmed, ""
		}
	default:
		var state wire.State
		if err := json.Unmarshal(reply.body, &state); err == nil && !state.Gone && state.Made == state.Counter {
			o.outcome, o.why, o.value = confirmed, "", state.Counter
		}
	}
}

// answer is what of a reply matters.
type answer struct {
	status int
	header http.Header
	cookie string
	body   []byte
}

// get makes a request with a session's cookie.
func get(ctx context.Context, h *http.Client, method, target, cookie string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	if cookie != "" {
		req.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	res, err := h.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header}
	for _, c := range res.Cookies() {
		if c.Name == "session" {
			a.cookie = c.Value
		}
	}
	a.body, err = io.ReadAll(res.Body)
	return a, err
}

// newSession makes a session and returns its cookie.
func newSession(ctx context.Context, h *http.Client, base string) (string, error) {
	reply, err := get(ctx, h, http.MethodPost, base+"/new", "")
	if err != nil {
		return "", err
	}
	if reply.status != http.StatusOK || reply.cookie == "" {
		return "", fmt.Errorf("a new session: status %d: %s", reply.status, reply.body)
	}
	return reply.cookie, nil
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

// pause waits for d and reports whether ctx lived that long.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
