package main

import (
	"fmt"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// outcome is what a client knows of a request.
type outcome string

const (
	confirmed outcome = "confirmed"
	refused   outcome = wire.Refused
	unknown   outcome = wire.Unknown
	odd       outcome = "odd" // a reply that nobody should get
)

// operation is one request of a client, and what it was told.
type operation struct {
	wire.ID                // Number is 0 for reads
	mode            string // one of wire's
	invoke, replied int64  // wire.Now's
	outcome         outcome
	value           int    // the counter, if confirmed
	why             string // if not
	process         string
	sent            bool // to the service
}

func (o *operation) increments() bool { return o.Number > 0 }

// describe says what happened, with times since the run began.
func (o *operation) describe(begun int64) string {
	what := "reads"
	if o.increments() {
		what = fmt.Sprintf("increment %d", o.Number)
	}
	text := fmt.Sprintf("%9.3fms to %9.3fms: session %d, client %d, %s, %s: %s",
		millis(o.invoke-begun), millis(o.replied-begun), o.Session, o.Client, what, o.mode, o.outcome)
	if o.outcome == confirmed {
		text += fmt.Sprintf(", the counter is %d", o.value)
	} else if o.why != "" {
		text += ", " + o.why
	}
	if o.process != "" {
		text += " (" + o.process + ")"
	}
	return text
}

func millis(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
