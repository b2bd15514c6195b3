package main

import (
	"context"
	"errors"
	"io"

	"github.com/sessionstate/sessionstate/internal/servers/install"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

const postgresVariable = "SESSION_TEST_POSTGRES"

func postgresServer() server {
	return server{
		name:     "postgres",
		title:    "PostgreSQL",
		variable: postgresVariable,
		start: func(ctx context.Context, w io.Writer, _ map[string]string) (address, what string, stop func() error, err error) {
			err = install.Ensure(ctx, w, install.Server{
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
			if err != nil {
				return "", "", nil, err
			}
			s, err := postgres.Start(ctx, postgres.Options{})
			if err != nil {
				return "", "", nil, err
			}
			return s.DSN(), "PostgreSQL " + s.Version(), s.Close, nil
		},
	}
}
