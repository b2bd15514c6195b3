package shoptest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference is what one framework does otherwise than the transcript says, and
// why that is as it should be.
type Difference struct {
	Why    string
	Steps  []string // their titles
	Fields Fields   // what is there instead; the others are as in the transcript
	As     string   // or: all is as in the step of this title
}

// Fields are what comes of a step: "status", "body", "text", "store", and the
// headers by their names. Several values of one name are joined by "\n"; "" is
// none.
type Fields map[string]string

// step is one step of the script: what was asked and what came of it.
type step struct {
	title   string
	request []string            // for readers only
	fields  map[string][]string // what is compared
}

// transcript is what a run of the script has shown. As text:
//
//	=== the title of a step
//	> what was asked
//	field: value
//
// A field with several values has several lines.
type transcript []step

// order is the order of the fields that do not sort by name: the status comes
// first, and what is left in the store last.
var order = map[string]int{"status": -1, "body": 1, "text": 2, "answer": 3, "store": 4}

func (tr transcript) String() string {
	var b strings.Builder
	for i, st := range tr {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "=== %s\n", st.title)
		for _, line := range st.request {
			fmt.Fprintf(&b, "> %s\n", line)
		}
		for _, name := range slices.SortedFunc(maps.Keys(st.fields), func(a, b string) int {
			if d := order[a] - order[b]; d != 0 {
				return d
			}
			return strings.Compare(a, b)
		}) {
			for _, value := range st.fields[name] {
				fmt.Fprintf(&b, "%s: %s\n", name, value)
			}
		}
	}
	return b.String()
}

// parse reads what String has written.
func parse(text string) (tr transcript, err error) {
	var st *step
	for i, line := range strings.Split(text, "\n") {
		if title, ok := strings.CutPrefix(line, "=== "); ok {
			tr = append(tr, step{title: title, fields: map[string][]string{}})
			st = &tr[len(tr)-1]
			continue
		}
		request, asked := strings.CutPrefix(line, "> ")
		name, value, field := strings.Cut(line, ": ")
		switch {
		case line == "":
		case st == nil:
			return nil, fmt.Errorf("line %d comes before the first step", i+1)
		case asked:
			st.request = append(st.request, request)
		case field:
			st.fields[name] = append(st.fields[name], value)
		default:
			return nil, fmt.Errorf("line %d is neither a step nor a request nor a field: %q", i+1, line)
		}
	}
	return tr, nil
}

func (tr transcript) find(title string) *step {
	for i := range tr {
		if tr[i].title == title {
			return &tr[i]
		}
	}
	return nil
}

// compare returns what is wrong with got: what is neither as in want nor
// declared, and what is declared and is not so. Each complaint can be read by
// itself.
func compare(want, got transcript, declared []Difference) (wrong []string) {
	expected, wrong := want.differing(declared)
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, st := range want {
		if got.find(st.title) == nil {
			complain("%s: the step was not done", st.title)
		}
	}
	for _, st := range got {
		should := want.find(st.title)
		if should == nil {
			complain("%s: the transcript has no such step", st.title)
			continue
		}
		for _, name := range names(st.fields, should.fields) {
			is, says := st.value(name), should.value(name)
			d, differs := expected[place{st.title, name}]
			switch {
			case differs && is == says:
				complain("%s: %s is as in the transcript: the difference is no longer one, so take it away", st.title, name)
			case differs && is != d:
				complain("%s: %s\n%s", st.title, name, diff("declared", d, is))
			case !differs && is != says:
				complain("%s: %s\n%s", st.title, name, diff("transcript", says, is))
			}
		}
	}
	return wrong
}

// place is a field of a step.
type place struct{ step, field string }

// differing returns what is declared to be different where, and what is wrong
// with that.
func (tr transcript) differing(declared []Difference) (expected map[place]string, wrong []string) {
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	expected = map[place]string{}
	for _, d := range declared {
		as := tr.find(d.As)
		if d.Why == "" || len(d.Steps) == 0 || (as == nil) == (d.Fields == nil) {
			complain("a difference lacks its reason, its steps, or one of Fields and As: %+v", d)
			continue
		}
		for _, title := range d.Steps {
			st := tr.find(title)
			if st == nil {
				complain("a difference is declared in the step %q, which the transcript does not have", title)
				continue
			}
			fields := d.Fields
			if as != nil {
				fields = Fields{}
				for _, name := range names(st.fields, as.fields) {
					if value := as.value(name); value != st.value(name) {
						fields[name] = value
					}
				}
			}
			for name, value := range fields {
				at := place{title, name}
				if _, twice := expected[at]; twice {
					complain("%s: two differences in %s are declared", title, name)
				}
				if st.value(name) == value {
					complain("%s: what is declared as a difference in %s is what the transcript says", title, name)
				}
				expected[at] = value
			}
		}
	}
	return expected, wrong
}

func (st step) value(name string) string { return strings.Join(st.fields[name], "\n") }

// names returns the names of the fields that one or the other has.
func names(a, b map[string][]string) []string {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return slices.Sorted(maps.Keys(both))
}

// diff shows two values of a field, one below the other.
func diff(whose, want, got string) string {
	var lines []string
	for _, side := range []struct{ whose, value string }{{whose, want}, {"got", got}} {
		for line := range strings.SplitSeq(cmp.Or(side.value, "(nothing)"), "\n") {
			lines = append(lines, fmt.Sprintf("\t%10s: %s", side.whose, line))
		}
	}
	return strings.Join(lines, "\n")
}

// revised is the transcript that got would pass: got itself, but for what is
// declared as different, which stays as it was in want.
func revised(want, got transcript, declared []Difference) transcript {
	differing, _ := want.differing(declared)
	for at := range differing {
		before, now := want.find(at.step), got.find(at.step)
		switch {
		case now == nil:
		case before.fields[at.field] == nil:
			delete(now.fields, at.field)
		default:
			now.fields[at.field] = before.fields[at.field]
		}
	}
	return got
}
