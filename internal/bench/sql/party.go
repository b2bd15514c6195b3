package main

import (
	"context"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/reference"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// party is a process's sessions, for those who wait for each other.
type party struct {
	clients.Party
	st  *sqlstore.Store
	own *place
}

// newParty opens the sessions on a pool, which becomes its own.
func newParty(ctx context.Context, own *place, mode string) (*party, error) {
	stored := sqlstore.Config{}
	if mode == byPoll {
		stored.Listen = sqlstore.ListenOff
	}
	st, err := sqlstore.New(ctx, own.Pool, stored)
	if err != nil {
		return nil, err
	}
	config := session.Config{ID: session.Cookie{Insecure: true}}
	var keeps session.Store = st
	if mode == byPoll {
		config, keeps = reference.Config(config), reference.New(st, reference.Remote)
	}
	mgr, err := session.New(keeps, config)
	if err != nil {
		st.Close()
		return nil, err
	}
	return &party{clients.Party{Manager: mgr}, st, own}, nil
}

func (p *party) close() {
	clients.Close(p.Manager)
	p.st.Close()
	p.own.Close()
}
