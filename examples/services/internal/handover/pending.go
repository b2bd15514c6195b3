package handover

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// pending is a login that a visitor has begun.
type pending struct {
	State   string    `json:"state"`
	To      string    `json:"to"` // where the visitor comes back to
	Expires time.Time `json:"expires"`
}

var pendingKey = session.NewKey[[]pending]("handover")

const (
	// patience is how long a visitor has for the login page.
	patience = 10 * time.Minute

	// maxPending is how many logins a visitor may have begun: one in each of a
	// few tabs.
	maxPending = 4
)

// begin keeps a new state in the session.
func begin(s *session.Session, to string, now time.Time) (state string, err error) {
	all, err := pendingKey.Get(s)
	if err != nil {
		return "", err
	}
	all = slices.DeleteFunc(all, func(p pending) bool { return !now.Before(p.Expires) })
	if len(all) >= maxPending {
		all = all[len(all)-maxPending+1:] // the oldest gives way
	}
	state = rand.Text()
	return state, pendingKey.Set(s, append(all, pending{state, to, now.Add(patience)}))
}

// take takes a state out of the session, so that nobody does so again, and
// returns where the visitor wanted to go. That is why the mode matters: of two
// Concurrent requests both could find it.
func take(s *session.Session, state string, now time.Time) (to string, err error) {
	if s.Mode() != session.Exclusive {
		return "", fmt.Errorf("handover: the session was acquired %s, which does not keep a state from being used twice: acquire it Exclusive", s.Mode())
	}
	all, err := pendingKey.Get(s)
	if err != nil {
		return "", err
	}
	found := -1
	for i, p := range all {
		if subtle.ConstantTimeCompare([]byte(p.State), []byte(state)) == 1 && now.Before(p.Expires) {
			found = i
		}
	}
	if found < 0 {
		return "", fmt.Errorf("%w: no login of this state was begun in this browser, or it was used", ErrRefused)
	}
	to = all[found].To
	return to, pendingKey.Set(s, slices.Delete(all, found, found+1))
}

// LocalPath reports whether to is a page at home or below it, a path such as
// /shop/, and of this site. It is strict: browsers take //host and /\host for
// other sites, drop tabs and line breaks, and resolve /shop/..//host.
func LocalPath(to, home string) bool {
	if !strings.HasPrefix(to, home) || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		return false
	}
	u, err := url.Parse(to) // refuses control characters
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.RawPath != "" {
		return false
	}
	clean := path.Clean(u.Path)
	return u.Path == clean || u.Path == clean+"/" || u.Path == "/"
}
