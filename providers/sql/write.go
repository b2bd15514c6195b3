package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// remembered is how many writes of a record are known by name (S6).
const remembered = 8

// found is what look tells of the row under a key; nil if there is none.
type found struct {
	state
	events, reaped bool
	seen           int16  // writes since Create, 9 standing for more than 8
	last           []byte // the last write
	known          bool   // the write that was looked for is among those remembered
	knownOld       bool   // so is the one that was to be replaced
}

// look reads the row under key, with an eye on a write and on the one before.
func (st *Store) look(c *conn, key session.StoreKey, write, old session.WriteID) (*found, error) {
	if err := c.ended(); err != nil {
		return nil, err
	}
	var f found
	ok, err := c.row(st.sql.look, []any{key[:], write[:], old[:]},
		f.dest(&f.events, &f.reaped, &f.seen, &f.last, &f.known, &f.knownOld)...)
	if err != nil || !ok {
		return nil, err
	}
	return &f, nil
}

func (f *found) knows() bool     { return f != nil && f.known }
func (f *found) isLive() bool    { return f != nil && f.live() }
func (f *found) isRenewed() bool { return f != nil && f.renewed() }

// knowsAll says whether all writes of the record are remembered.
func (f *found) knowsAll() bool { return f.seen <= remembered }

// Create implements session.Store.
//
// Where an expired or ended record with Events has not been reported yet, the
// new one takes its key but not its place: see makeWay.
func (st *Store) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	if err := check(&rec); err != nil {
		return failed("create", err)
	}
	creating := writing(key, &rec, st.sql.create, args(key, uuid(token), &rec, microseconds(lease), rec.Namespace))
	return st.writes.do(ctx, "create", creating, func(c *conn) error {
		for {
			f, err := st.look(c, key, rec.Write, session.WriteID{})
			switch {
			case err != nil:
				return err
			case f.knows():
				return nil
			case f.isLive(), f.isRenewed():
				if (rec.Repeat || c.repeated) && !f.knowsAll() {
					return session.ErrOutcomeUnknown
				}
				return session.ErrExists
			case f != nil && f.events:
				if err := st.makeWay(c, key); err != nil {
					return err
				}
			}
			// What was in the way is gone.
			if done, err := st.try(c, creating); done || err != nil {
				return err
			}
		}
	})
}

// writing returns the errand that writes rec by a statement.
func writing(key session.StoreKey, rec *session.Record, sql string, args []any) *errand {
	woken := new(bool)
	return &errand{key: key, sql: sql, args: args, dest: []any{woken}, woken: woken, big: len(rec.Data) > bigErrand}
}

// makeWay gives the key of a dead record, which is still to be reported, free.
func (st *Store) makeWay(c *conn, key session.StoreKey) error {
	suffix := make([]byte, 8)
	rand.Read(suffix)
	_, err := c.db.Exec(c.ctx, st.sql.makeWay, key[:], suffix)
	return err
}

// Save implements session.Store.
func (st *Store) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	hands, moves := how.Next != session.Token{}, how.MoveTo != session.StoreKey{}
	if hands && how.Keep <= 0 {
		return failed("save", errNoLease)
	}
	if err := check(&rec); err != nil {
		return failed("save", err)
	}
	sql, moving, saving := st.sql.save, st.sql.saveMove, args(key, uuid(token), &rec)
	switch {
	case hands:
		sql, moving = st.sql.saveNext, st.sql.saveMoveNext
		saving = append(saving, microseconds(how.Keep), uuid(how.Next))
	case how.Keep > 0:
		sql, moving = st.sql.saveKeep, st.sql.saveMoveKeep
		saving = append(saving, microseconds(how.Keep))
	}
	if moves {
		saving = append(saving, how.MoveTo[:], microseconds(how.Grace))
		return st.saveMoved(ctx, writing(key, &rec, moving, saving), &rec, token, how.MoveTo)
	}
	e := writing(key, &rec, sql, saving)
	return st.writes.do(ctx, "save", e, func(c *conn) error {
		for {
			if err := st.notSaved(c, key, &rec, token, how.MoveTo); !errors.Is(err, errAgain) {
				return err
			}
			if done, err := st.try(c, e); done || err != nil {
				return err
			}
		}
	})
}

