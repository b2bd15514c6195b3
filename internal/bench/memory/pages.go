package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	scsstore "github.com/alexedwards/scs/v2/memstore"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

const (
	atOnce = 8                // requests of a page
	work   = time.Millisecond // of each handler, between reading and writing
)

// page is how a library serves requests of one session that come at once.
type page struct {
	name  string
	step  []func(ctx context.Context) error // of each request; adds 1 to the session's number
	value func(ctx context.Context) (int, error)
	close func() error

	took []float64 // ms until all were answered
	done int       // requests so far
}

// pages measures how long it takes until all requests of a page are answered,
// and how much of what they stored is there.
func pages(ctx context.Context, progress io.Writer, p plan, report *figures.Report) error {
	all := make([]*page, 0, 3)
	for _, open := range []func(context.Context) (*page, error){ourPage, referencePage, scsPage} {
		one, err := open(ctx)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	for round := range p.Rounds {
		fmt.Fprintf(progress, "pages: round %d of %d\n", round+1, p.Rounds)
		for _, i := range rand.Perm(len(all)) {
			if err := all[i].load(ctx); err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
		}
	}
	w := report.Block("memory-pages")
	fmt.Fprintf(w, "| %d requests of one session at once, each with %v of work | ms until all are answered (quartiles) | updates lost |\n| --- | ---: | ---: |\n", atOnce, work)
	for _, one := range all {
		n, err := one.value(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		lost := one.done - n
		if one.name == ours && lost != 0 {
			return fmt.Errorf("bench: %s has lost %d of %d updates", ours, lost, one.done)
		}
		fmt.Fprintf(w, "| %s | %s | %d of %d |\n", one.name, figures.SpreadOf(one.took).Text(1), lost, one.done)
		if err := one.close(); err != nil {
			return err
		}
	}
	return nil
}

// load makes the requests of a page.
func (pg *page) load(ctx context.Context) error {
	errs := make([]error, len(pg.step))
	begun := time.Now()
	var wg sync.WaitGroup
	for i, step := range pg.step {
		wg.Go(func() { errs[i] = step(ctx) })
	}
	wg.Wait()
	pg.took = append(pg.took, clients.Microseconds(time.Since(begun))/1000)
	pg.done += len(pg.step)
	return errors.Join(errs...)
}

// managed is a page of this project's library: with a Manager for each request,
// or one for all.
func managed(ctx context.Context, name string, managers []*session.Manager) (*page, error) {
	first := clients.Party{Manager: managers[0]}
	cookie, err := first.Start(ctx)
	if err != nil {
		return nil, err
	}
	pg := &page{name: name, close: func() error {
		var errs []error
		for _, mgr := range managers {
			errs = append(errs, clients.Close(mgr))
		}
		return errors.Join(errs...)
	}}
	for i := range atOnce {
		party := clients.Party{Manager: managers[i%len(managers)]}
		pg.step = append(pg.step, func(ctx context.Context) error {
			return party.Hold(ctx, cookie, func(release func() error) error {
				time.Sleep(work)
				return release()
			})
		})
	}
	pg.value = func(ctx context.Context) (n int, err error) {
		_, err = first.Request(ctx, cookie, func(s *session.Session) (err error) {
			n, err = clients.Number.Get(s)
			return err
		})
		return n - 1, err // it starts with 1
	}
	return pg, nil
}

func ourPage(ctx context.Context) (*page, error) {
	mgr, err := ourManager()
	if err != nil {
		return nil, err
	}
	return managed(ctx, ours, []*session.Manager{mgr})
}

func referencePage(ctx context.Context) (*page, error) {
	st := memstore.New()
	managers := make([]*session.Manager, atOnce)
	for i := range managers {
		var err error
		if managers[i], err = referenceManager(st); err != nil {
			return nil, err
		}
	}
	return managed(ctx, referenceName, managers)
}

// scsPage does what scs's middleware does: load, and commit what has changed.
func scsPage(ctx context.Context) (*page, error) {
	m := scs.New()
	m.Store = scsstore.NewWithCleanupInterval(0)
	change := func(token string, by int, work time.Duration) (string, int, error) {
		ctx, err := m.Load(ctx, token)
		if err != nil {
			return "", 0, err
		}
		n := m.GetInt(ctx, "n")
		time.Sleep(work)
		m.Put(ctx, "n", n+by)
		token, _, err = m.Commit(ctx)
		return token, n, err
	}
	token, _, err := change("", 0, 0)
	if err != nil {
		return nil, err
	}
	pg := &page{name: "scs", close: func() error { return nil }}
	for range atOnce {
		pg.step = append(pg.step, func(context.Context) error {
			_, _, err := change(token, 1, work)
			return err
		})
	}
	pg.value = func(context.Context) (int, error) {
		_, n, err := change(token, 0, 0)
		return n, err
	}
	return pg, nil
}
