package sqlstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	session "github.com/sessionstate/sessionstate/core"
)

// Prepare does with steps of the caller's what New does with those of the
// package.
func (c Config) Prepare(ctx context.Context, db *pgx.Conn, steps []string) error {
	c, err := c.withDefaults()
	if err == nil {
		_, err = c.prepare(ctx, db, steps)
	}
	return err
}

// Steps returns the package's own.
func Steps() ([]string, error) { return steps() }

// Columns are those that the table must have.
func Columns() [][2]string { return columns }

// Crowd takes all places of the Store's statements, as those do that hang: who
// comes now waits for company. The function that it returns gives them back.
func (st *Store) Crowd() (end func()) {
	all := []*combiner{st.reads, st.locks, st.writes}
	for _, b := range all {
		b.mu.Lock()
		b.running += b.limit
		b.mu.Unlock()
	}
	return func() {
		for _, b := range all {
			b.mu.Lock()
			b.running -= b.limit
			b.extra = max(b.extra-b.limit, 0) // as each returns that took long
			b.mu.Unlock()
		}
	}
}

// Hear has the Store find out whether db hears what is said on its channel.
func (st *Store) Hear(ctx context.Context, db *pgx.Conn) error {
	return st.listener.hearOneself(ctx, db)
}

// ErrDeaf is what it returns if not.
var ErrDeaf = errDeaf

// Crowded says whether a write that comes now waits for company.
func (st *Store) Crowded() bool {
	st.writes.mu.Lock()
	defer st.writes.mu.Unlock()
	return st.writes.running >= st.writes.limit
}

// Busy says whether a write is under way.
func (st *Store) Busy() bool {
	st.writes.mu.Lock()
	defer st.writes.mu.Unlock()
	return st.writes.running > 0
}

// Patience is how long who waits for company does so.
const Patience = queuePatience

// Idle says whether no statement is under way, and none waits.
func (st *Store) Idle() bool {
	for _, b := range []*combiner{st.reads, st.locks, st.writes} {
		b.mu.Lock()
		idle := b.running == 0 && len(b.queue) == 0
		b.mu.Unlock()
		if !idle {
			return false
		}
	}
	return true
}

// SaveStatement returns what Save sends: for tests that send it themselves,
// because its commit is to take long, or its answer to get lost.
func (st *Store) SaveStatement(key session.StoreKey, rec session.Record, token session.Token, how session.Commit) (sql string, arguments []any) {
	arguments = args(key, uuid(token), &rec)
	switch {
	case how.MoveTo != session.StoreKey{}:
		return st.sql.saveMove, append(arguments, how.MoveTo[:], microseconds(how.Grace))
	case how.Next != session.Token{}:
		return st.sql.saveNext, append(arguments, microseconds(how.Keep), uuid(how.Next))
	}
	return st.sql.save, arguments
}

// ReleaseStatement is the same of Release.
func (st *Store) ReleaseStatement(key session.StoreKey, token session.Token) (sql string, arguments []any) {
	return st.sql.release, []any{key[:], uuid(token)}
}

// RemoveStatement is the same of Remove.
func (st *Store) RemoveStatement(key session.StoreKey, token session.Token, reason session.EndReason) (sql string, arguments []any) {
	if reason == session.EndDelete {
		return st.sql.delete, []any{key[:], uuid(token)}
	}
	return st.sql.end, []any{key[:], uuid(token), int16(reason)}
}

// MakeWayStatement is the same of what Create does to a dead record whose end
// is still to be reported.
func (st *Store) MakeWayStatement(key session.StoreKey) (sql string, arguments []any) {
	return st.sql.makeWay, []any{key[:], []byte("eight by")}
}
