package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

// conns is how many connections each contender's pool has.
const conns = 16

// settings are those of the private server: room for all that is measured, and
// no checkpoint in the middle of a round.
var settings = map[string]string{
	"shared_buffers":     "1GB",
	"max_connections":    "300",
	"max_wal_size":       "4GB",
	"checkpoint_timeout": "1h",
}

// database is a database of its own: what others do on the same server keeps
// no old versions of its rows alive.
type database struct {
	dsn     string // of the database
	admin   *pgx.Conn
	version string
	serial  int
	close   func() error
}

// openDatabase makes a database on the server of that DSN, or on a private one
// that ends with it.
func openDatabase(ctx context.Context, dsn string, more map[string]string) (*database, error) {
	stop := func() error { return nil }
	if dsn == "" {
		s, err := privateServer(ctx, more)
		if err != nil {
			return nil, err
		}
		dsn, stop = s.DSN(), s.Close
	}
	db, err := makeDatabase(ctx, dsn)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	drop := db.close
	db.close = func() error { return errors.Join(drop(), stop()) }
	return db, nil
}

func privateServer(ctx context.Context, more map[string]string) (*postgres.Server, error) {
	if _, err := postgres.Find(); err != nil {
		return nil, fmt.Errorf("bench: %w: `make servers` installs PostgreSQL or says how; or set SESSION_TEST_POSTGRES to the DSN of a superuser", err)
	}
	set := maps.Clone(settings)
	maps.Copy(set, more)
	return postgres.Start(ctx, postgres.Options{Settings: set})
}

// makeDatabase makes a database, which close drops.
func makeDatabase(ctx context.Context, dsn string) (*database, error) {
	server, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, errors.New("bench: cannot connect to the server: is SESSION_TEST_POSTGRES the URL of a superuser?")
	}
	defer server.Close(ctx)
	name := "bench_" + strings.ToLower(rand.Text())
	if _, err := server.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, fmt.Errorf("bench: create a database: %w", err)
	}
	db := &database{close: func() error { return dropDatabase(dsn, name) }}
	err = func() error {
		u, err := url.Parse(dsn)
		if err != nil || u.Host == "" {
			return errors.New("bench: the DSN must be a URL: postgres://user:password@host/database")
		}
		u.Path = "/" + name
		db.dsn = u.String()
		if db.admin, err = pgx.Connect(ctx, db.dsn); err != nil {
			return err
		}
		return db.admin.QueryRow(ctx, "SHOW server_version").Scan(&db.version)
	}()
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	db.version, _, _ = strings.Cut(db.version, " ")
	return db, nil
}

func dropDatabase(dsn, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	server, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return errors.New("bench: cannot connect to drop the database " + name)
	}
	defer server.Close(ctx)
	_, err = server.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
	return err
}

// place is a schema of its own with a pool to it.
type place struct {
	*pgxpool.Pool
	schema string
	dsn    string // leads to the schema too
}

// pool makes a schema, and a pool whose statements mean its tables. All of its
// connections are opened.
func (db *database) pool(ctx context.Context) (*place, error) {
	db.serial++
	schema := fmt.Sprintf("s%d", db.serial)
	if _, err := db.admin.Exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		return nil, err
	}
	return db.again(ctx, schema)
}

// again opens another pool to a schema that there is.
func (db *database) again(ctx context.Context, schema string) (*place, error) {
	u, err := url.Parse(db.dsn)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	q.Set("search_path", schema)
	q.Set("application_name", schema)
	u.RawQuery = q.Encode()
	pool, err := openPool(ctx, u.String())
	if err != nil {
		return nil, err
	}
	return &place{pool, schema, u.String()}, nil
}

func openPool(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = conns, conns
	config.MaxConnLifetime, config.MaxConnIdleTime = time.Hour, time.Hour
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	taken := make([]*pgxpool.Conn, 0, conns)
	for range conns {
		var c *pgxpool.Conn
		if c, err = pool.Acquire(ctx); err != nil {
			break
		}
		taken = append(taken, c)
	}
	for _, c := range taken {
		c.Release()
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}
