package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

var errNoOwner = errors.New("the owner is empty: that is nobody's")

// cannot is the error of what the store has no optional interface for.
func (m *Manager) cannot(what, needed string) error {
	return fmt.Errorf("session: %s: the store, a %T, does not implement %s: %w", what, m.provider(), needed, errors.ErrUnsupported)
}

// Sessions streams what there is to tell of every live session of the
// Manager's namespace, without its content, in no order and without ever
// holding all of them: for administration. Sessions that come or go meanwhile
// may or may not be seen. It ends with the first error, and the loop's body may
// take its time and use the Manager. The store must implement Iterator, or the
// error is errors.ErrUnsupported.
func (m *Manager) Sessions(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if m.iterator == nil {
			yield(Info{}, m.cannot("Sessions", "Iterator"))
			return
		}
		for info, err := range m.iterator.All(ctx, m.cfg.Namespace) {
			if err != nil {
				yield(Info{}, fmt.Errorf("session: Sessions: %w", err))
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// SessionsOf returns the live sessions of an owner (SetOwner), oldest first:
// to show users where they are logged in. The one whose Info.Key is
// Session.StoreKey is the caller's own. The store must implement OwnerIndex,
// or the error is errors.ErrUnsupported; ErrUnavailable if it does not answer.
func (m *Manager) SessionsOf(ctx context.Context, owner string) (infos []Info, err error) {
	switch {
	case m.owners == nil:
		return nil, m.cannot("SessionsOf", "OwnerIndex")
	case owner == "":
		return nil, fmt.Errorf("session: SessionsOf: %w", errNoOwner)
	}
	err = m.storeCall(ctx, "list an owner's sessions", func(ctx context.Context) error {
		infos, err = m.owners.ListOwner(ctx, m.cfg.Namespace, owner)
		return err
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}

// Revoke ends a session, whoever holds it: key is Info.Key of a listing, or
// what Session.StoreKey returned. A request that holds it cannot bring it back
// (M15): its next save fails, with ErrLockLost, or ErrConflict if it is
// Concurrent; and if it is Exclusive, its Session.Context ends when its lock is
// to be renewed next, after a third of Config.LockLease at the latest. The
// client's next request gets a new session. nil also if there is no such
// session; ErrRenewed if it has got a new key meanwhile, so that it has to be
// listed again; ErrUnavailable if the store does not answer. Once begun it is
// not aborted by the end of ctx.
func (m *Manager) Revoke(ctx context.Context, key StoreKey) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("session: Revoke: %w", err)
	}
	save := m.saveContext(ctx)
	defer save.stop()
	if err := m.revoke(save, key); err != nil {
		return err
	}
	m.ends.wake(true)
	return nil
}

func (m *Manager) revoke(save context.Context, key StoreKey) error {
	return m.persist(save, "revoke", func(ctx context.Context, _ bool) error {
		return m.store.Remove(ctx, key, Token{}, EndRevoked)
	})
}

// RevokeOwner revokes all sessions of an owner (SetOwner), or all but some:
// log out everywhere, or everywhere else, after a change of the password, say.
// It returns how many it has ended; if an answer of the store was lost there
// may have been more. What Revoke says of requests in flight holds for each.
// Sessions that become the owner's meanwhile, by a login under way, may stay.
// The caller's own session is not spared unless it is in except; to take its
// cookie away too, Abandon it. Who is spared goes by the key that the Session
// has now: one that another request renews at that moment lives under a new key,
// and is ended like the others.
// The store must implement OwnerIndex, or the
// error is errors.ErrUnsupported. Errors otherwise as Revoke, but ErrRenewed:
// a session is found whatever its key.
func (m *Manager) RevokeOwner(ctx context.Context, owner string, except ...*Session) (int, error) {
	switch {
	case m.owners == nil:
		return 0, m.cannot("RevokeOwner", "OwnerIndex")
	case owner == "":
		return 0, fmt.Errorf("session: RevokeOwner: %w", errNoOwner)
	case ctx.Err() != nil:
		return 0, fmt.Errorf("session: RevokeOwner: %w", ctx.Err())
	}
	keys := make([]StoreKey, 0, len(except))
	for _, s := range except {
		if s != nil {
			keys = append(keys, s.StoreKey())
		}
	}
	save := m.saveContext(ctx)
	defer save.stop()
	ended := 0
	err := m.persist(save, "revoke", func(ctx context.Context, _ bool) error {
		n, err := m.owners.RemoveOwner(ctx, m.cfg.Namespace, owner, EndRevoked, keys...)
		ended += n
		return err
	})
	if ended > 0 || err != nil {
		m.ends.wake(true)
	}
	return ended, err
}