// saveMoved is Save with MoveTo. It travels alone: the new key being taken
// fails the whole transaction.
func (st *Store) saveMoved(ctx context.Context, e *errand, rec *session.Record, token session.Token, to session.StoreKey) error {
	return st.call(ctx, "save", func(c *conn) error {
		if to == e.key {
			err := st.notSaved(c, e.key, rec, token, to)
			if errors.Is(err, errAgain) {
				return session.ErrExists
			}
			return err
		}
		for taken := 0; ; {
			done, err := st.try(c, e)
			if sqlState(err) == uniqueViolation {
				// Cleared and taken again: somebody else's, or a record that
				// has the write's ID by a mistake of the caller's.
				if taken++; taken > 3 {
					return session.ErrExists
				}
				if err = st.clearWay(c, to, rec.Write); err != nil {
					return err
				}
				continue
			}
			if done || err != nil {
				return err
			}
			if err := st.notSaved(c, e.key, rec, token, to); !errors.Is(err, errAgain) {
				return err
			}
		}
	})
}

const uniqueViolation = "23505"

// notSaved says why a Save changed nothing: errAgain if it should have.
func (st *Store) notSaved(c *conn, key session.StoreKey, rec *session.Record, token session.Token, to session.StoreKey) error {
	f, err := st.look(c, key, rec.Write, session.WriteID{})
	if err != nil {
		return err
	}
	if f.knows() {
		st.wakeAgain(c, key, rec)
		return nil
	}
	// A repeated move is known from the tombstone, or else from the record
	// that moved.
	if to != (session.StoreKey{}) {
		t, err := st.look(c, to, rec.Write, session.WriteID{})
		if err != nil {
			return err
		}
		if t.knows() {
			st.wakeAgain(c, key, rec)
			return nil
		}
	}
	switch live := f.isLive(); {
	case live && f.holds(token):
		return errAgain
	case (rec.Repeat || c.repeated) && !(live && f.knowsAll()):
		return session.ErrOutcomeUnknown
	}
	return session.ErrLockLost
}

// clearWay gives free the key that a record is to move to, if nobody needs
// what is there, or says that it is taken. It is nil as well if the record is
// there already.
func (st *Store) clearWay(c *conn, to session.StoreKey, write session.WriteID) error {
	f, err := st.look(c, to, write, session.WriteID{})
	switch {
	case err != nil, f == nil, f.knows():
		return err
	case f.live(), f.renewed():
		return session.ErrExists
	case f.events:
		return st.makeWay(c, to)
	}
	_, err = c.db.Exec(c.ctx, st.sql.clear, to[:])
	return err
}

// Swap implements session.Store.
func (st *Store) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	if err := check(&rec); err != nil {
		return failed("swap", err)
	}
	swapping := writing(key, &rec, st.sql.swap, args(key, old[:], &rec)) // which erases a lapsed lock
	return st.writes.do(ctx, "swap", swapping, func(c *conn) error {
		for {
			if err := st.notSwapped(c, key, &rec, old); !errors.Is(err, errAgain) {
				return err
			}
			if done, err := st.try(c, swapping); done || err != nil {
				return err
			}
		}
	})
}

// notSwapped says why a Swap changed nothing: errAgain if it should have.
func (st *Store) notSwapped(c *conn, key session.StoreKey, rec *session.Record, old session.WriteID) error {
	f, err := st.look(c, key, rec.Write, old)
	repeated := rec.Repeat || c.repeated
	switch {
	case err != nil:
		return err
	case f.knows():
		st.wakeAgain(c, key, rec)
		return nil
	case !f.isLive() && repeated:
		return session.ErrOutcomeUnknown
	case !f.isLive():
		return session.ErrNotFound
	case string(f.last) == string(old[:]):
		if f.locked() {
			return &session.LockedError{LockInfo: f.lockInfo()}
		}
		return errAgain
	case repeated && !f.knowsAll() && !f.knownOld:
		// Had the first attempt taken effect, it would be newer than old.
		return session.ErrOutcomeUnknown
	}
	return session.ErrConflict
}
