package main

import (
	"time"

	scsstore "github.com/alexedwards/scs/v2/memstore"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/reference"
)

// contender is a service, and what ends it.
type contender struct {
	*clients.Service
	close func() error
}

const (
	ours          = "sessionstate"
	referenceName = "the reference's algorithm"
)

// plain is for requests that did not come over TLS.
var plain = session.Config{ID: session.Cookie{Insecure: true}}

// ourManager opens a Manager with a store of its own.
func ourManager() (*session.Manager, error) { return session.New(memstore.New(), plain) }

// referenceManager opens one with the reference's algorithm.
func referenceManager(st session.Store) (*session.Manager, error) {
	return session.New(reference.New(st, reference.Local), reference.Config(plain))
}

// contenders opens all who are compared.
func contenders() ([]*contender, error) {
	mgr, err := ourManager()
	if err != nil {
		return nil, err
	}
	polling, err := referenceManager(memstore.New())
	if err != nil {
		return nil, err
	}
	all := []*contender{newContender(ours, mgr)}
	for _, scs := range []struct {
		name string
		idle time.Duration
	}{{"scs", 0}, {"scs, idle timeout", 20 * time.Minute}} {
		// Without the goroutine that removes what has expired: to stop it is a
		// data race in scs 2.9.
		_, handler := clients.SCS(scsstore.NewWithCleanupInterval(0), scs.idle)
		all = append(all, &contender{&clients.Service{Name: scs.name, Handler: handler}, func() error { return nil }})
	}
	return append(all, newContender(referenceName, polling)), nil
}

func newContender(name string, mgr *session.Manager) *contender {
	return &contender{
		&clients.Service{Name: name, Handler: clients.Sessionstate(mgr)},
		func() error { return clients.Close(mgr) },
	}
}
