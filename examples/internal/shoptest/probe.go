package shoptest

import (
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

// The shop is too well-behaved to show all that a framework can do to a
// session. The probes do the rest. Those that answer with a page are Actions;
// what is done in a framework's own way is in each example's test, and its
// part in the session and the contents are here, so that they are the same.

// probeKey is what the probes change.
var probeKey = session.NewKey[int]("probe")

// Touch changes the session.
func Touch(s *session.Session) error {
	return probeKey.Update(s, func(n int) int { return n + 1 })
}

// Actions returns the probes that are Actions, by their addresses. They are for
// GET.
func Actions() map[string]shop.Action {
	return map[string]shop.Action{
		"/probe/fails":   fails,
		"/probe/panics":  panics,
		"/probe/refuses": refuses,
		"/probe/saves":   saves,
		"/probe/large":   large,
		"/probe/brief":   brief,
		"/probe/keeps":   keeps,
	}
}

// ErrProbe is why a handler fails. No visitor may see it.
var ErrProbe = errors.New("probe: a secret reason")

// fails ends with an error after a change.
func fails(s *session.Session, _ shop.Form) (shop.Result, error) {
	return shop.Result{}, errors.Join(Touch(s), ErrProbe)
}

// panics does so before or after a change.
func panics(s *session.Session, form shop.Form) (shop.Result, error) {
	if form("when") == "changed" {
		if err := Touch(s); err != nil {
			return shop.Result{}, err
		}
	}
	panic(ErrProbe)
}

// refuses changes the session and says that the visitor did something wrong,
// which is no reason to drop the change (M13).
func refuses(s *session.Session, _ shop.Form) (shop.Result, error) {
	return shop.Result{
		Status: 422,
		Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"},
		Body:   []byte("refused"),
	}, Touch(s)
}

// saves stores a change at once, makes another, and fails: the first stays and
// its cookie goes out (M13).
func saves(s *session.Session, _ shop.Form) (shop.Result, error) {
	return shop.Result{}, errors.Join(Touch(s), s.Save(s.Context()), Touch(s), ErrProbe)
}

// large wants to store more than a session holds.
func large(s *session.Session, _ shop.Form) (shop.Result, error) {
	return shop.Result{}, errors.Join(Touch(s), session.NewKey[string]("large").Set(s, strings.Repeat("x", 2<<20)))
}

// brief begins a session that ends when it is not used for a second.
func brief(s *session.Session, _ shop.Form) (shop.Result, error) {
	return shop.Result{Status: 200, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("brief")},
		errors.Join(Touch(s), s.SetTimeout(time.Second))
}

// keeps makes the cookie outlive the browser.
func keeps(s *session.Session, _ shop.Form) (shop.Result, error) {
	return shop.Result{Status: 200, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("kept")},
		errors.Join(Touch(s), s.Remember(true))
}

// Download returns what is too large to be held back until the session is
// stored.
func Download() string {
	var b strings.Builder
	for i := 0; b.Len() < 256<<10; i++ {
		b.WriteString("line " + strconv.Itoa(i) + " of a long download\n")
	}
	return b.String()
}

// File is the name of a file to be downloaded, from an example's folder.
const File = "../internal/shoptest/testdata/terms.txt"

// Events yields events for a stream: one every tenth of a second for as long as
// d says, at least three.
func Events(d time.Duration) iter.Seq[string] {
	return func(yield func(string) bool) {
		begun := time.Now()
		for i := 1; i <= 3 || time.Since(begun) < d; i++ {
			if !yield("event " + strconv.Itoa(i)) {
				return
			}
			if d > 0 {
				time.Sleep(100 * time.Millisecond) // this is the stream's work: it is in real time
			}
		}
	}
}

// StreamFor reads how long a stream is to be.
func StreamFor(value string) time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0
	}
	return d
}
