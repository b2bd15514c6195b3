package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sessionstate/sessionstate/internal/servers/install"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

const postgresVariable = "SESSION_TEST_POSTGRES"

// postgresServer's PostgreSQL is of the major version if that is not zero.
func postgresServer(major *int) server {
	return server{
		name:     "postgres",
		title:    "PostgreSQL",
		variable: postgresVariable,
		refuses: func() error {
			if *major != 0 {
				return fmt.Errorf("%s names a server, whose version -postgres-version %d cannot choose: unset the one or leave out the other", postgresVariable, *major)
			}
			return nil
		},
		start: func(ctx context.Context, w io.Writer, vars map[string]string) (address, what string, stop func() error, err error) {
			bin, err := postgresBin(ctx, w, *major)
			if err != nil {
				return "", "", nil, err
			}
			s, err := postgres.Start(ctx, postgres.Options{Bin: bin})
			if err != nil {
				return "", "", nil, err
			}
			if bin != "" {
				vars[postgres.BinVariable] = bin
			}
			return s.DSN(), "PostgreSQL " + s.Version(), s.Close, nil
		},
	}
}

// postgresBin returns the folder of a major version's binaries, "" for those
// that package postgres finds by itself, which it sees to.
func postgresBin(ctx context.Context, w io.Writer, major int) (string, error) {
	if major != 0 {
		return postgres.Build(ctx, w, major)
	}
	return "", install.Ensure(ctx, w, install.Server{
		Name:     "PostgreSQL",
		Debian:   "postgresql",
		Fedora:   "postgresql-server",
		Homebrew: "postgresql@18",
		Instead:  "set " + postgres.BinVariable + " to the folder of initdb and postgres, or " + postgresVariable + " to the DSN of a superuser of a running server",
		Find: func() error {
			if _, err := postgres.Find(); errors.Is(err, postgres.ErrNotFound) {
				return err
			}
			return nil // any other error is not cured by installing: Start tells it
		},
	})
}
