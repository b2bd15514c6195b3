package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	"github.com/sessionstate/sessionstate/internal/servers/cosmos"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

// servers are where sessions can be. A run uses the one of its store, which must
// be used by nobody else if the fault is the database's.
type servers struct {
	postgres *postgres.Server
	disk     *disk // nil unless PostgreSQL's is small
	cosmos   *cosmos.Server
}

// connect sets up what is between the service and its store. It returns the
// address for the service, the one for a reader whom nothing disturbs, and what
// ends it.
func (st *stage) connect(on *servers) (address, direct string, end func(), err error) {
	end = func() {}
	switch st.set.store {
	case wire.Memory:
		return "", "", end, nil
	case wire.PostgreSQL:
		if on.postgres == nil {
			return "", "", end, errors.New("there is no PostgreSQL")
		}
		st.server, st.disk = on.postgres, on.disk
		direct = st.server.DSN()
		if address, err = withOptions(direct, st.set.options); err != nil || st.set.mode != faultNetwork {
			return address, direct, end, err
		}
		if st.proxy, err = newProxy(address); err != nil {
			return "", "", end, err
		}
		return st.proxy.dsn, direct, st.proxy.close, nil
	case wire.Cosmos:
		if on.cosmos == nil {
			return "", "", end, errors.New("there is no Cosmos DB server")
		}
		if st.gateway, err = newGateway(on.cosmos, st.set.seed); err != nil {
			return "", "", end, err
		}
		return st.gateway.Address, on.cosmos.ConnectionString(), st.gateway.close, nil
	}
	return "", "", end, fmt.Errorf("there is no store %q", st.set.store)
}

// withOptions returns the DSN with parameters for the server's sessions.
func withOptions(dsn, options string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("the DSN is no URL")
	}
	q := u.Query()
	q.Set("pool_max_conns", "8")
	if options != "" {
		q.Set("options", options)
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // a + is itself, as in libpq
	return u.String(), nil
}

// calm tells the processes that run to leave their stores alone from now on, and
// returns how many calls they had disturbed.
func (st *stage) calm(ctx context.Context) (injected int, err error) {
	if !st.set.failing {
		return 0, nil
	}
	for _, p := range st.fleet.slots {
		var said wire.Calm
		if err := askProcess(ctx, p, "POST", "/calm", &said); err != nil {
			return 0, err
		}
		injected += said.Injected
	}
	return injected, nil
}
