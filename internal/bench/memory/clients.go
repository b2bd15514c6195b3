package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// text is how long the text of a session is.
const text = 300

// nobody is not interested in the replies.
func nobody(int, http.Header) error { return nil }

// byClients measures how many requests there are in a second.
func byClients(ctx context.Context, progress io.Writer, p plan, report *figures.Report) error {
	all, err := contenders()
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := c.FillAll(ctx, p.Sessions, text, 1, nobody); err != nil {
			return err
		}
	}
	for _, kind := range []struct {
		title, name string
		do          func(*contender) clients.Operation
	}{
		{"Read-only requests in memory", "clients-memory-read", func(c *contender) clients.Operation { return c.Read }},
		{"Exclusive requests in memory", "clients-memory-write", func(c *contender) clients.Operation { return c.Step }},
	} {
		by := clients.ByClients{Name: kind.name, Title: kind.title}
		for _, n := range []int{1, 4, 16, 64} {
			fmt.Fprintf(progress, "clients: %s, %d\n", kind.title, n)
			series := make([]*clients.Series, len(all))
			for i, c := range all {
				series[i] = &clients.Series{Name: c.Name, Do: kind.do(c)}
			}
			if err := p.Measure(ctx, own, n, kind.name, series); err != nil {
				return err
			}
			by.Add(n, series)
		}
		fmt.Fprintf(report.Block("memory-clients"), "%s\n", by.Table())
		report.Plot(by.Plot())
	}
	for _, c := range all {
		if err := c.Verify(ctx); err != nil {
			return err
		}
		if err := c.close(); err != nil {
			return err
		}
	}
	return nil
}
