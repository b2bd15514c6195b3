package main

import (
	"context"
	"io"

	"github.com/sessionstate/sessionstate/internal/servers/cosmos"
	"github.com/sessionstate/sessionstate/internal/servers/install"
)

const cosmosVariable = "SESSION_TEST_COSMOS"

func cosmosServer() server {
	return server{
		name:     "cosmos",
		title:    "the Cosmos DB server",
		variable: cosmosVariable,
		start: func(ctx context.Context, w io.Writer, _ map[string]string) (address, what string, stop func() error, err error) {
			err = install.Ensure(ctx, w, install.Server{
				Name:     "Node with npm",
				Debian:   "npm",
				Fedora:   "nodejs-npm",
				Homebrew: "node",
				Instead:  "set " + cosmosVariable + " to the connection string of an account or an emulator",
				Find:     cosmos.Find,
			})
			if err != nil {
				return "", "", nil, err
			}
			s, err := cosmos.Start(ctx, w)
			if err != nil {
				return "", "", nil, err
			}
			return s.ConnectionString(), "the Cosmos DB server", s.Close, nil
		},
	}
}
