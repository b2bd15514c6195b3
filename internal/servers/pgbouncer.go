package main

import (
	"context"
	"io"

	"github.com/sessionstate/sessionstate/internal/servers/install"
	"github.com/sessionstate/sessionstate/internal/servers/pgbouncer"
)

const pgbouncerVariable = "SESSION_TEST_PGBOUNCER"

func pgbouncerServer() server {
	return server{
		name:     "pgbouncer",
		title:    "PgBouncer",
		variable: pgbouncerVariable,
		needs:    []string{"postgres"},
		optional: true,
		start: func(ctx context.Context, w io.Writer, vars map[string]string) (address, what string, stop func() error, err error) {
			err = install.Ensure(ctx, w, install.Server{
				Name:     "PgBouncer",
				Debian:   "pgbouncer",
				Fedora:   "pgbouncer",
				Homebrew: "pgbouncer",
				Instead:  "set " + pgbouncerVariable + " to a DSN that leads through one in transaction mode",
				Find: func() error {
					_, err := pgbouncer.Find()
					return err
				},
			})
			if err != nil {
				return "", "", nil, err
			}
			s, err := pgbouncer.Start(ctx, vars[postgresVariable])
			if err != nil {
				return "", "", nil, err
			}
			return s.DSN(), "PgBouncer in transaction mode", s.Close, nil
		},
	}
}
