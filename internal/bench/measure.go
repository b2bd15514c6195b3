package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// request is a kind of request that is measured.
type request struct {
	name   string
	path   string
	cookie bool // of an existing session
}

var requests = []request{
	{"nothing, no cookie", nothing, false},
	{"nothing", nothing, true},
	{"read", read, true},
	{"read and write", step, true},
}

// entrant is a contender that has been verified and has a session.
type entrant struct {
	contender
	app     client
	see     *seen
	cookies string
	started int // the number that the session had
	close   func() error
}

// enter starts a contender, proves that it does its work, and stores a session.
func enter(c contender) (*entrant, error) {
	e := &entrant{contender: c, see: new(seen)}
	var err error
	if e.app, e.close, err = c.open(e.see); err != nil {
		return nil, err
	}
	err = verify(c, e.app, e.see)
	if err == nil {
		v := newVisitor(e.app, e.see)
		_, err = v.visit(fill)
		e.cookies, e.started = v.header(), 1
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// prepare returns the function that makes a request of this kind.
func (e *entrant) prepare(r request) func() {
	if !r.cookie {
		return e.app.prepare(r.path, "")
	}
	return e.app.prepare(r.path, e.cookies)
}

// leave proves that every request that wrote did, and closes the application.
func (e *entrant) leave(writes int) error {
	e.app.prepare(look, e.cookies)()
	err := sound(e.app, e.see)
	want := e.started
	if !e.inCookie {
		want += writes
	}
	if err == nil && (e.see.n != want || e.see.text != text) {
		err = fmt.Errorf("the session has %d and %d bytes after %d writes, want %d", e.see.n, len(e.see.text), writes, want)
	}
	return errors.Join(err, e.close())
}

// cost is what one request took on average.
type cost struct{ ns, bytes, allocs float64 }

func (c cost) minus(d cost) cost { return cost{c.ns - d.ns, c.bytes - d.bytes, c.allocs - d.allocs} }

// lane is one request of one contender, or of the bare framework.
type lane struct {
	do     func()
	sound  func() error
	n      int // how many requests take as long as they shall
	total  int // how many it has made
	rounds []cost
}

// calibrate finds how many requests take that long. The best of some tries
// counts: one that the machine interrupted would leave the lane with too few.
func (l *lane) calibrate(long time.Duration) {
	for l.n = 1; ; l.n *= 2 {
		best := min(l.run().ns, l.run().ns, l.run().ns)
		if took := best * float64(l.n); took >= float64(long)/4 {
			l.n = max(1, int(float64(l.n)*float64(long)/took))
			return
		}
	}
}

// warmUp is how many requests go before those that are measured: the garbage
// collector has emptied the pools of memory that is used again.
const warmUp = 20

// run makes l.n requests.
func (l *lane) run() cost {
	runtime.GC() // what others left is not this one's to clear away
	for range warmUp {
		l.do()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for range l.n {
		l.do()
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	l.total += warmUp + l.n
	n := float64(l.n)
	return cost{
		float64(took.Nanoseconds()) / n,
		float64(after.TotalAlloc-before.TotalAlloc) / n,
		float64(after.Mallocs-before.Mallocs) / n,
	}
}

// result is what a framework's contenders took, in each round.
type result struct {
	framework string
	bare      map[string][]cost            // by the request's name
	with      map[string]map[string][]cost // by the contender's name, and the request's
}

// compare measures all contenders of a framework, in rounds in which each
// request of each contender gets so long.
func compare(f framework, rounds int, long time.Duration) (*result, error) {
	contenders := append([]contender{f.ours}, f.peers...)
	entrants := make([]*entrant, len(contenders))
	for i, c := range contenders {
		e, err := enter(c)
		if err != nil {
			return nil, fmt.Errorf("%s with %s: %w", f.name, c.name, err)
		}
		entrants[i] = e
	}

	// The bare framework gets our cookie too: it reads it, whoever wants it.
	var lanes []*lane
	bare := make(map[string]*lane)
	with := make(map[string]map[string]*lane)
	for _, cookies := range []string{"", entrants[0].cookies} {
		app := f.bare()
		l := &lane{do: app.prepare(nothing, cookies), sound: func() error { return sound(app, new(seen)) }}
		for _, r := range requests {
			if r.cookie == (cookies != "") {
				bare[r.name] = l
			}
		}
		lanes = append(lanes, l)
	}
	for _, e := range entrants {
		with[e.name] = make(map[string]*lane)
		for _, r := range requests {
			l := &lane{do: e.prepare(r), sound: func() error { return sound(e.app, e.see) }}
			with[e.name][r.name] = l
			lanes = append(lanes, l)
		}
	}

	for _, l := range lanes {
		l.calibrate(long)
	}
	for range rounds {
		for _, i := range rand.Perm(len(lanes)) {
			l := lanes[i]
			l.rounds = append(l.rounds, l.run())
			if err := l.sound(); err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}

	res := &result{f.name, make(map[string][]cost), make(map[string]map[string][]cost)}
	for name, l := range bare {
		res.bare[name] = l.rounds
	}
	for _, e := range entrants {
		res.with[e.name] = make(map[string][]cost)
		writes := 0
		for _, r := range requests {
			l := with[e.name][r.name]
			res.with[e.name][r.name] = l.rounds
			if r.path == step {
				writes += l.total
			}
		}
		if err := e.leave(writes); err != nil {
			return nil, fmt.Errorf("%s with %s: %w", f.name, e.name, err)
		}
	}
	return res, nil
}

// across makes a figure of every round of two lanes.
func across(a, b []cost, figure func(a, b cost) float64) figures.Spread {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = figure(a[i], b[i])
	}
	return figures.SpreadOf(values)
}
