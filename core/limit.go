package session

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config.MaxSessionsPerOwner promises that of one owner never more than N
// sessions work, whichever processes the logins arrive at. A store can list an
// owner's sessions, but not count and write in one step, so the save that makes
// a session the owner's (a login) goes like this:
//
//  1. take the owner's lock, a record of its own in the store, by the same
//     means as a session's;
//  2. list the owner's sessions; with N or more others, either refuse the
//     login, before anything is stored, or end the oldest until N-1 are left;
//  3. save;
//  4. list again; with more than N, end the oldest others, or take the new one
//     back;
//  5. release the lock. Only then does the client get its reply (M12).
//
// While leases hold, logins of one owner come one after the other: step 2
// leaves at most N-1 others, step 3 makes at most N, and there is never a
// moment with more, even if the process dies at any step. The lock also decides
// who gives way: nobody ends a session that is being stored, so of logins that
// come together as many succeed as there is room for.
//
// Step 4 is for the case that the lock did not hold: its process was stopped
// for longer than the lease, or the store forgot the lock in a crash. Call a
// login done when its last list showed at most N, itself included. Suppose that
// more than N sessions were live and done at some moment, and take the one of
// them whose last list was taken last. All the others had been saved before
// their own last lists, so before this one, and were still live afterwards: so
// that list had more than N, and its login was not done. It takes no clock and
// no order for this, only that ListOwner shows what was stored before it was
// asked. Two logins that both got through the lock may each end the other's
// session, though: then there are fewer than N, never more.
//
// Which session is the oldest is settled by when it was created, by the store's
// clock, and between equals by the key, so all processes agree. The session
// that is logging in is never the one to go: it may have been created long
// before its user logged in.
//
// A request takes the owner's lock while it holds its session's, never the
// other way round (a Concurrent save that changes the owner takes its session's
// lock first), and waits for no other lock while it has it; so requests cannot
// wait for each other in a circle.

// ownerLocks is the namespace of the owners' locks: they are no sessions of
// anybody's, and listings must not show them.
const ownerLocks = "sessionstate: owners' locks"

// ownerLockIdle is how long an owner's lock is kept for the next login.
const ownerLockIdle = time.Minute

// room is a place among an owner's sessions for one that is about to be
// stored as the owner's. A nil room is for those that need none.
type room struct {
	m     *Manager
	owner string
	lock  *lease
}

// limits reports whether a save that changes the owner is a matter of
// MaxSessionsPerOwner.
func (m *Manager) limits(was, owner string) bool {
	return m.cfg.MaxSessionsPerOwner > 0 && owner != "" && owner != was
}

// room makes room for the session under key, which was another's or nobody's.
// Without an error the room must be left. An error says that nothing of the
// session was stored. It may have waited for long when it asks ready whether
// the save is still to be made: nobody gives way for one that is not.
func (m *Manager) room(ctx, save context.Context, key StoreKey, was, owner string, ready func() error) (_ *room, err error) {
	if !m.limits(was, owner) {
		return nil, nil
	}
	_, l, _, err := m.lock(save, m.ownerLock(owner), lockOptions{save: true, create: m.createOwnerLock(owner)})
	if err != nil {
		return nil, notWrittenError{err}
	}
	r, made := &room{m, owner, l}, false
	defer func() {
		if !made { // even if the store panics
			l.release(ctx, lockUnknown)
		}
	}()
	if err := ready(); err != nil {
		return nil, err
	}
	if err := r.clear(ctx, save, key); err != nil {
		return nil, notWrittenError{err}
	}
	made = true
	return r, nil
}

func (m *Manager) ownerLock(owner string) StoreKey {
	b := binary.AppendUvarint(nil, uint64(len(m.cfg.Namespace)))
	b = append(append(b, m.cfg.Namespace...), owner...)
	return storeKey(ownerLocks, string(b))
}

func (m *Manager) createOwnerLock(owner string) func(context.Context, Token) (Record, error) {
	return func(ctx context.Context, token Token) (Record, error) {
		rec := Record{Namespace: ownerLocks, IdleTimeout: ownerLockIdle, Refresh: ownerLockIdle, Write: NewWriteID()}
		return rec, m.storeCall(ctx, "create", func(ctx context.Context) error {
			return m.store.Create(ctx, m.ownerLock(owner), rec, token, m.cfg.LockLease)
		})
	}
}

// clear sees to it that the owner has room for the session under key, beside
// all others.
func (r *room) clear(ctx, save context.Context, key StoreKey) error {
	m := r.m
	limit := m.cfg.MaxSessionsPerOwner
	for {
		others, err := m.SessionsOf(save, r.owner)
		if err != nil {
			return err
		}
		others = slices.DeleteFunc(others, func(in Info) bool { return in.Key == key })
		if len(others) < limit {
			return nil
		}
		if m.cfg.RefuseMoreSessions {
			err := fmt.Errorf("%w: Config.MaxSessionsPerOwner is %d", ErrTooManySessions, limit)
			m.observe(ctx, Event{Kind: EventOwnerLimit, Err: err})
			return err
		}
		slices.SortFunc(others, func(a, b Info) int {
			return cmp.Or(a.Created.Compare(b.Created), bytes.Compare(a.Key[:], b.Key[:]))
		})
		for _, in := range others[:len(others)-limit+1] {
			// One that has moved is in the next list, under its new key.
			if err := m.revoke(save, in.Key); err != nil && !errors.Is(err, ErrRenewed) {
				return err
			}
			m.observe(ctx, Event{Kind: EventOwnerLimit, Reason: EndRevoked})
		}
		m.ends.wake(true)
	}
}

// confirm is clear once the session is stored, under key. If the others stay,
// it is taken back.
func (r *room) confirm(ctx, save context.Context, key StoreKey) error {
	if r == nil {
		return nil
	}
	err := r.clear(ctx, save, key)
	if errors.Is(err, ErrTooManySessions) {
		if err := r.m.revoke(save, key); err != nil {
			return err
		}
		r.m.ends.wake(true)
	}
	return err
}

// revokeInBackground takes back a login whose client was not told its ID, since
// the save failed after the session was stored, or may have been. If that fails,
// it expires.
func (m *Manager) revokeInBackground(key StoreKey) {
	queued := m.background.do(func(ctx context.Context) {
		err := m.guard(func() error {
			return m.storeCall(ctx, "revoke", func(ctx context.Context) error {
				return m.store.Remove(ctx, key, Token{}, EndRevoked)
			})
		})
		m.failedInBackground(ctx, err)
		if err == nil {
			m.ends.wake(true)
		}
	}, true)
	if !queued {
		m.failedInBackground(m.background.ctx, errBackgroundFull)
	}
}

// leave lets the owner's next login go on; err is what became of the save. If
// that is in doubt it may still take effect: then the next login waits until
// the lock's lease is over. It may be called again.
func (r *room) leave(ctx context.Context, err error) {
	switch {
	case r == nil:
	case inDoubt(err):
		r.lock.stop()
	default:
		r.lock.release(ctx, lockHeld)
	}
}
