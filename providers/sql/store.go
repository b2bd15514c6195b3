package sqlstore

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
)

// Store is a session.Store on PostgreSQL. It is safe for concurrent use, also
// by Stores of other processes on the same table.
type Store struct {
	pool  *pgxpool.Pool
	owned bool // the pool is closed with the Store
	cfg   Config
	sql   *statements

	// Callers who come at the same time: to read, to lock and unlock, which a
	// crash may forget, and to write.
	reads, locks, writes *combiner

	hub      hub
	listener listener
	notifier notifier
	closed   atomic.Bool
	ctx      context.Context // of what is done for several callers; ends with Close
	cancel   context.CancelFunc
}

var (
	_ session.Store      = (*Store)(nil)
	_ session.Watcher    = (*Store)(nil)
	_ session.OwnerIndex = (*Store)(nil)
	_ session.Iterator   = (*Store)(nil)
	_ session.Pinger     = (*Store)(nil)
)

// Open connects to the database that dsn names, a URL or a string of
// keyword=value pairs as pgxpool.ParseConfig takes them, and returns a Store
// on it, with a pool of its own that Close closes. It prepares or verifies the
// table as Config.Schema says.
//
// An error of connecting, of missing rights or of the table wraps
// session.ErrUnavailable; it is none of dsn's text.
func Open(ctx context.Context, dsn string, config Config) (*Store, error) {
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// pgx's error quotes the text, of which it cannot know what is secret.
		return nil, errors.New("sqlstore: open: the data source name is not valid: it is written " +
			"postgres://user:password@host:port/database?sslmode=verify-full, or as keyword=value pairs, " +
			"with special characters of the password in %-escapes")
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, unavailable("open", err)
	}
	st, err := New(ctx, pool, config)
	if err != nil {
		pool.Close()
		return nil, err
	}
	st.owned = true
	return st, nil
}

// New returns a Store that uses pool, which stays the caller's: Close leaves
// it open. It prepares or verifies the table as Config.Schema says. With
// ListenOn the Store takes one connection out of the pool for good when
// somebody first waits for a session; the pool replaces it.
func New(ctx context.Context, pool *pgxpool.Pool, config Config) (*Store, error) {
	cfg, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	st := &Store{pool: pool, cfg: cfg, sql: newStatements(cfg.Table)}
	st.ctx, st.cancel = context.WithCancel(context.Background())
	st.reads, st.locks, st.writes = newCombiner(st, ""), newCombiner(st, st.sql.missPeer), newCombiner(st, st.sql.missPeer)
	channel, err := st.prepareSchema(ctx)
	if err != nil {
		st.cancel()
		return nil, err
	}
	st.notifier.init(st, channel)
	st.listener.init(st, channel)
	return st, nil
}

// Close ends what the Store has under way in the background, wakes whoever
// waits by it, and closes the pool if Open made it. Operations that are called
// afterwards fail. Close the Managers that use the Store first.
func (st *Store) Close() {
	st.listener.stop()
	st.notifier.stop()
	first := !st.closed.Swap(true)
	st.cancel()
	if first && st.owned {
		st.pool.Close()
	}
}

// Ping implements session.Pinger: the database answers, has the table, and
// takes writes.
func (st *Store) Ping(ctx context.Context) error {
	return st.call(ctx, "ping", func(c *conn) error {
		var readOnly bool
		if _, err := c.row(st.sql.ping, nil, &readOnly); err != nil {
			return err
		}
		if readOnly {
			return errStandby
		}
		return nil
	})
}
