package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// idleTimeout is longer than all of it takes.
const idleTimeout = time.Hour

// updates is what request cycles did to the table.
type updates struct {
	cycles                  int
	all, hot                int64
	rate                    float64
	refresh                 time.Duration
	tableBefore, tableAfter int64 // bytes
	indexBefore, indexAfter int64
}

func (u updates) share() float64 { return float64(u.hot) / float64(u.all) }

// countUpdates makes so many cycles of Acquire and Save on so many sessions,
// from 16 clients, and counts the updates that were HOT: that touched no index.
// A session's expiry is written again after so many of its cycles, if the
// machine stays as fast as it was found to be.
func countUpdates(ctx context.Context, db *database, sessions, cycles, perExtension int) (u updates, err error) {
	u.cycles = cycles / conns * conns
	rate, err := db.cycleRate(ctx, sessions, u.cycles/20)
	if err != nil {
		return u, err
	}
	u.refresh = time.Duration(float64(perExtension) * float64(sessions) / rate * float64(time.Second))
	to, err := db.pool(ctx)
	if err != nil {
		return u, err
	}
	defer to.Close()
	s, err := storeRows(ctx, to, sessions, idleTimeout, u.refresh)
	if err != nil {
		return u, err
	}
	defer s.close()
	table := to.schema + ".session_state"
	size := func(bytes, indexes *int64) error {
		return db.admin.QueryRow(ctx, "SELECT pg_table_size($1::text::regclass), pg_indexes_size($1::text::regclass)", table).Scan(bytes, indexes)
	}
	if err := size(&u.tableBefore, &u.indexBefore); err != nil {
		return u, err
	}
	if u.rate, err = repeat(ctx, conns, sessions, u.cycles, s.cycle); err != nil {
		return u, err
	}
	if err := size(&u.tableAfter, &u.indexAfter); err != nil {
		return u, err
	}
	s.close()
	// The server's processes report what they did a little later.
	err = until(ctx, func() (bool, error) {
		err := db.admin.QueryRow(ctx, "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = $1::text::regclass", table).Scan(&u.all, &u.hot)
		return u.all >= int64(2*u.cycles), err
	})
	return u, err
}

// cycleRate finds how many cycles a second there are, on a table of its own.
func (db *database) cycleRate(ctx context.Context, sessions, cycles int) (float64, error) {
	to, err := db.pool(ctx)
	if err != nil {
		return 0, err
	}
	defer to.Close()
	s, err := storeRows(ctx, to, sessions, idleTimeout, idleTimeout)
	if err != nil {
		return 0, err
	}
	defer s.close()
	return repeat(ctx, conns, sessions, cycles, s.cycle)
}

// until asks again until it is so, for a while.
func until(ctx context.Context, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("bench: the server does not report what it did"))
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if ok, err := so(); ok || err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hot prints the evidence that locking costs no index and no growth.
func hot(ctx context.Context, progress io.Writer, db *database, cycles int, report *figures.Report) error {
	fmt.Fprintf(progress, "hot: %d cycles\n", cycles)
	// Of a visitor who makes a request every three seconds, with the default
	// RefreshInterval of a minute.
	const perExtension = 20
	u, err := countUpdates(ctx, db, 2_000, cycles, perExtension)
	if err != nil {
		return err
	}
	mb := func(bytes int64) float64 { return float64(bytes) / (1 << 20) }
	w := report.Block("sql-hot")
	fmt.Fprintf(w, "%d cycles of Acquire and Save on a table of 2000 sessions of 300 B. ", u.cycles)
	fmt.Fprintf(w, "%.0f cycles a second; the expiry is to be written again after %v, about every %d cycles of a session.\n\n",
		u.rate, u.refresh.Round(time.Millisecond), perExtension)
	fmt.Fprintf(w, "| updates | HOT | table before | after | indexes before | after |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n")
	fmt.Fprintf(w, "| %d | %.2f %% | %.2f MiB | %.2f MiB | %.2f MiB | %.2f MiB |\n", u.all, 100*u.share(),
		mb(u.tableBefore), mb(u.tableAfter), mb(u.indexBefore), mb(u.indexAfter))
	report.Target(figures.Target{
		Rank: figures.HOT, What: "PostgreSQL, share of HOT updates", AtLeast: true, Want: 0.95, Got: figures.Only(u.share()), Digits: 2,
	})
	return nil
}

// syncs counts how often the server waits for the disk, in operations of one
// client: more than one would share a wait.
func syncs(ctx context.Context, progress io.Writer, db *database, report *figures.Report) error {
	const times = 500
	fmt.Fprintln(progress, "syncs")
	w := report.Block("sql-syncs")
	fmt.Fprintf(w, "| one client, %d times | syncs of the WAL each | WAL bytes each |\n| --- | ---: | ---: |\n", times)
	for _, request := range []struct {
		name string
		do   func(*stored) clients.Operation
	}{
		{"Load", func(s *stored) clients.Operation { return s.load }},
		{"Acquire and Release", func(s *stored) clients.Operation { return s.glance }},
		{"Acquire and Save", func(s *stored) clients.Operation { return s.cycle }},
	} {
		// Connections of its own: those that have made the table report what
		// that cost when they please.
		made, err := db.stored(ctx, few)
		if err != nil {
			return err
		}
		made.close()
		s, err := db.openStored(ctx, made.place.schema, few)
		if err != nil {
			return err
		}
		before, err := db.walSettled(ctx)
		if err == nil {
			_, err = repeat(ctx, 1, few, times, request.do(s))
		}
		s.close()
		if err != nil {
			return err
		}
		after, err := db.walSettled(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %s | %.3f | %.0f |\n", request.name, float64(after.syncs-before.syncs)/times, float64(after.bytes-before.bytes)/times)
	}
	return nil
}

// wal is what the server has written so far.
type wal struct{ syncs, bytes int64 }

// walSettled reads it once all that is under way is reported: no figure has
// changed for longer than the server's processes keep theirs to themselves.
func (db *database) walSettled(ctx context.Context) (last wal, err error) {
	major, _, _ := strings.Cut(db.version, ".")
	sql := "SELECT wal_sync, wal_bytes::bigint FROM pg_stat_wal"
	if n, err := strconv.Atoi(major); err == nil && n >= 18 {
		sql = "SELECT (SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'), wal_bytes::bigint FROM pg_stat_wal"
	}
	since := time.Now()
	err = until(ctx, func() (bool, error) {
		now, err := pgx.CollectExactlyOneRow(db.query(ctx, sql), func(row pgx.CollectableRow) (wal wal, err error) {
			return wal, row.Scan(&wal.syncs, &wal.bytes)
		})
		if now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond, err
	})
	return last, err
}

// query leaves the error to the rows.
func (db *database) query(ctx context.Context, sql string) pgx.Rows {
	rows, _ := db.admin.Query(ctx, sql)
	return rows
}
