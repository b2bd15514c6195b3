package otelsession

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	session "github.com/sessionstate/sessionstate/core"
)

// The attributes, all there are.
const (
	modeKey      = attribute.Key("session.mode")
	waitedKey    = attribute.Key("session.waited")
	removedKey   = attribute.Key("session.removed")
	reasonKey    = attribute.Key("session.end.reason")
	operationKey = attribute.Key("session.store.operation")
	directionKey = attribute.Key("session.store.io.direction")
	sizeKey      = attribute.Key("session.save.size") // of spans only: it has too many values for a metric
	errorKey     = attribute.Key("error.type")        // of OpenTelemetry's semantic conventions
)

// other stands for whatever this package does not know, as the semantic
// conventions have it for error.type.
const other = "_OTHER"

// modeNames, reasonNames and operationNames are the values of these attributes:
// the names that they have in package session, so that they are the same in
// logs.
var (
	modeNames = [...]string{
		session.Exclusive:  session.Exclusive.String(),
		session.ReadOnly:   session.ReadOnly.String(),
		session.Snapshot:   session.Snapshot.String(),
		session.Concurrent: session.Concurrent.String(),
		4:                  other,
	}
	reasonNames = [...]string{
		session.EndDelete:    session.EndDelete.String(),
		session.EndExpired:   session.EndExpired.String(),
		session.EndAbandoned: session.EndAbandoned.String(),
		session.EndRevoked:   session.EndRevoked.String(),
		4:                    other,
	}
	operationNames = [...]string{
		0:                     other,
		session.OpAcquire:     session.OpAcquire.String(),
		session.OpLoad:        session.OpLoad.String(),
		session.OpCreate:      session.OpCreate.String(),
		session.OpSave:        session.OpSave.String(),
		session.OpSwap:        session.OpSwap.String(),
		session.OpRelease:     session.OpRelease.String(),
		session.OpExtend:      session.OpExtend.String(),
		session.OpTouch:       session.OpTouch.String(),
		session.OpRemove:      session.OpRemove.String(),
		session.OpReap:        session.OpReap.String(),
		session.OpListOwner:   session.OpListOwner.String(),
		session.OpRemoveOwner: session.OpRemoveOwner.String(),
		session.OpAll:         session.OpAll.String(),
		session.OpPing:        session.OpPing.String(),
	}
)

func modeIndex(m session.Mode) int        { return min(int(m), len(modeNames)-1) }
func reasonIndex(r session.EndReason) int { return min(int(r), len(reasonNames)-1) }

func operationIndex(op session.StoreOp) int {
	if int(op) >= len(operationNames) {
		return 0
	}
	return int(op)
}

// The values of session.store.io.direction.
const (
	noDirection = iota
	read
	write
)

var directionNames = [...]string{read: "read", write: "write"}

// direction is which way an operation moves the content of sessions.
func direction(op session.StoreOp) int {
	switch op {
	case session.OpAcquire, session.OpLoad, session.OpReap:
		return read
	case session.OpCreate, session.OpSave, session.OpSwap:
		return write
	}
	return noDirection
}

// options are one set of attributes in the forms that instruments and spans
// take. Made once, they are passed on as they are: a measurement then allocates
// nothing here.
type options struct {
	record []metric.RecordOption
	add    []metric.AddOption
	span   trace.SpanStartEventOption
}

func newOptions(attrs ...attribute.KeyValue) options {
	o := metric.WithAttributeSet(attribute.NewSet(attrs...))
	return options{
		record: []metric.RecordOption{o},
		add:    []metric.AddOption{o},
		span:   trace.WithAttributes(attrs...),
	}
}

// byClass are one set of attributes with every error.type, and without.
type byClass [numClasses]options

func newByClass(attrs ...attribute.KeyValue) (b byClass) {
	attrs = slices.Clip(attrs)
	b[noError] = newOptions(attrs...)
	for c := noError + 1; c < numClasses; c++ {
		b[c] = newOptions(append(attrs, c.attribute())...)
	}
	return b
}

// of returns those of err.
func (b *byClass) of(err error) *options { return &b[classOf(err)] }

// tables have every set of attributes that there can be.
type tables struct {
	errors     byClass
	modes      [len(modeNames)]byClass
	acquired   [len(modeNames)][2]options // the second index: whether it waited
	saved      [len(modeNames)][2]byClass // the second index: whether it was removed
	ends       [len(reasonNames)]byClass
	operations [len(operationNames)]byClass
	directions [len(directionNames)]options
}

// newTables makes them, on the heap: they are some hundred kilobytes.
func newTables() *tables {
	t := &tables{errors: newByClass()}
	for m, name := range modeNames {
		mode := modeKey.String(name)
		t.modes[m] = newByClass(mode)
		for _, b := range []bool{false, true} {
			t.acquired[m][index(b)] = newOptions(mode, waitedKey.Bool(b))
			t.saved[m][index(b)] = newByClass(mode, removedKey.Bool(b))
		}
	}
	for r, name := range reasonNames {
		t.ends[r] = newByClass(reasonKey.String(name))
	}
	for op, name := range operationNames {
		t.operations[op] = newByClass(operationKey.String(name))
	}
	for d := read; d < len(directionNames); d++ {
		t.directions[d] = newOptions(directionKey.String(directionNames[d]))
	}
	return t
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}
