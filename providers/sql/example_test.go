package sqlstore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

func ExampleOpen() {
	run := func(ctx context.Context) error {
		store, err := sqlstore.Open(ctx, os.Getenv("DATABASE_URL"), sqlstore.Config{})
		if err != nil {
			return err
		}
		defer store.Close()
		sessions, err := session.New(store, session.Config{})
		if err != nil {
			return err
		}
		defer sessions.Close(ctx) // before the store
		// Serve.
		return nil
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func ExampleNew() {
	run := func(ctx context.Context) error {
		pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL")) // which the service uses for its own data, too
		if err != nil {
			return err
		}
		defer pool.Close()
		store, err := sqlstore.New(ctx, pool, sqlstore.Config{Table: "web.session_state", Schema: sqlstore.SchemaVerify})
		if err != nil {
			return err
		}
		defer store.Close() // leaves the pool open
		// Serve.
		return nil
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func ExampleSchemaSQL() {
	sql, err := sqlstore.SchemaSQL(sqlstore.Config{Table: "web.session_state"})
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(sql) {
		if strings.HasPrefix(line, "CREATE") {
			fmt.Print(line)
		}
	}
	// Output:
	// CREATE TABLE "web"."session_state" (
	// CREATE INDEX "session_state_expires_idx" ON "web"."session_state" (namespace, events, expires);
	// CREATE INDEX "session_state_owner_idx" ON "web"."session_state" (namespace, owner) WHERE owner <> '';
}
