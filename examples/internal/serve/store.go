package serve

import (
	"context"
	"fmt"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// storeHelp says what SESSION_STORE may be.
const storeHelp = `SESSION_STORE says where the sessions are:
  memory                                   in this process (the default)
  postgres://user:password@host/database   in PostgreSQL, shared with other processes
  cosmos://AccountEndpoint=…;AccountKey=…; in Azure Cosmos DB, shared with other processes:
                                           cosmos:// and the account's connection string`

// openTimeout is how long a database may take to answer at the start.
const openTimeout = 15 * time.Second

// openStore returns the store that SESSION_STORE names, and what closes it.
func openStore(ctx context.Context, name string) (store session.Store, closeStore func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	scheme, rest, isURL := strings.Cut(name, "://")
	switch {
	case name == "", name == "memory":
		return memstore.New(), func() {}, nil
	case isURL && (scheme == "postgres" || scheme == "postgresql"):
		st, err := sqlstore.Open(ctx, name, sqlstore.Config{})
		if err != nil {
			return nil, nil, err
		}
		return st, st.Close, nil
	case isURL && scheme == "cosmos":
		st, err := cosmosstore.Open(ctx, cosmosstore.Config{ConnectionString: rest})
		if err != nil {
			return nil, nil, err
		}
		return st, func() { _ = st.Close() }, nil
	case isURL: // what follows may be a password
		return nil, nil, fmt.Errorf("SESSION_STORE begins with %q, which is no store:\n%s", scheme+"://", storeHelp)
	}
	return nil, nil, fmt.Errorf("SESSION_STORE is no store:\n%s", storeHelp)
}
