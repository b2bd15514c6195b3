package boltstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	session "github.com/sessionstate/sessionstate/core"
)

// Store is a session.Store in a file of bbolt. It is safe for concurrent use.
type Store struct {
	db   *bolt.DB
	turn chan struct{} // has room for the one who may change the file
	now  func() time.Time
}

var _ session.Store = (*Store)(nil)

// New returns the store in a file that the caller has opened, and closes when no
// Manager uses the store any more. It adds buckets of its own to the file.
func New(db *bolt.DB) (*Store, error) {
	err := db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{recordsBucket, dueBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("boltstore: make the buckets: %w", err)
	}
	return &Store{db: db, turn: make(chan struct{}, 1), now: time.Now}, nil
}

// update runs one operation as a transaction: what change did is on the disk
// when update returns nil, and nothing of it is when it returns an error.
//
// It returns when the context ends (S14), though the disk may be slow. The
// transaction then goes on in its goroutine, which ends with it; what became of
// it a repeat finds out (S6). So change must not write to what a caller reads
// after an error.
func (s *Store) update(ctx context.Context, op string, change func(table) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return failed(op, ctx.Err())
	}
	if err := ctx.Err(); err != nil { // both were ready
		<-s.turn
		return failed(op, err)
	}
	done := make(chan error, 1)
	go func() { // until the transaction has ended
		err := s.db.Update(func(tx *bolt.Tx) error { return change(tableOf(tx, s.instant())) })
		<-s.turn
		done <- err
	}()
	select {
	case err := <-done:
		return failed(op, err)
	case <-ctx.Done():
		return failed(op, ctx.Err())
	}
}

// view runs an operation that changes nothing. It waits for nobody.
func (s *Store) view(ctx context.Context, op string, look func(table) error) error {
	if err := ctx.Err(); err != nil {
		return failed(op, err)
	}
	return failed(op, s.db.View(func(tx *bolt.Tx) error { return look(tableOf(tx, s.instant())) }))
}

func (s *Store) instant() instant { return instant(s.now().UnixNano()) }

// errors of the contract, which callers look for; any other is the file's.
var known = []error{
	session.ErrNotFound, session.ErrExists, session.ErrLocked, session.ErrLockLost, session.ErrConflict,
	session.ErrOutcomeUnknown, session.ErrRenewed, errArguments, context.Canceled, context.DeadlineExceeded,
}

var errArguments = errors.New("wrong arguments: a lock needs a token, and one that is handed on a lease")

// failed says in which operation err occurred, and that the store does not work
// if the contract knows nothing of it (S15).
func failed(op string, err error) error {
	if err == nil {
		return nil
	}
	for _, k := range known {
		if errors.Is(err, k) {
			return fmt.Errorf("boltstore: %s: %w", op, err)
		}
	}
	return fmt.Errorf("boltstore: %s: %w: %w", op, session.ErrUnavailable, err)
}

// Acquire implements session.Store (S2, S3, S4).
func (s *Store) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	found := make(chan session.Record, 1) // read only if the transaction has succeeded
	err := s.update(ctx, "acquire", func(t table) error {
		e, err := t.get(key[:])
		if err == nil {
			err = e.missing(t.now)
		}
		switch {
		case err != nil:
			return err
		case token == session.Token{}:
			return errArguments
		case e.holds(token): // a repeat: the lock's age goes on
			e.Until = t.now.add(lease)
		case e.locked(t.now):
			return &session.LockedError{LockInfo: e.lock(t.now)}
		default:
			e.take(token, t.now, lease)
		}
		e.slide(t.now)
		found <- e.record(t.now)
		return t.put(key[:], e)
	})
	if err != nil {
		return session.Record{}, err
	}
	return <-found, nil
}

// Load implements session.Store. There is nobody to wake, so wait means nothing.
func (s *Store) Load(ctx context.Context, key session.StoreKey, _ bool) (rec session.Record, err error) {
	err = s.view(ctx, "load", func(t table) error {
		e, err := t.get(key[:])
		if err == nil {
			err = e.missing(t.now)
		}
		if err != nil {
			return err
		}
		rec = e.record(t.now)
		if e.locked(t.now) {
			info := e.lock(t.now)
			rec.Lock = &info
		}
		return nil
	})
	return rec, err
}

