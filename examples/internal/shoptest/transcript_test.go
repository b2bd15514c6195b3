package shoptest

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

const sample = `=== first
> GET /
status: 200 OK
Vary: Accept
Vary: Cookie
body: none
store: unchanged

=== second
status: 404 Not Found
store: <id1> visits=1
`

func parsed(t *testing.T, text string) transcript {
	t.Helper()
	tr, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestTranscriptIsReadAsWritten(t *testing.T) {
	if got := parsed(t, sample).String(); got != sample {
		t.Errorf("it is\n%s\nand was\n%s", got, sample)
	}
	for _, bad := range []string{"status: 200\n", "=== first\nstatus\n"} {
		if tr, err := parse(bad); err == nil {
			t.Errorf("%q is read as %v", bad, tr)
		}
	}
}

// The transcript of the shop is as it would be written, so that writing it anew
// changes what has changed, and nothing else.
func TestTranscriptOfTheShop(t *testing.T) {
	text, err := os.ReadFile("testdata/script.txt")
	if err != nil {
		t.Fatal(err)
	}
	tr := parsed(t, string(text))
	if tr.String() != string(text) {
		t.Errorf("it was edited by hand: %s=1 writes it anew", rewrite)
	}
	if len(tr) < 40 {
		t.Errorf("it has %d steps", len(tr))
	}
}

func TestCompare(t *testing.T) {
	change := func(old, now string) string { return strings.ReplaceAll(sample, old, now) }
	declare := func(title, field, value string) []Difference {
		return []Difference{{Why: "why not", Steps: []string{title}, Fields: Fields{field: value}}}
	}
	for _, c := range []struct {
		name     string
		got      string
		declared []Difference
		says     string // "": nothing is wrong
	}{
		{"the same", sample, nil, ""},
		{"another status", change("404 Not Found", "200 OK"), nil, "second: status"},
		{"a header less", change("Vary: Cookie\n", ""), nil, "first: Vary"},
		{"a field more", change("=== second\n", "=== second\nAllow: GET\n"), nil, "second: Allow"},
		{"a field less", change("body: none\n", ""), nil, "first: body"},
		{"a step less", strings.Split(sample, "\n=== second")[0], nil, "second: the step was not done"},
		{"a step more", sample + "=== third\n", nil, "third: the transcript has no such step"},
		{"other words of what was asked", change("GET /", "GET the page"), nil, ""},
		{"a declared difference", change("Vary: Accept\n", ""), declare("first", "Vary", "Cookie"), ""},
		{"a declared lack", change("body: none\n", ""), declare("first", "body", ""), ""},
		{"several values", change("Accept", "*"), declare("first", "Vary", "*\nCookie"), ""},
		{"one that is no longer", sample, declare("first", "Vary", "Cookie"), "no longer"},
		{"another one than declared", change("Accept", "*"), declare("first", "Vary", "Cookie"), "declared: Cookie"},
		{"one that is none", sample, declare("first", "body", "none"), "what the transcript says"},
		{"one of no step", sample, declare("third", "body", ""), "does not have"},
		{"one that is declared twice", change("body: none\n", ""), append(declare("first", "body", ""), declare("first", "body", "")...), "two differences"},
		{"one without a reason", change("body: none\n", ""), []Difference{{Steps: []string{"first"}, Fields: Fields{"body": ""}}}, "lacks"},
		{
			"one that is as in another step", strings.Split(sample, "> GET")[0] + strings.Split(sample, "=== second\n")[1] + "=== second\n" + strings.Split(sample, "=== second\n")[1],
			[]Difference{{Why: "why not", Steps: []string{"first"}, As: "second"}}, "",
		},
		{"one that is not as in another step", sample, []Difference{{Why: "why not", Steps: []string{"first"}, As: "second"}}, "no longer"},
		{"one as in no step", sample, []Difference{{Why: "why not", Steps: []string{"first"}, As: "third"}}, "lacks"},
	} {
		wrong := compare(parsed(t, sample), parsed(t, c.got), c.declared)
		if c.says == "" && len(wrong) > 0 || !strings.Contains(strings.Join(wrong, "\n"), c.says) {
			t.Errorf("%s: %q, want %q", c.name, wrong, c.says)
		}
	}
}

// Written anew, the transcript keeps what the framework that writes it does
// otherwise.
func TestRevised(t *testing.T) {
	got := parsed(t, strings.NewReplacer("200 OK", "204 No Content", "Vary: Accept\n", "", "body: none\n", "body: new\n").Replace(sample))
	declared := []Difference{{Why: "why not", Steps: []string{"first", "fourth"}, Fields: Fields{"Vary": "Cookie", "Allow": "GET"}}}
	want := strings.NewReplacer("200 OK", "204 No Content", "body: none\n", "body: new\n").Replace(sample)
	if now := revised(parsed(t, sample), got, declared).String(); now != want {
		t.Errorf("it is\n%s\nwant\n%s", now, want)
	}
}

func TestChanges(t *testing.T) {
	before := map[string]string{"<id1>": " visits=1", "<id2>": " visits=2"}
	for _, c := range []struct {
		after map[string]string
		want  []string
	}{
		{before, []string{"unchanged"}},
		{map[string]string{"<id1>": " visits=2", "<id2>": " visits=2"}, []string{"<id1> visits=2"}},
		{map[string]string{"<id2>": " visits=2", "<id3>": ""}, []string{"<id1> is gone", "<id3>"}},
	} {
		if got := changes(before, c.after); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %q, want %q", c.after, got, c.want)
		}
	}
}
