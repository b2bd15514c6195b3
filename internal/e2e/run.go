package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// run lets clients ask while a fault acts, and judges what they were told. An
// error says that the run itself did not work; what the service did wrong is in
// the result.
func run(ctx context.Context, set *settings, on *servers) (*result, error) {
	res, err := tryRun(ctx, set, on)
	if err != nil {
		return nil, fmt.Errorf("%s, fault %s, seed %d: %w", set.store, set.mode, set.seed, err)
	}
	return res, nil
}

func tryRun(ctx context.Context, set *settings, on *servers) (_ *result, err error) {
	chosen := faultOf(set.mode)
	if chosen == nil || !chosen.on(set.store) {
		return nil, errors.New("there is no such fault of this store")
	}
	dir, err := os.MkdirTemp("", "sessionstate-e2e-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	st := &stage{set: set}
	address, direct, end, err := st.connect(on)
	if err != nil {
		return nil, err
	}
	defer end()
	st.fleet = newFleet(set, address, dir)
	defer st.fleet.killAll()
	cookies, err := st.open(ctx, chosen)
	if err != nil {
		return nil, err
	}

	before, err := st.atRest(ctx)
	if err != nil {
		return nil, err
	}
	begun := wire.Now()
	history, err := st.play(ctx, chosen, cookies)
	if err != nil {
		return nil, err
	}
	played := wire.Now()
	calls, err := st.calm(ctx)
	if err != nil {
		return nil, err
	}
	after, err := st.atRest(ctx)
	if err != nil {
		return nil, err
	}
	var failed []string
	var states []wire.State
	if set.store == wire.Memory { // which ends with its process
		states, err = st.finalStates(ctx, cookies, st.fleet.get(0))
		failed = st.fleet.end()
	} else {
		failed = st.fleet.end()
		states, err = st.statesBySomebodyElse(ctx, cookies, direct)
	}
	if err != nil {
		return nil, errors.Join(err, errors.New(strings.Join(failed, "\n")))
	}
	holders, err := holdersOf(st.fleet.all)
	if err != nil {
		return nil, err
	}
	if st.gateway != nil {
		calls = st.gateway.disturbed()
	}
	return judge(&evidence{
		set: set, begun: begun, played: played, ended: wire.Now(),
		history: history, holders: holders, states: states, faults: len(st.marks), calls: calls,
		processes: st.fleet.all, crashes: st.crashes, failed: failed,
		samples: st.samples, before: before, after: after,
	}), nil
}

// open starts the processes, at once, and makes the sessions.
func (st *stage) open(ctx context.Context, f *fault) (cookies []string, err error) {
	switch f.name {
	case faultDeploy:
		st.fleet.next() // version 0 is for those that stay
	case faultClock:
		for slot := range st.set.processes {
			st.fleet.setSkew(slot, skews[slot%len(skews)])
		}
	}
	errs := make([]error, st.set.processes)
	var wg sync.WaitGroup
	for slot := range st.set.processes {
		wg.Go(func() { errs[slot] = st.fleet.start(ctx, slot) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h := &http.Client{Timeout: st.set.patience(), Transport: &http.Transport{}}
	defer h.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for len(cookies) < 1+st.set.cool {
		cookie, err := newSession(ctx, h, st.fleet.get(len(cookies)%st.set.processes).url)
		switch {
		case err == nil:
			cookies = append(cookies, cookie)
		case ctx.Err() != nil:
			return nil, err
		default: // timeouts are short, and a machine may be busy
			pause(ctx, 100*time.Millisecond)
		}
	}
	return cookies, nil
}

// play lets clients and faults act until time is up, and waits for both.
func (st *stage) play(ctx context.Context, f *fault, cookies []string) ([]operation, error) {
	acting, cancel := context.WithTimeout(ctx, max(st.set.time, st.set.least.within))
	defer cancel()
	count := new(counts)
	clients := make([]*client, st.set.clients)
	var wg sync.WaitGroup
	for n := range clients {
		clients[n] = newClient(st.set, st.fleet, n, cookies, count)
		wg.Go(func() { clients[n].run(ctx, acting) })
	}
	var faulted error
	wg.Go(func() {
		faulted = f.run(acting, st, rand.New(rand.NewPCG(st.set.seed, 1<<32)))
		if faulted != nil {
			cancel()
		}
	})
	wg.Go(func() {
		st.watch(acting, count)
		cancel()
	})
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var history []operation
	for _, c := range clients {
		history = append(history, c.history...)
	}
	return history, faulted
}

// watch returns when time is up and the goals are reached. It says every 10
// seconds how far the run is.
func (st *stage) watch(ctx context.Context, count *counts) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	for said := begun; ctx.Err() == nil; {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		st.mu.Lock()
		faults, holders := len(st.marks), st.holders
		st.mu.Unlock()
		least := &st.set.least
		if time.Since(begun) >= st.set.time && count.confirmed.Load() >= int64(least.confirmed) && faults >= least.faults && holders >= least.holders {
			return
		}
		if time.Since(said) >= 10*time.Second {
			said = time.Now()
			fmt.Fprintf(st.set.progress, "e2e: %s, %s: %v of %v, %d requests, %d disturbances\n",
				st.set.store, st.set.mode, time.Since(begun).Round(time.Second), st.set.time, count.requests.Load(), faults)
		}
	}
}

// statesBySomebodyElse reads all sessions through a fresh process with an
// unbroken store, an undisturbed connection and the system's clock.
func (st *stage) statesBySomebodyElse(ctx context.Context, cookies []string, address string) ([]wire.State, error) {
	set := *st.set
	set.clocked, set.failing, set.processes = "", false, 1
	reader := newFleet(&set, address, st.fleet.dir)
	reader.version, reader.launched = st.fleet.version, st.fleet.launched
	defer reader.killAll()
	p, err := reader.launch(ctx, 0, "")
	if err != nil {
		return nil, err
	}
	states, err := st.finalStates(ctx, cookies, p)
	if err != nil {
		return nil, err
	}
	return states, p.end(30 * time.Second)
}

// finalStates reads all sessions. Those that somebody seems to hold it reads
// again for as long as a lease can last: nobody asks any more, so what is locked
// then stays locked.
func (st *stage) finalStates(ctx context.Context, cookies []string, p *process) (states []wire.State, err error) {
	h := &http.Client{Timeout: st.set.patience(), Transport: &http.Transport{}}
	defer h.CloseIdleConnections()
	until := time.Now().Add(st.set.lease + slack)
	for i, cookie := range cookies {
		state, err := finalState(ctx, h, p, cookie)
		for err == nil && state.Locked && time.Now().Before(until) && pause(ctx, 50*time.Millisecond) {
			state, err = finalState(ctx, h, p, cookie)
		}
		if err != nil {
			return nil, fmt.Errorf("read session %d: %w", i, err)
		}
		states = append(states, state)
	}
	return states, nil
}

// finalState reads a session, again and again for a minute if that fails: a
// service's timeouts are short, and a machine may be busy.
func finalState(ctx context.Context, h *http.Client, p *process, cookie string) (state wire.State, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		reply, err := get(ctx, h, http.MethodGet, p.url+"/read?full=1", cookie)
		if err == nil && reply.status == http.StatusOK {
			err = json.Unmarshal(reply.body, &state)
			return state, err
		}
		if err == nil {
			err = fmt.Errorf("status %d: %s", reply.status, reply.body)
		}
		if !pause(ctx, 100*time.Millisecond) {
			return state, err
		}
	}
}

// askProcess asks a process for something that has no session.
func askProcess(ctx context.Context, p *process, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	reply, err := get(ctx, http.DefaultClient, method, p.url+path, "")
	if err != nil {
		return fmt.Errorf("%s: %s: %w", p.name, path, err)
	}
	if err := json.Unmarshal(reply.body, into); err != nil {
		return fmt.Errorf("%s: %s: %w: %s", p.name, path, err, reply.body)
	}
	return nil
}

// statsOf asks a process what it has in use.
func statsOf(ctx context.Context, p *process) (said wire.Stats, err error) {
	err = askProcess(ctx, p, http.MethodGet, "/stats", &said)
	return said, err
}

func faultOf(mode string) *fault {
	for _, f := range append(faults(), soakFault(wire.Memory, wire.PostgreSQL, wire.Cosmos)) {
		if f.name == mode {
			return &f
		}
	}
	return nil
}