// Create implements session.Store (S6, S8).
func (s *Store) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	return s.update(ctx, "create", func(t table) error {
		old, err := t.get(key[:])
		switch {
		case err != nil:
			return err
		case old.knows(rec.Write):
			return nil
		case old.live(t.now), old.renewed(t.now):
			if rec.Repeat && old.Lost {
				return session.ErrOutcomeUnknown
			}
			return session.ErrExists
		}
		if err := t.clear(key[:], old); err != nil {
			return err
		}
		e := &entry{Namespace: rec.Namespace, Created: t.now, Idle: rec.IdleTimeout, Refresh: rec.Refresh, Lifetime: rec.Lifetime}
		e.Expires = e.fresh(t.now)
		e.replace(rec, t.now)
		if token != (session.Token{}) {
			e.take(token, t.now, lease)
		}
		return t.put(key[:], e)
	})
}

// Save implements session.Store (S5, S6, S7, S11).
func (s *Store) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	moves := how.MoveTo != session.StoreKey{}
	return s.update(ctx, "save", func(t table) error {
		if how.Next != (session.Token{}) && how.Keep <= 0 {
			return errArguments
		}
		e, err := t.get(key[:])
		if err != nil {
			return err
		}
		var there *entry
		if moves {
			if there, err = t.get(how.MoveTo[:]); err != nil {
				return err
			}
		}
		// A repeat comes first, whatever has become of the record: a repeated
		// move finds it in the tombstone, or else in the record that moved.
		if e.knows(rec.Write) || there.knows(rec.Write) {
			return nil
		}
		switch live := e.live(t.now); {
		case live && e.holds(token):
		case rec.Repeat && (!live || e.Lost):
			return session.ErrOutcomeUnknown
		default:
			return session.ErrLockLost
		}
		if there.live(t.now) || there.renewed(t.now) {
			return session.ErrExists
		}
		e.replace(rec, t.now)
		switch {
		case how.Next != session.Token{}:
			e.take(how.Next, t.now, how.Keep)
		case how.Keep > 0:
			e.Until = t.now.add(how.Keep)
		default:
			e.free()
		}
		if !moves {
			return t.put(key[:], e)
		}
		return t.move(key, e, how, there)
	})
}

// move puts e under another key, whose place there had until now, and leaves a
// tombstone for the time of grace. Both are in one transaction, so S11 needs no
// more: not every database has that.
func (t table) move(key session.StoreKey, e *entry, how session.Commit, there *entry) error {
	if err := t.clear(how.MoveTo[:], there); err != nil {
		return err
	}
	if err := t.drop(key[:], e); err != nil {
		return err
	}
	if how.Grace > 0 {
		tombstone := &entry{Namespace: e.Namespace, Created: e.Created, Expires: t.now.add(how.Grace),
			Writes: e.Writes, Lost: e.Lost, Moved: true} // without Events: bulk removal takes it
		if err := t.put(key[:], tombstone); err != nil {
			return err
		}
	}
	return t.put(how.MoveTo[:], e)
}

// Swap implements session.Store (S9).
func (s *Store) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	return s.update(ctx, "swap", func(t table) error {
		e, err := t.get(key[:])
		switch {
		case err != nil:
			return err
		case e.knows(rec.Write):
			return nil
		case !e.live(t.now):
			if rec.Repeat {
				return session.ErrOutcomeUnknown
			}
			return session.ErrNotFound
		case e.Writes[0] != old:
			// Had the first attempt taken effect, it would be newer than old.
			if rec.Repeat && e.Lost && !e.knows(old) {
				return session.ErrOutcomeUnknown
			}
			return session.ErrConflict
		case e.locked(t.now):
			return &session.LockedError{LockInfo: e.lock(t.now)}
		}
		e.free() // a lapsed token never works again (S5)
		e.replace(rec, t.now)
		return t.put(key[:], e)
	})
}
