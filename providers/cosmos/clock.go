package cosmosstore

import (
	"net/http"
	"sync"
	"time"
)

// clock tells the service's time (S16). Conditions cannot ask the service for
// it, so they carry the time as this process knows it: the local clock,
// corrected by the Date header of every answer.
//
// A Date is cut to whole seconds. What an answer proves is an interval for how
// far the service is ahead of the local clock: not less than Date minus the
// time of arrival, and less than Date plus a second minus the time of sending.
// The intervals of many answers narrow each other down. Of what remains the
// value closest to 0 is taken: a local clock that is right, as far as Date can
// tell, is believed. So processes whose clocks are kept right by NTP agree to
// within what NTP reaches, and a clock that is wrong is corrected to within
// about a second at first, and to within a round trip after some hundred
// answers.
type clock struct {
	mu      sync.Mutex
	base    time.Time // with a monotonic reading: a step of the wall clock changes nothing
	lo, hi  time.Duration
	learned time.Time // when lo and hi were last narrowed; zero: nothing is known
	ahead   time.Duration
	skipped time.Duration // by tests, which let time pass
}

// drift bounds how far two clocks drift apart: what was learned becomes less
// sure with time.
const drift = 200 // parts per million

func newClock() *clock { return &clock{base: time.Now()} }

// now returns the time in milliseconds since 1970.
func (c *clock) now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local().Add(c.ahead + c.skipped).UnixMilli()
}

// local is the wall clock as it was when the process started, plus what the
// monotonic clock says has passed.
func (c *clock) local() time.Time { return c.base.Add(time.Since(c.base)) }

// observe learns from an answer to a request that was sent then.
func (c *clock) observe(sent time.Time, header http.Header) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	c.learn(sent, time.Now(), date)
}

func (c *clock) learn(sent, received, date time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	start, end := c.base.Add(sent.Sub(c.base)), c.base.Add(received.Sub(c.base))
	lo, hi := date.Sub(end), date.Add(time.Second).Sub(start)
	if !c.learned.IsZero() {
		slack := max(0, received.Sub(c.learned)) * drift / 1e6
		if wasLo, wasHi := c.lo-slack, c.hi+slack; max(lo, wasLo) <= min(hi, wasHi) {
			lo, hi = max(lo, wasLo), min(hi, wasHi)
		} // else a clock was set, or another machine answered: only the newest counts
	}
	c.lo, c.hi, c.learned = lo, hi, received
	c.ahead = min(max(0, lo), hi)
}
