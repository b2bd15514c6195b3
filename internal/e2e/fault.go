package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

// fault is one way for things to go wrong. run makes them go wrong again and
// again until ctx ends, and leaves everything in order.
type fault struct {
	name   string
	title  string
	stores []string // that it can happen to
	run    func(ctx context.Context, st *stage, rng *rand.Rand) error
}

// on reports whether the fault can happen to a store.
func (f *fault) on(store string) bool { return slices.Contains(f.stores, store) }

// clocks reports whether it needs a service whose clocks can be set.
func (f *fault) clocks() bool { return f.name == faultPause || f.name == faultClock }

// stage is what faults act on, and their log.
type stage struct {
	set     *settings
	fleet   *fleet
	server  *postgres.Server // nil unless that is where the sessions are
	disk    *disk            // nil unless the server's is small
	proxy   *proxy           // to PostgreSQL, nil unless the fault is the network's
	gateway *gateway         // to Cosmos DB, nil unless that is where the sessions are

	mu      sync.Mutex
	marks   []mark
	crashes []span // when the database was crashed
	samples []sample
	holders int // processes that were halted while one of their requests held the hot session
}

// mark is one thing that was done.
type mark struct {
	at   int64
	text string
}

func (st *stage) note(format string, args ...any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.marks = append(st.marks, mark{wire.Now(), fmt.Sprintf(format, args...)})
}

// noteHolder counts a process that has just been halted, if it held the hot
// session then.
func (st *stage) noteHolder(p *process) {
	if !p.holdsHot() {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.holders++
}

// noteCrash notes that the database may have crashed, and forgotten locks, since
// an instant.
func (st *stage) noteCrash(from int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.crashes = append(st.crashes, span{from, wire.Now()})
}

// span is a time from one instant to another.
type span struct{ from, to int64 }

// The names of the faults.
const (
	faultNone     = "none"
	faultKill     = "kill"
	faultStop     = "stop"
	faultPause    = "pause"
	faultClock    = "clock"
	faultCrash    = "crash"
	faultNetwork  = "network"
	faultThrottle = "throttle"
	faultDisk     = "disk"
	faultDeploy   = "deploy"
)

// faults returns all there are.
func faults() []fault {
	const memory, sql, cosmos = wire.Memory, wire.PostgreSQL, wire.Cosmos
	return []fault{
		{faultNone, "nothing goes wrong", []string{memory, sql, cosmos}, func(context.Context, *stage, *rand.Rand) error { return nil }},
		{faultKill, "processes get SIGKILL and are started again", []string{sql, cosmos}, killProcesses},
		{faultStop, "processes get SIGSTOP, for longer than a lease, and SIGCONT", []string{memory, sql, cosmos}, stopProcesses},
		{faultPause, "the same, and their clocks stand still as well, as a paused machine's do", []string{memory, sql, cosmos}, pauseProcesses},
		{faultClock, "processes start with a clock that is up to an hour off, and it is set while they run", []string{memory, sql, cosmos}, setClocks},
		{faultNetwork, "connections to the store are cut before and after it did what it was asked for, delayed and held up", []string{memory, sql, cosmos}, disturbNetwork},
		{faultCrash, "the database is restarted in immediate mode", []string{sql}, crashDatabase},
		{faultThrottle, "the store refuses work: statements or connections are too many, it is locked, or takes no writes", []string{sql, cosmos}, throttle},
		{faultDisk, "the database's disk is full", []string{sql}, fillDisk},
		{faultDeploy, "processes are replaced one by one by those of the next version, with another codec and other keys", []string{sql, cosmos}, deploy},
	}
}

func disturbNetwork(ctx context.Context, st *stage, rng *rand.Rand) error {
	switch st.set.store {
	case wire.Memory:
		return failCalls(ctx)
	case wire.Cosmos:
		return disturbGateway(ctx, st, rng)
	}
	return disturbConnections(ctx, st, rng)
}

// failCalls waits: where there is no network the service has its store's calls
// fail by itself. At the end it is told to stop, and says how many did.
func failCalls(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func throttle(ctx context.Context, st *stage, rng *rand.Rand) error {
	if st.set.store == wire.Cosmos {
		return throttleGateway(ctx, st, rng)
	}
	return throttleDatabase(ctx, st, rng)
}

// between returns a random time.
func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + upTo(rng, most-least)
}

// upTo returns a random time from 0 to most.
func upTo(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(most) + 1))
}
