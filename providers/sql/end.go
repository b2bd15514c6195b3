package sqlstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	session "github.com/sessionstate/sessionstate/core"
)

// Remove implements session.Store.
func (st *Store) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	sql, removing := st.sql.delete, []any{key[:], uuid(token)}
	if reason != session.EndDelete {
		sql, removing = st.sql.end, append(removing, int16(reason))
	}
	return st.call(ctx, "remove", func(c *conn) error {
		for {
			var woken bool
			done, err := c.row(sql, removing, &woken)
			if err != nil {
				return err
			}
			if done {
				if woken {
					st.wake(key)
				}
				return nil
			}
			if token != (session.Token{}) {
				if claimed, err := st.forgetClaim(c, key, token, reason); err != nil || claimed {
					return err
				}
			}
			f, err := st.look(c, key, session.WriteID{}, session.WriteID{})
			switch {
			case err != nil:
				return err
			case f.isRenewed():
				return session.ErrRenewed
			case !f.isLive():
				st.wake(key) // perhaps it is a repeat, and the first answer, which was lost, said that somebody waits
				return nil
			case token != (session.Token{}) && !f.holds(token):
				return session.ErrLockLost
			}
			// It is there after all: created since, or acquired again.
		}
	})
}

// forgetClaim deletes the ended record under key that token has claimed, if
// reason does that, and says whether there is one.
func (st *Store) forgetClaim(c *conn, key session.StoreKey, token session.Token, reason session.EndReason) (claimed bool, err error) {
	claimed, err = c.row(st.sql.forgetClaim, []any{key[:], uuid(token), int16(reason)}, &claimed)
	if err != nil || claimed || reason == session.EndDelete {
		return claimed, err
	}
	claimed, err = c.row(st.sql.hasClaim, []any{key[:], uuid(token)}, &claimed)
	if claimed {
		st.wake(key) // it is a repeat: only the first answer, which was lost, said whether somebody waits
	}
	return claimed, err
}

// purgeBatch is how many rows are deleted in one transaction: so few that it
// takes milliseconds, and nobody waits for its locks.
const purgeBatch = 500

// Reap implements session.Store. Rows that another process is about to take
// are passed over, so that any number of processes may reap at once.
func (st *Store) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	switch {
	case limit == 0:
		return nil, nil
	case limit > 0 && token == session.Token{}:
		return nil, failed("reap", errZeroToken)
	}
	if err := checkText(namespace); err != nil {
		return nil, failed("reap", err)
	}
	if limit < 0 {
		return nil, st.purge(ctx, namespace)
	}
	var claims []session.Expired
	err := st.call(ctx, "reap", func(c *conn) error {
		rows, _ := c.db.Query(c.ctx, st.sql.claim, namespace, limit, uuid(token), microseconds(lease))
		claimed, err := pgx.CollectRows(rows, claimedRow)
		if err != nil {
			return err
		}
		var surplus []session.Expired
		claims, surplus = onePerKey(claimed)
		for _, e := range surplus {
			if _, err := c.db.Exec(c.ctx, st.sql.unclaim, e.Key[:], uuid(token), e.Record.Write[:]); err != nil {
				return err
			}
		}
		return nil
	})
	return claims, err
}

func claimedRow(row pgx.CollectableRow) (e session.Expired, err error) {
	var async bool
	var id []byte
	var reason int16
	var r content
	err = row.Scan(append([]any{&id, &reason, &e.Attempts, &async}, r.dest()...)...)
	copy(e.Key[:], id) // what follows after 32 bytes is of one that made way
	e.Reason = session.EndReason(reason)
	e.Record = r.record()
	return e, err
}

// onePerKey returns the first claim of each key, and the others. A key and a
// token are all that names a claim, so that with two of one key under one
// token, who removes one of them would remove both.
func onePerKey(claimed []session.Expired) (claims, surplus []session.Expired) {
	seen := make(map[session.StoreKey]bool, len(claimed))
	for _, e := range claimed {
		if seen[e.Key] {
			surplus = append(surplus, e)
		} else {
			seen[e.Key] = true
			claims = append(claims, e)
		}
	}
	return claims, surplus
}

// purge deletes what has expired or ended and is not to be reported.
func (st *Store) purge(ctx context.Context, namespace string) error {
	for {
		var deleted int64
		err := st.call(ctx, "reap", func(c *conn) error {
			tag, err := c.db.Exec(c.ctx, st.sql.purge, namespace, purgeBatch)
			deleted = tag.RowsAffected()
			return err
		})
		if err != nil || deleted < purgeBatch {
			return err
		}
	}
}
