package launch

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sessionstate/sessionstate/internal/servers/cosmos"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

// databaseTime is how long a database may take to start. npm fetches the Cosmos
// DB server the first time.
const databaseTime = 3 * time.Minute

// database is what a service keeps its sessions in.
type database struct {
	name     string // as people call it
	variable string // names the store, if somebody has one
	service  string
	instead  string // how to get it
	start    func(ctx context.Context, progress io.Writer) (store string, stop func() error, err error)
}

func databases() (shop, account database) {
	shop = database{
		name: "PostgreSQL", variable: "SHOP_STORE", service: "the shop",
		instead: "install PostgreSQL's server, or set SHOP_STORE=postgres://user:password@host/database",
		start: func(ctx context.Context, _ io.Writer) (string, func() error, error) {
			s, err := postgres.Start(ctx, postgres.Options{})
			if err != nil {
				return "", nil, err
			}
			return s.DSN(), s.Close, nil
		},
	}
	account = database{
		name: "a Cosmos DB server", variable: "ACCOUNT_STORE", service: "account",
		instead: "install Node and npm, or set ACCOUNT_STORE='cosmos://AccountEndpoint=…;AccountKey=…;'",
		start: func(ctx context.Context, progress io.Writer) (string, func() error, error) {
			s, err := cosmos.Start(ctx, progress)
			if err != nil {
				return "", nil, err
			}
			return "cosmos://" + s.ConnectionString(), s.Close, nil
		},
	}
	return shop, account
}

// databases finds a store for each service that needs one.
func (l *launcher) databases(ctx context.Context) (err error) {
	shop, account := databases()
	if l.shopStore, err = l.store(ctx, shop); err != nil {
		return err
	}
	l.accountStore, err = l.store(ctx, account)
	return err
}

// store returns the store that the environment names, or that of a database
// that it starts, or "memory", and then says so: now, and again when all runs.
func (l *launcher) store(ctx context.Context, d database) (string, error) {
	if store := l.getenv(d.variable); store != "" {
		l.out.say("%s has its sessions where %s says", d.service, d.variable)
		return store, nil
	}
	starting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	store, stop, err := d.start(starting, l.out.prefixed("services"))
	switch {
	case err != nil && ctx.Err() != nil:
		return "", nil // Run sees it, too
	case err != nil:
		l.out.say("%s CANNOT BE STARTED: %v", d.name, err)
		l.warnings = append(l.warnings,
			fmt.Sprintf("WITHOUT %s: %s has its sessions IN MEMORY, and forgets them when its process ends.", d.name, d.service),
			fmt.Sprintf("To change that, %s.", d.instead))
		for _, line := range l.warnings[len(l.warnings)-2:] {
			l.out.say("%s", line)
		}
		return "memory", nil
	}
	l.servers = append(l.servers, stop)
	l.out.say("%s runs, for %s; it ends with this program, and its data with it", d.name, d.service)
	return store, nil
}
