package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

func crashDatabase(ctx context.Context, st *stage, rng *rand.Rand) error {
	for {
		if !pause(ctx, between(rng, st.set.lease/2, 2*st.set.lease)) {
			return nil
		}
		st.note("PostgreSQL crashes")
		from := wire.Now()
		if err := st.server.Crash(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		st.noteCrash(from)
		pause(ctx, upTo(rng, st.set.lease/2))
		if err := st.server.Restart(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		st.note("PostgreSQL runs again")
	}
}

// throttleDatabase: each refusal in turn, in random order.
func throttleDatabase(ctx context.Context, st *stage, rng *rand.Rand) error {
	admin, err := administrator(ctx, st.server.DSN())
	if err != nil {
		return err
	}
	always := context.WithoutCancel(ctx)
	defer admin.Close(always)
	table := pgx.Identifier{st.set.table}.Sanitize()
	for {
		for _, n := range rng.Perm(4) {
			if !pause(ctx, between(rng, st.set.lease/10, st.set.lease/2)) {
				return nil
			}
			d := between(rng, st.set.lease/8, st.set.lease+st.set.lease/4)
			var err error
			switch n {
			case 0:
				limit := 1 + rng.IntN(5)
				st.note("statements may take %d ms", limit)
				err = setting(ctx, admin, "statement_timeout", fmt.Sprint(limit), d)
			case 1:
				st.note("the database takes no writes")
				err = setting(ctx, admin, "default_transaction_read_only", "on", d)
			case 2:
				st.note("the table is locked")
				err = execute(always, admin, "BEGIN", "LOCK TABLE "+table)
				pause(ctx, d)
				err = errors.Join(err, execute(always, admin, "ROLLBACK"))
			case 3:
				st.note("there are too many connections")
				err = crowd(ctx, st.server.DSN(), admin, d)
			}
			if err != nil {
				return err
			}
		}
	}
}

// administrator connects with settings that the faults do not touch.
func administrator(ctx context.Context, dsn string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the DSN is no URL")
	}
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["default_transaction_read_only"] = "off"
	config.RuntimeParams["application_name"] = "e2e-administrator"
	return pgx.ConnectConfig(ctx, config)
}

func execute(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// setting changes a parameter of the server for a while, for the connections that
// there are as well.
func setting(ctx context.Context, conn *pgx.Conn, name, value string, d time.Duration) error {
	always := context.WithoutCancel(ctx)
	const reload = "SELECT pg_reload_conf()"
	err := execute(always, conn, "ALTER SYSTEM SET "+name+" = '"+value+"'", reload)
	pause(ctx, d)
	return errors.Join(err, execute(always, conn, "ALTER SYSTEM RESET "+name, reload))
}

// crowd takes all connections that there are, those of the service included, and
// keeps them for a while.
func crowd(ctx context.Context, dsn string, admin *pgx.Conn, d time.Duration) error {
	always := context.WithoutCancel(ctx)
	var taken []*pgx.Conn
	defer func() {
		for _, c := range taken {
			c.Close(always)
		}
	}()
	// The server's processes take a moment to go, and the service is as quick
	// to connect again as this is: so for as long as the crowd is there.
	for until := time.Now().Add(d); time.Now().Before(until) && ctx.Err() == nil; {
		c, err := administrator(always, dsn)
		if err == nil {
			taken = append(taken, c)
			continue
		}
		if _, err := admin.Exec(always, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"+
			" WHERE backend_type = 'client backend' AND application_name <> 'e2e-administrator'"); err != nil {
			return fmt.Errorf("end the service's connections: %w", err)
		}
		pause(ctx, 5*time.Millisecond)
	}
	return nil
}

// disk is a small one for a server's data.
type disk struct{ path string }

// errNoDisk: only root may mount one.
var errNoDisk = errors.New("cannot mount a small file system, which needs root and Linux")

// diskSize is room for an empty server and a few segments of its log.
const diskSize = 128 << 20

// newDisk mounts a small disk.
func newDisk() (*disk, error) {
	path, err := os.MkdirTemp("", "sessionstate-disk-")
	if err != nil {
		return nil, err
	}
	if err := mount(path, diskSize); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errNoDisk, err), os.Remove(path))
	}
	return &disk{path}, nil
}

func (d *disk) close() error { return errors.Join(unmount(d.path), os.Remove(d.path)) }

// fill leaves no room until empty.
func (d *disk) fill() (empty func() error, err error) {
	name := filepath.Join(d.path, "ballast")
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for len(block) > 0 {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return nil, errors.Join(err, os.Remove(name))
		}
	}
	return func() error { return os.Remove(name) }, nil
}

// startOn starts a PostgreSQL whose data is on the disk. It keeps few segments of
// its log, so that it needs new ones.
func (d *disk) startOn(ctx context.Context) (*postgres.Server, error) {
	return postgres.Start(ctx, postgres.Options{Parent: d.path, Settings: map[string]string{
		"min_wal_size": "32MB", "max_wal_size": "48MB", "wal_recycle": "off",
	}})
}

// fillDisk: what the database can do without room differs. It refuses what needs
// more of a table; and it gives up, all of it, when it cannot write its log, which
// every second time it has to begin a new file of. Then it comes back by itself
// when there is room again, or has to be started.
func fillDisk(ctx context.Context, st *stage, rng *rand.Rand) error {
	always := context.WithoutCancel(ctx)
	for {
		if !pause(ctx, between(rng, st.set.lease/2, st.set.lease)) {
			return nil
		}
		admin, err := administrator(always, st.server.DSN())
		if err != nil {
			return err
		}
		st.note("the disk is full")
		from := wire.Now()
		empty, err := st.disk.fill()
		if err != nil {
			return errors.Join(err, admin.Close(always))
		}
		end, newLog := time.Now().Add(between(rng, st.set.lease/2, 2*st.set.lease)), rng.IntN(2) == 0
		for time.Now().Before(end) && pause(ctx, st.set.lease/20) {
			if !newLog {
				continue
			}
			asking, cancel := context.WithTimeout(always, 5*time.Second)
			_, err := admin.Exec(asking, "SELECT pg_switch_wal()")
			cancel()
			if err != nil {
				st.note("PostgreSQL gives up")
				newLog = false
			}
		}
		_ = admin.Close(always) // it may be closed from the other side
		if err := empty(); err != nil {
			return err
		}
		st.note("the disk has room again")
		if err := st.server.Revive(always); err != nil {
			return err
		}
		st.noteCrash(from) // it may have given up at any time
	}
}
