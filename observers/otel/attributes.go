package otelsession

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	session "github.com/sessionstate/sessionstate/core"
)

// The attributes, all there are.
const (
	modeKey   = attribute.Key("session.mode")
	waitedKey = attribute.Key("session.waited")
	sizeKey   = attribute.Key("session.save.size") // of spans only: it has too many values for a metric
	errorKey  = attribute.Key("error.type")        // of OpenTelemetry's semantic conventions
)

// other stands for whatever this package does not know, as the semantic
// conventions have it for error.type.
const other = "_OTHER"

// modeNames are the values of session.mode: the modes' own names, so that they
// are the same in logs.
var modeNames = [...]string{
	session.Exclusive:  session.Exclusive.String(),
	session.ReadOnly:   session.ReadOnly.String(),
	session.Snapshot:   session.Snapshot.String(),
	session.Concurrent: session.Concurrent.String(),
	4:                  other,
}

func indexOf(m session.Mode) int { return min(int(m), len(modeNames)-1) }

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

// tables have every set of attributes that there can be.
type tables struct {
	acquired       [len(modeNames)][2]options // the second index: whether it waited
	byModeAndError [len(modeNames)][numClasses]options
	byError        [numClasses]options
}

func newTables() (t tables) {
	for m, name := range modeNames {
		mode := modeKey.String(name)
		for _, waited := range []bool{false, true} {
			t.acquired[m][index(waited)] = newOptions(mode, waitedKey.Bool(waited))
		}
		for c := range numClasses {
			if c == noError {
				t.byModeAndError[m][c] = newOptions(mode)
			} else {
				t.byModeAndError[m][c] = newOptions(mode, c.attribute())
			}
		}
	}
	for c := range numClasses {
		if c != noError { // what has no error is not counted
			t.byError[c] = newOptions(c.attribute())
		}
	}
	return t
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}
