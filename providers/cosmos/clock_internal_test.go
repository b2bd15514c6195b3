package cosmosstore

import (
	"net/http"
	"testing"
	"time"
)

// TestS16_ClockIsCorrectedByAnswers: whatever the local clock says, the Store's
// time gets to the service's, and the better the more answers come; a clock
// that is right stays as it is.
func TestS16_ClockIsCorrectedByAnswers(t *testing.T) {
	for _, off := range []time.Duration{0, 300 * time.Millisecond, -3 * time.Second, time.Hour, -24 * time.Hour, 10 * time.Second} {
		c := newClock()
		worst := func(answers int) time.Duration {
			for i := range answers {
				sent := c.base.Add(time.Duration(i) * 137 * time.Millisecond)
				received := sent.Add(4 * time.Millisecond)
				date := sent.Add(2*time.Millisecond + off).Truncate(time.Second) // as the header has it
				c.learn(sent, received, date)
			}
			return (c.ahead - off).Abs()
		}
		if got := worst(1); got > time.Second+10*time.Millisecond {
			t.Errorf("a clock that is off by %v is off by %v after one answer", off, got)
		}
		if got := worst(300); got > 30*time.Millisecond && off.Abs() > time.Second {
			t.Errorf("a clock that is off by %v is off by %v after 300 answers", off, got)
		}
		if off == 0 && c.ahead != 0 {
			t.Errorf("a clock that is right was corrected by %v", c.ahead)
		}
	}
}

// TestS16_ClocksAgree: two processes whose clocks are right agree exactly.
func TestS16_ClocksAgree(t *testing.T) {
	a, b := newClock(), newClock()
	for i := range 20 {
		sent := time.Now().Add(time.Duration(i) * 333 * time.Millisecond)
		header := http.Header{"Date": {sent.UTC().Format(http.TimeFormat)}}
		date, err := http.ParseTime(header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		a.learn(sent, sent.Add(time.Millisecond), date)
		if i%3 == 0 {
			b.learn(sent, sent.Add(200*time.Millisecond), date)
		}
	}
	if a.ahead != 0 || b.ahead != 0 {
		t.Errorf("clocks that are right were corrected by %v and %v", a.ahead, b.ahead)
	}
}

// TestClock_FollowsAStep: a clock that is set while the process runs, and an
// answer without a usable Date.
func TestClock_FollowsAStep(t *testing.T) {
	c := newClock()
	at := func(i int) time.Time { return c.base.Add(time.Duration(i) * 100 * time.Millisecond) }
	for i := range 50 {
		c.learn(at(i), at(i).Add(time.Millisecond), at(i).Truncate(time.Second))
	}
	for i := 50; i < 100; i++ {
		c.learn(at(i), at(i).Add(time.Millisecond), at(i).Add(time.Minute).Truncate(time.Second))
	}
	if d := (c.ahead - time.Minute).Abs(); d > 200*time.Millisecond {
		t.Errorf("after a step of a minute the clock is off by %v", d)
	}
	before := c.ahead
	for _, date := range []string{"", "yesterday", "2026-01-01"} {
		c.observe(time.Now(), http.Header{"Date": {date}})
	}
	if c.ahead != before {
		t.Error("something that is no Date has changed the clock")
	}
}
