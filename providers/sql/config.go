package sqlstore

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// The defaults of Config.
const (
	DefaultTable                 = "session_state"
	DefaultMaxRetries            = 10
	DefaultRetryInterval         = time.Second
	DefaultVolatileRetryInterval = 200 * time.Millisecond
	DefaultCommandTimeout        = 30 * time.Second
)

// SchemaMode says what a Store does about its table when it is made.
type SchemaMode int

const (
	// SchemaCreate creates the table if it is missing and brings an older
	// version of it up to date. Any number of processes may do so at once.
	SchemaCreate SchemaMode = iota

	// SchemaVerify changes nothing. If the table is not as it must be, the
	// error says what is missing. SchemaSQL returns what creates it.
	SchemaVerify
)

// ListenMode says whether a Store listens for the end of locks.
type ListenMode int

const (
	// ListenOn has the Store hold one connection of its own, opened when
	// somebody first waits for a session, on which the database tells it who
	// may go on (LISTEN). Requests that wait poll while that connection is
	// down.
	ListenOn ListenMode = iota

	// ListenOff has them always poll. It is needed behind a pooler that
	// hands a connection to another client after every transaction, such as
	// pgbouncer in transaction mode, and on databases without LISTEN.
	ListenOff
)

// Config says how a Store works. The zero Config is fine.
type Config struct {
	// Table is the name of the table, alone or with its schema before a dot.
	// A name is lower-case letters, digits and underscores, begins with no
	// digit, and has at most 50 characters. Without a schema the database's
	// search_path decides. Default: session_state.
	Table string

	// Volatile keeps the sessions in an UNLOGGED table: writing costs less,
	// but a crash of the database ends all sessions, and its replicas have
	// none. A table of the other kind that exists already is an error.
	// Default: a crash loses no session.
	Volatile bool

	// Schema says what to do about the table: SchemaCreate or SchemaVerify.
	// Default: SchemaCreate.
	Schema SchemaMode

	// Listen says how those who wait for a session learn that it is free:
	// ListenOn or ListenOff. Default: ListenOn.
	Listen ListenMode

	// MaxRetries is how often an operation is tried again after a failure
	// that may pass, such as a lost connection or a deadlock (S15). To wait
	// for a row that another transaction keeps locked is no failure. Default:
	// 10. Negative: never.
	MaxRetries int

	// RetryInterval is the longest pause between two attempts. The first
	// pause is about a millisecond, and each later one about twice as long.
	// Default: 1 s, with Volatile 200 ms.
	RetryInterval time.Duration

	// CommandTimeout is how long an attempt may take, waiting for a
	// connection of the pool included, and how long an operation waits for a
	// row that another transaction keeps locked. The caller's context usually ends
	// earlier; this is for the others. Making or upgrading the table may take
	// longer. Default: 30 s. Negative: no limit.
	CommandTimeout time.Duration

	// Logger gets what an operator should know: that listening does not
	// work, and that it does again. Default: slog.Default().
	Logger *slog.Logger
}

var tableName = regexp.MustCompile(`^([a-z_][a-z0-9_]{0,49}\.)?[a-z_][a-z0-9_]{0,49}$`)

// withDefaults returns a copy of c that is complete, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	c.Table = cmp.Or(c.Table, DefaultTable)
	if !tableName.MatchString(c.Table) {
		return c, errors.New("sqlstore: Config.Table must be a name, or a schema and a name with a dot between them, " +
			"each of at most 50 lower-case letters, digits and underscores and not beginning with a digit")
	}
	if c.Schema != SchemaCreate && c.Schema != SchemaVerify {
		return c, fmt.Errorf("sqlstore: Config.Schema must be SchemaCreate or SchemaVerify, not %d", c.Schema)
	}
	if c.Listen != ListenOn && c.Listen != ListenOff {
		return c, fmt.Errorf("sqlstore: Config.Listen must be ListenOn or ListenOff, not %d", c.Listen)
	}
	if c.RetryInterval < 0 {
		return c, errors.New("sqlstore: Config.RetryInterval must not be negative: use MaxRetries: -1 for no retries")
	}
	c.MaxRetries = max(cmp.Or(c.MaxRetries, DefaultMaxRetries), 0)
	if c.Volatile {
		c.RetryInterval = cmp.Or(c.RetryInterval, DefaultVolatileRetryInterval)
	}
	c.RetryInterval = cmp.Or(c.RetryInterval, DefaultRetryInterval)
	c.CommandTimeout = cmp.Or(c.CommandTimeout, DefaultCommandTimeout)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, nil
}
