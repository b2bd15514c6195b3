package main

import (
	"context"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

// newSCS returns scs as it comes, but for the goroutine that removes what has
// expired, every minute: to stop it is a data race in scs 2.9. idle is the idle
// timeout; zero is the default, none.
func newSCS(idle time.Duration) *scs.SessionManager {
	m := scs.New()
	m.Store = memstore.NewWithCleanupInterval(0)
	m.IdleTimeout = idle
	return m
}

// scsLibrary is scs in handlers with a context C, which has the request's.
func scsLibrary[C any](m *scs.SessionManager, of func(C) context.Context) library[C] {
	return library[C]{
		fill: func(c C) error {
			ctx := of(c)
			m.Put(ctx, "text", text)
			m.Put(ctx, "n", 1)
			return nil
		},
		read: func(c C) (int, error) { return m.GetInt(of(c), "n"), nil },
		step: func(c C) (int, error) {
			ctx := of(c)
			n := m.GetInt(ctx, "n")
			m.Put(ctx, "n", n+1)
			return n, nil
		},
		look: func(c C) (int, string, error) {
			ctx := of(c)
			return m.GetInt(ctx, "n"), m.GetString(ctx, "text"), nil
		},
	}
}

func requestContext(r *http.Request) context.Context { return r.Context() }
