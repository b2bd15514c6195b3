// Package sqlstore keeps sessions in PostgreSQL: a provider for package session
// that any number of processes share.
//
//	store, err := sqlstore.Open(ctx, os.Getenv("DATABASE_URL"), sqlstore.Config{})
//	…
//	sessions, err := session.New(store, session.Config{})
//
// Where the service has a pgxpool.Pool already, New takes it.
//
// # What it costs
//
// Every operation is one statement, one round trip and one transaction of its
// own, on one row that its primary key finds. Nothing is held between two
// operations: no connection, no transaction and no lock of the database,
// however many requests hold sessions or wait for them. Under load, statements
// of requests that come at the same time travel together, as one message and
// one transaction, so that a process needs few connections and the disk is
// waited for once for many.
//
// What a crash of the database may forget does not wait for its disk: taking a
// lock, giving it up, extending it, and moving the expiry on. A forgotten lock
// does no harm, since two holders have different random tokens of which at
// most one can still save (S5). Writes of sessions wait until they are safe.
//
// The columns of a lock are in no index, and the expiry, which is, moves once
// in a Refresh interval. So updates are HOT: they leave the indexes alone and
// their garbage is cleaned up in passing.
//
// # Waiting
//
// Who finds a session locked marks its row, and only then does giving it up
// tell anybody: with NOTIFY, outside of the transaction that gave it up, since
// NOTIFY has all transactions of a database commit one after the other. Each
// Store listens on one connection, which it takes out of the pool when somebody
// first waits. While that connection is down, and with ListenOff, waiting
// requests poll, as Config.PollInterval of package session says.
//
// # PgBouncer and other poolers
//
// Behind a pooler that hands a connection to another client after every
// transaction, set ListenOff, and in the data source name
// default_query_exec_mode=cache_describe, since such a connection keeps no
// prepared statements. Behind one that keeps a connection for a client as long
// as it wants, nothing is needed.
//
// # The table
//
// SchemaCreate, the default, makes the table and its two indexes when they are
// missing, and brings an older version of them up to date, under an advisory
// lock, so that processes may start at the same time. A service that should
// have no right to do so uses SchemaVerify, and somebody else runs what
// SchemaSQL returns. The service then needs USAGE on the schema and SELECT,
// INSERT, UPDATE and DELETE on the table.
//
// The table has a fillfactor and autovacuum settings of its own: leave them.
// A session's bytes are in the column data, as package session encodes them.
// Rows of ended sessions are deleted by Reap, which every Manager calls.
//
// # Failures
//
// What may pass is tried again inside the Store, within the caller's context:
// lost connections, a restart or failover of the server, deadlocks,
// serialization failures, too many connections. What is left wraps
// session.ErrUnavailable, and says what to do where that is known. No error
// contains a key, a token or the data source name. An operation whose caller's
// context ends under way goes on for up to 50 ms in the hope of being done, so
// that clients that go away tear down no connections; after that it is
// cancelled, and what it did is found out when it is repeated (S6).
//
// # Clock
//
// Leases and expiries are measured by the database's clock alone. If it is
// set, or if another server with another clock takes over, locks and sessions
// live longer or shorter by the difference; still only one holder can save.
package sqlstore
