package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

// run lets clients ask while a fault acts, and judges what they were told. The
// server must be used by nobody else if the fault is the database's. An error
// says that the run itself did not work; what the service did wrong is in the
// result.
func run(ctx context.Context, set *settings, server *postgres.Server) (*result, error) {
	res, err := tryRun(ctx, set, server)
	if err != nil {
		return nil, fmt.Errorf("mode %s, seed %d: %w", set.mode, set.seed, err)
	}
	return res, nil
}

func tryRun(ctx context.Context, set *settings, server *postgres.Server) (_ *result, err error) {
	chosen := faultOf(set.mode)
	if chosen == nil {
		return nil, errors.New("there is no such mode")
	}
	dir, err := os.MkdirTemp("", "sessionstate-e2e-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	st := &stage{set: set, server: server}
	dsn, err := withOptions(server.DSN(), set.options)
	if err != nil {
		return nil, err
	}
	if set.mode == faultNetwork {
		if st.proxy, err = newProxy(dsn); err != nil {
			return nil, err
		}
		defer st.proxy.close()
		dsn = st.proxy.dsn
	}
	st.fleet = newFleet(set, dsn, dir)
	defer st.fleet.killAll()
	cookies, err := st.open(ctx)
	if err != nil {
		return nil, err
	}

	begun := wire.Now()
	history, err := st.play(ctx, chosen, cookies)
	if err != nil {
		return nil, err
	}
	played := wire.Now()
	failed := st.fleet.end()
	states, locks, err := st.finalStates(ctx, cookies, server.DSN())
	if err != nil {
		return nil, err
	}
	holders, err := holdersOf(st.fleet.all)
	if err != nil {
		return nil, err
	}
	return judge(&evidence{
		set: set, begun: begun, played: played, ended: wire.Now(),
		history: history, holders: holders, states: states, locks: locks,
		processes: st.fleet.all, crashes: st.crashes, marks: st.marks, failed: failed,
	}), nil
}

// open starts the processes, at once, and makes the sessions.
func (st *stage) open(ctx context.Context) (cookies []string, err error) {
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
		faults := len(st.marks)
		st.mu.Unlock()
		least := &st.set.least
		if time.Since(begun) >= st.set.time && count.confirmed.Load() >= int64(least.confirmed) && faults >= least.faults {
			return
		}
		if time.Since(said) >= 10*time.Second {
			said = time.Now()
			fmt.Fprintf(st.set.progress, "e2e: %s: %v of %v, %d requests, %d disturbances\n",
				st.set.mode, time.Since(begun).Round(time.Second), st.set.time, count.requests.Load(), faults)
		}
	}
}

// finalStates reads all sessions through a fresh process with an unbroken store
// and an undisturbed connection, and has the database say which locks are left.
func (st *stage) finalStates(ctx context.Context, cookies []string, dsn string) (states []wire.State, locks int, err error) {
	reader := newFleet(st.set, dsn, st.fleet.dir)
	defer reader.killAll()
	p, err := reader.launch(ctx, len(st.fleet.slots), "")
	if err != nil {
		return nil, 0, err
	}
	h := &http.Client{Timeout: st.set.patience(), Transport: &http.Transport{}}
	defer h.CloseIdleConnections()
	for i, cookie := range cookies {
		reply, err := get(ctx, h, http.MethodGet, p.url+"/read?full=1", cookie)
		if err != nil {
			return nil, 0, fmt.Errorf("read session %d: %w", i, err)
		}
		var state wire.State
		if err := json.Unmarshal(reply.body, &state); err != nil {
			return nil, 0, fmt.Errorf("read session %d: %w: %s", i, err, reply.body)
		}
		states = append(states, state)
	}
	if err := p.end(30 * time.Second); err != nil {
		return nil, 0, err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close(ctx)
	// Nobody runs any more, so what is locked a lease later stays locked.
	until := time.Now().Add(st.set.lease + slack)
	for {
		err = conn.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{st.set.table}.Sanitize()+
			" WHERE lock_until > clock_timestamp()").Scan(&locks)
		if err != nil || locks == 0 || time.Now().After(until) {
			return states, locks, err
		}
		pause(ctx, 50*time.Millisecond)
	}
}

func faultOf(mode string) *fault {
	for _, f := range faults() {
		if f.name == mode {
			return &f
		}
	}
	return nil
}

// withOptions returns the DSN with parameters for the server's sessions.
func withOptions(dsn, options string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("the DSN is no URL")
	}
	q := u.Query()
	q.Set("pool_max_conns", "8")
	if options != "" {
		q.Set("options", options)
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // a + is itself, as in libpq
	return u.String(), nil
}
