package main

import (
	"io"
	"time"
)

// settings say what a run does.
type settings struct {
	store     string // where the sessions are: one of wire's names
	mode      string // what goes wrong: the name of a fault
	seed      uint64
	time      time.Duration // how long clients ask
	least     goals         // before which they do not stop, up to a limit
	processes int
	clients   int
	cool      int           // sessions beside the hot one
	lease     time.Duration // Config.LockLease
	hold      time.Duration // the longest ordinary hold
	think     time.Duration // the longest pause of a client between two requests
	long      int           // one in so many Exclusive requests of a cool session holds it for about a lease
	service   string        // the program
	clocked   string        // the same with clocks that can be set; "" unless that is the fault
	failing   bool          // have the service's calls of its store fail
	table     string
	progress  io.Writer

	// What follows breaks the service on purpose: see its flag -break.
	broken  string
	retries int    // the store's
	options string // of the DSN
}

// goals are what a run must have seen to be worth something. A busy machine may
// take longer than a quiet one to see it.
type goals struct {
	confirmed, faults int
	holders           int           // processes halted while they held the hot session
	within            time.Duration // how long to wait for that
}

// Timeouts are in proportion to the lease, so that a short run gets to see them
// pass.
func (s *settings) acquireTimeout() time.Duration { return 8 * s.lease }
func (s *settings) storeTimeout() time.Duration   { return s.lease }
func (s *settings) saveTimeout() time.Duration    { return 2 * s.lease }

// patience is how long a client waits for a reply: longer than the service can
// take, unless something holds it up.
func (s *settings) patience() time.Duration {
	return s.acquireTimeout() + 2*s.saveTimeout() + 3*s.lease + 5*time.Second
}

// slack is what may be added to a lease before somebody who waits for it has the
// session: the longest polling interval, and the time that a busy machine takes.
const slack = 1500 * time.Millisecond
