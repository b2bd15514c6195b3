package main

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/reference"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

const lease = 15 * time.Second

// openOurs opens this project's library with n sessions of that size.
func openOurs(ctx context.Context, p *place, n, size int) (*contender, error) {
	return openManager(ctx, p, n, size, ours, func(st *sqlstore.Store, config session.Config) (*session.Manager, error) {
		return session.New(st, config)
	})
}

// openReference opens the algorithm of ASP.NET's session state.
func openReference(ctx context.Context, p *place, n, size int) (*contender, error) {
	return openManager(ctx, p, n, size, referenceName, func(st *sqlstore.Store, config session.Config) (*session.Manager, error) {
		return session.New(reference.New(st, reference.Remote), reference.Config(config))
	})
}

func openManager(ctx context.Context, p *place, n, size int, name string, manage func(*sqlstore.Store, session.Config) (*session.Manager, error)) (*contender, error) {
	st, err := sqlstore.New(ctx, p.Pool, sqlstore.Config{})
	if err != nil {
		return nil, err
	}
	mgr, err := manage(st, session.Config{ID: session.Cookie{Insecure: true}})
	if err != nil {
		return nil, err
	}
	keys := make([]session.StoreKey, n)
	c := newContender(name, p, clients.Sessionstate(mgr))
	c.close = func() {
		clients.Close(mgr)
		st.Close()
		p.Close()
	}
	err = c.FillAll(ctx, n, size, conns, func(i int, h http.Header) error {
		_, err := hex.Decode(keys[i][:], []byte(h.Get(clients.KeyName)))
		return err
	})
	c.load = func(ctx context.Context, _, i int) error {
		_, err := st.Load(ctx, keys[i], false)
		return err
	}
	c.write = func(ctx context.Context, _, i int) error {
		token := session.NewToken()
		rec, err := st.Acquire(ctx, keys[i], token, lease)
		if err != nil {
			return err
		}
		rec.Write = session.NewWriteID()
		return st.Save(ctx, keys[i], rec, token, session.Commit{})
	}
	return c, err
}
