package main

import (
	"fmt"
	"strings"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
)

// text is what every session has beside the number, as often as it shall.
var text = clients.Text(300, 1)

// The routes of every contender. Their paths are of one length, so that the
// router's work is the same.
const (
	nothing = "/none" // does not ask for the session
	read    = "/read" // reads the number
	step    = "/step" // reads the number and stores the next one
	fill    = "/fill" // stores text and the number 1
	look    = "/look" // reads both
)

// framework is a framework with those who compete in it.
type framework struct {
	name  string
	bare  func() client
	ours  contender
	peers []contender

	settings bool // they are all this project's library, and differ in their settings
}

// peerLike returns the first of the peers whose name begins so, "" if there is
// none.
func (f framework) peerLike(begin string) string {
	for _, p := range f.peers {
		if strings.HasPrefix(p.name, begin) {
			return p.name
		}
	}
	return ""
}

func frameworks() []framework {
	return []framework{
		chiFramework(), ginFramework(), echoFramework(), fiberFramework(),
		settingsFramework(1), settingsFramework(14),
	}
}

// contender is a session library in a framework.
type contender struct {
	name     string
	inCookie bool // the client keeps the values, and the server nothing
	// open starts the application, whose handlers tell see what they saw.
	open func(see *seen) (app client, closer func() error, err error)
}

// seen is what the last handler saw.
type seen struct {
	n    int
	text string
	err  error
}

// client calls an application. It may be used by one goroutine at a time.
type client interface {
	// prepare returns the function that makes this request. Each call is a
	// request of its own to the application.
	prepare(path, cookies string) (do func())
	// reply returns the answer to the last request.
	reply() reply
}

type reply struct {
	status     int
	body       string
	setCookies []string
}

// library is how handlers with a context C use a session library.
type library[C any] struct {
	fill func(C) error
	read func(C) (int, error)
	step func(C) (int, error) // returns what it read
	look func(C) (int, string, error)
}

// routes returns what the handlers do before they answer.
func (l library[C]) routes(see *seen) map[string]func(C) {
	return map[string]func(C){
		nothing: func(C) {},
		fill:    func(c C) { see.err = l.fill(c) },
		read:    func(c C) { see.n, see.err = l.read(c) },
		step:    func(c C) { see.n, see.err = l.step(c) },
		look:    func(c C) { see.n, see.text, see.err = l.look(c) },
	}
}

var (
	number = session.NewKey[int]("n")
	words  = session.NewKey[string]("text")
)

// sessionstate is this project's library, with an adapter's Acquire.
func sessionstate[C any](acquire func(C, ...session.Mode) (*session.Session, error)) library[C] {
	return sessionstateWith(acquire, text)
}

// sessionstateWith has a longer text in its sessions. Who looks sees text if it
// is the right one.
func sessionstateWith[C any](acquire func(C, ...session.Mode) (*session.Session, error), long string) library[C] {
	return library[C]{
		fill: func(c C) error {
			s, err := acquire(c)
			if err != nil {
				return err
			}
			if err := words.Set(s, long); err != nil {
				return err
			}
			return number.Set(s, 1)
		},
		read: func(c C) (int, error) {
			s, err := acquire(c, session.ReadOnly)
			if err != nil {
				return 0, err
			}
			return number.Get(s)
		},
		step: func(c C) (int, error) {
			s, err := acquire(c)
			if err != nil {
				return 0, err
			}
			n, err := number.Get(s)
			if err != nil {
				return 0, err
			}
			return n, number.Set(s, n+1)
		},
		look: func(c C) (int, string, error) {
			s, err := acquire(c, session.ReadOnly)
			if err != nil {
				return 0, "", err
			}
			n, err := number.Get(s)
			if err != nil {
				return 0, "", err
			}
			got, err := words.Get(s)
			if got == long {
				got = text
			}
			return n, got, err
		},
	}
}

// newManager returns this project's manager with what the defaults are, but for
// the requests' lack of TLS.
func newManager() (mgr *session.Manager, closer func() error, err error) {
	return open(memstore.New(), session.Config{})
}

// open returns a Manager with these settings, and what closes it.
func open(st session.Store, config session.Config) (mgr *session.Manager, closer func() error, err error) {
	config.ID = session.Cookie{Insecure: true}
	mgr, err = session.New(st, config)
	if err != nil {
		return nil, nil, fmt.Errorf("bench: %w", err)
	}
	return mgr, func() error { return clients.Close(mgr) }, nil
}

// nothingToClose is the closer of those that need none.
func nothingToClose() error { return nil }
