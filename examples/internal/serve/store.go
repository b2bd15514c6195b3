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

// StoreHelp says what a store's name may be.
const StoreHelp = `
  memory                                   in this process (the default)
  postgres://user:password@host/database   in PostgreSQL, shared with other processes
  cosmos://AccountEndpoint=…;AccountKey=…; in Azure Cosmos DB, shared with other processes:
                                           cosmos:// and the account's connection string`

// openTimeout is how long a database may take to answer at the start.
const openTimeout = 15 * time.Second

// OpenStore returns the store of a name, as StoreHelp explains it, and what
// closes it. An error tells which variable the name is from.
func OpenStore(ctx context.Context, variable, name string) (store session.Store, closeStore func(), err error) {
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
		return st, st.Close, nil
	case isURL: // what follows may be a password
		return nil, nil, fmt.Errorf("%s begins with %q, which is no store. It says where the sessions are:%s", variable, scheme+"://", StoreHelp)
	}
	return nil, nil, fmt.Errorf("%s is no store. It says where the sessions are:%s", variable, StoreHelp)
}
