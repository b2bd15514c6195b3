package shoptest

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
)

// transcriptFile is what all frameworks have to answer (A10), from an example's
// folder; rewrite, in the environment, has it written anew:
//
//	SHOPTEST_REWRITE=1 go test -run TestA10 ./examples/echo
//
// What is declared as a difference of the framework stays as it was.
const (
	transcriptFile = "../internal/shoptest/testdata/script.txt"
	rewrite        = "SHOPTEST_REWRITE"
)

// Script plays one script to a shop and compares all that comes of it with one
// transcript, the same for all frameworks: statuses, headers, cookies, bodies,
// and what is in the store after each step (A10). build must add the probes:
// see Actions.
func Script(t *testing.T, build serve.Build, declared ...Difference) {
	text, err := os.ReadFile(transcriptFile)
	if err != nil {
		t.Fatal(err)
	}
	want, err := parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", transcriptFile, err)
	}
	s := newScript(t, build)
	play(s)
	if os.Getenv(rewrite) != "" {
		if err := os.WriteFile(transcriptFile, []byte(revised(want, s.done, declared).String()), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s was written anew: look at what has changed", transcriptFile)
		return
	}
	for _, wrong := range compare(want, s.done, declared) {
		t.Error(wrong)
	}
	if t.Failed() {
		t.Logf("if the transcript is to change: %s=1 go test -run '^%s$' .", rewrite, t.Name())
	}
}

// script is a run of the script.
type script struct {
	*testing.T
	site   *site
	addr   string
	use    *use
	store  *inspector
	ids    []string          // in the order in which they were given out
	cookie string            // the visitor's, as <id1>; "" without one
	stored map[string]string // what was in the store after the step before
	done   transcript
}

func newScript(t *testing.T, build serve.Build) *script {
	u := new(use)
	st := open(t, build, session.Config{
		// With room for nine to wait an eleventh request of a session is turned
		// away exactly when one has it and nine wait.
		RequestQueueLimit: 9,
		AcquireTimeout:    patience,
		LockLease:         2 * patience, // a lock that is left behind must not be freed by time
		Observer:          u,
	})
	return &script{T: t, site: st, addr: strings.TrimPrefix(st.url, "http://"), use: u, store: newInspector(t, st.store)}
}

// step does one request and writes down what came of it.
func (s *script) step(title string, c call) {
	s.Helper()
	request := c.shown(s.cookie)
	s.note(title, request, s.do(c).fields(c.method))
}

// do does a request that the transcript leaves out.
func (s *script) do(c call) reply {
	s.Helper()
	r, err := exchange(s.addr, c.method, s.reveal(c.wire(s.cookie)))
	if err != nil {
		s.Fatalf("%s %s: %v", c.method, c.target, err)
	}
	before := s.cookie
	s.learn(r)
	if c.bare {
		s.cookie = before // another browser got that
	}
	return r
}

// background sends a request and gives the answer to whoever waits for it.
func (s *script) background(c call) <-chan reply {
	answer := make(chan reply, 1)
	wire := s.reveal(c.wire(s.cookie))
	go func() { // ends with the answer, or when patience does
		r, err := exchange(s.addr, c.method, wire)
		if err != nil {
			s.Errorf("%s %s: %v", c.method, c.target, err)
		}
		answer <- r
	}()
	return answer
}

var placeholder = regexp.MustCompile(`<id([0-9]+)>`)

// reveal puts the IDs in.
func (s *script) reveal(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		for i, id := range s.ids {
			if name == nameOf(i) {
				return id
			}
		}
		s.Errorf("the script uses %s before it was given out", name)
		return name
	})
}

func nameOf(i int) string { return fmt.Sprintf("<id%d>", i+1) }

// learn takes the cookie of an answer into the visitor's browser and replaces
// the IDs in it by their names. An ID anywhere else is a mistake.
func (s *script) learn(r reply) {
	s.Helper()
	for _, c := range (&http.Response{Header: r.header}).Cookies() {
		switch {
		case c.Name != "session":
		case c.MaxAge < 0:
			s.cookie = ""
		default:
			i := slices.Index(s.ids, c.Value)
			if i < 0 {
				i = len(s.ids)
				s.ids = append(s.ids, c.Value)
			}
			s.cookie = nameOf(i)
		}
	}
	for i, id := range s.ids {
		for name, values := range r.header {
			for j, value := range values {
				if strings.Contains(value, id) && name != "Set-Cookie" {
					s.Errorf("the header %s contains an ID", name)
				}
				values[j] = strings.ReplaceAll(value, id, nameOf(i))
			}
		}
		if strings.Contains(r.body, id) {
			s.Error("a body contains an ID")
		}
	}
}

// note writes a step down, with what is in the store when all is over.
func (s *script) note(title string, request []string, fields map[string][]string) {
	s.Helper()
	if s.done.find(title) != nil {
		s.Fatalf("two steps are called %q", title)
	}
	if err := s.use.over(); err != nil {
		s.Fatalf("%s: %v", title, err)
	}
	stored, err := s.store.contents(s.Context(), s.ids)
	if err != nil {
		s.Fatalf("%s: the store: %v", title, err)
	}
	fields["store"] = changes(s.stored, stored)
	s.stored = stored
	s.done = append(s.done, step{title, request, fields})
}

// together sends n calls that overlap and writes their answers down, sorted,
// since nothing says which is the first. rule is called when all are under way.
func (s *script) together(title string, n int, c call, rule func(answers <-chan reply) []reply) {
	s.Helper()
	answers := make(chan reply, n)
	for range n {
		answer := s.background(c)
		go func() { answers <- <-answer }()
	}
	got := rule(answers)
	for len(got) < n {
		got = append(got, await(s.T, title, answers))
	}
	var lines []string
	for _, r := range got {
		s.learn(r)
		f := r.fields(c.method)
		line := f["status"]
		for _, name := range []string{"Retry-After", "Set-Cookie"} {
			for _, v := range f[name] {
				line = append(line, name+": "+v)
			}
		}
		lines = append(lines, strings.Join(append(line, f["body"]...), ", "))
	}
	slices.SortFunc(lines, func(a, b string) int {
		if d := len(a) - len(b); d != 0 { // 2 before 10
			return d
		}
		return strings.Compare(a, b)
	})
	s.note(title, append([]string{fmt.Sprint(n, " times:")}, c.shown(s.cookie)...), map[string][]string{"answer": lines})
}

// idle forgets which updates have begun, for the next part to begin anew.
func (s *script) idle() {
	for {
		select {
		case <-s.site.gate.entered:
		default:
			return
		}
	}
}
