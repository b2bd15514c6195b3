package sqlstore

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	session "github.com/sessionstate/sessionstate/core"
)

// ListOwner implements session.OwnerIndex.
func (st *Store) ListOwner(ctx context.Context, namespace, owner string) (infos []session.Info, err error) {
	if err := checkText(namespace, owner); err != nil {
		return nil, failed("list owner", err)
	}
	err = st.call(ctx, "list owner", func(c *conn) (err error) {
		rows, _ := c.db.Query(c.ctx, st.sql.listOwner, namespace, owner)
		infos, err = pgx.CollectRows(rows, info)
		return err
	})
	return infos, err
}

// RemoveOwner implements session.OwnerIndex. All records end in one
// transaction. A record that moves meanwhile is the same row, and does not
// slip through. If the answer of a first attempt was lost, the number is of
// those that a later one found.
func (st *Store) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, except ...session.StoreKey) (int, error) {
	if err := checkText(namespace, owner); err != nil {
		return 0, failed("remove owner", err)
	}
	spared := make([][]byte, len(except))
	for i := range except {
		spared[i] = except[i][:]
	}
	sql, removing := st.sql.deleteOwned, []any{namespace, owner, spared}
	if reason != session.EndDelete {
		sql, removing = st.sql.endOwned, append(removing, int16(reason))
	}
	n := 0
	err := st.call(ctx, "remove owner", func(c *conn) error {
		rows, _ := c.db.Query(c.ctx, sql, removing...)
		var key session.StoreKey
		var id []byte
		var woken bool
		var wake []session.StoreKey
		tag, err := pgx.ForEachRow(rows, []any{&id, &woken}, func() error {
			if copy(key[:], id); woken {
				wake = append(wake, key)
			}
			return nil
		})
		if err == nil {
			st.wake(wake...)
			n = int(tag.RowsAffected())
		}
		return err
	})
	return n, err
}

// pageSize is how many records All reads at a time.
const pageSize = 500

// All implements session.Iterator. Between two pages it holds no connection,
// so the loop's body may take its time, and may use the Store. A record that
// comes under its key while All runs, be it new or moved there, is passed over;
// one whose move was being committed in the instant in which All began may be
// seen under both keys.
func (st *Store) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		if err := checkText(namespace); err != nil {
			yield(session.Info{}, failed("all", err))
			return
		}
		var begun instant
		err := st.call(ctx, "all", func(c *conn) error {
			_, err := c.row(st.sql.clock, nil, &begun)
			return err
		})
		after := []byte{}
		for more := true; more && err == nil; {
			var infos []session.Info
			err = st.call(ctx, "all", func(c *conn) (err error) {
				rows, _ := c.db.Query(c.ctx, st.sql.page, after, namespace, begun, pageSize)
				infos, err = pgx.CollectRows(rows, info)
				return err
			})
			if err != nil {
				break
			}
			for _, i := range infos {
				if !yield(i, nil) {
					return
				}
				after = i.Key[:]
			}
			more = len(infos) == pageSize
		}
		if err != nil {
			yield(session.Info{}, err)
		}
	}
}

func info(row pgx.CollectableRow) (i session.Info, err error) {
	var id []byte
	var created, expires, lockUntil, now instant
	err = row.Scan(&id, &i.Owner, &created, &expires, &lockUntil, &i.Size, &now)
	copy(i.Key[:], id)
	i.Created = created.Time
	i.ExpiresIn = expiresIn(expires, lockUntil, now)
	i.Locked = after(lockUntil, now)
	return i, err
}
