package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Session is a client's session, as a handler holds it between Acquire and the
// end of its request. It is safe for concurrent use, but Save and Release may
// set the cookie in the headers of the reply, which frameworks do not guard: no
// other goroutine may call them while the handler sets headers. The methods of a
// nil *Session return ErrNoSession; those of a released one return ErrReleased.
// Methods without an error return a zero value in both cases, but for ID,
// StoreKey, IsNew, Mode and Created, which outlive the release.
type Session struct {
	rq       *Request
	mode     Mode
	isNew    bool
	unborn   bool      // it is stored, and nothing was put into it since settle did that
	started  time.Time // when it was acquired
	released atomic.Bool
	lost     atomic.Pointer[error] // why what it was released with could not be stored; nil if it was

	mu      sync.Mutex // held during a save too; guards what follows
	id      string
	key     StoreKey
	rec     Record // as acquired or stored last; without Data, unless OnEnd may have to see it
	stored  bool   // the store has it
	adopted bool   // the store has it, empty, only to hold the lock (M11)
	lease   *lease // nil if it is not locked
	content content

	dirty     bool                   // content is to be stored
	replay    []func(*content) error // Concurrent: what was done since the last save, to be done again on newer content
	renew     bool                   // the next save moves it to a new ID
	abandoned bool                   // to be removed at release
	removed   bool                   // and it has been
	cookieDue bool                   // the client is to be told its ID again
	starting  bool                   // OnStart is running
	unused    bool                   // OnStart has run, no store knows it, and no handler has changed it
	over      bool                   // OnEnd has it: it has ended, and is neither saved nor removed
	told      time.Duration          // the cookieLife that the client knows of
	untold    StoreKey               // where the last save, a login's, has stored it, or may have, under an ID that the client was not told; zero: nowhere
	unsettled error                  // why it is not known whether the last save took effect; nil if it is

	ctx    context.Context // made by Context; nil before
	cancel context.CancelCauseFunc
}

func (s *Session) isReleased() bool { return s.released.Load() }

// ID returns the client's secret. After Renew it is the old one until the
// next save. Do not log it: who knows it has the session.
func (s *Session) ID() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// StoreKey returns the hash under which stores know the session. It can be
// logged and shown: it opens nothing.
func (s *Session) StoreKey() StoreKey {
	if s == nil {
		return StoreKey{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// IsNew reports whether the client came without a live session, or with one
// that was made for it ahead of this request and has not been changed since
// (ErrRedirect).
func (s *Session) IsNew() bool { return s != nil && (s.isNew || s.unborn) }

// Mode returns the mode that the session was acquired in.
func (s *Session) Mode() Mode {
	if s == nil {
		return Snapshot
	}
	return s.mode
}

// Created returns when the session was first stored, by the store's clock; for
// one that is not stored yet, when it was acquired.
func (s *Session) Created() time.Time {
	if s == nil {
		return time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.Created
}

// lock locks the session for its use; an error says why it cannot be used, and
// then it is not locked.
func (s *Session) lock() error {
	if s == nil {
		return ErrNoSession
	}
	s.mu.Lock()
	if s.isReleased() {
		s.mu.Unlock()
		return ErrReleased
	}
	return nil
}

// change makes op on the content, and remembers it for a merge. op reports
// whether it changed anything.
func (s *Session) change(op func(*content) (bool, error)) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	switch {
	case s.mode.readOnly() && !s.starting:
		return ErrReadOnly
	case !s.stored && !s.rq.canTell():
		return ErrHeadersSent
	}
	changed, err := op(&s.content)
	if err != nil {
		return err
	}
	if changed {
		s.dirty, s.unused = true, false
	}
	// What OnStart did is not done again on what another request has made of
	// the session: that one has started it too.
	if s.mode == Concurrent && !s.starting { // what changed nothing here may change something there
		s.replay = append(s.replay, func(c *content) error {
			_, err := op(c)
			return err
		})
	}
	return nil
}

// Has reports whether the session has a value of that name.
func (s *Session) Has(name string) bool {
	if err := s.lock(); err != nil {
		return false
	}
	defer s.mu.Unlock()
	_, found := s.content.items.find(name)
	return found
}

// Keys returns the names of the session's values, sorted.
func (s *Session) Keys() []string {
	if err := s.lock(); err != nil {
		return nil
	}
	defer s.mu.Unlock()
	names := make([]string, len(s.content.items))
	for i, it := range s.content.items {
		names[i] = string(it.name)
	}
	return names
}

// Len returns the number of the session's values.
func (s *Session) Len() int {
	if err := s.lock(); err != nil {
		return 0
	}
	defer s.mu.Unlock()
	return len(s.content.items)
}

// Delete removes the value of that name; nil if there is none. Errors:
// ErrReadOnly, ErrHeadersSent, ErrReleased, ErrNoSession.
func (s *Session) Delete(name string) error {
	return s.change(func(c *content) (bool, error) { return c.delete(name), nil })
}

// Clear removes all values; the session lives on. Errors as Delete.
func (s *Session) Clear() error {
	return s.change(func(c *content) (bool, error) { return c.clear(), nil })
}

// Timeout returns the session's idle timeout; 0 if it has none.
func (s *Session) Timeout() time.Duration {
	if err := s.lock(); err != nil {
		return 0
	}
	defer s.mu.Unlock()
	return s.rq.m.timeout(&s.content)
}

// SetTimeout gives this session an idle timeout of its own, from the next save
// on, of at least a second; 0 gives it Config.IdleTimeout again. It does not
// lift Config.AbsoluteTimeout. Requests that never acquire the session extend
// its life once per Config.RefreshInterval only, which may be too seldom for a
// timeout shorter than that. Errors as Delete.
func (s *Session) SetTimeout(d time.Duration) error {
	if d != 0 && (d < time.Second || d > maxDuration) {
		return fmt.Errorf("session: SetTimeout: %v: must be from 1s to %v, or 0 for Config.IdleTimeout", d, maxDuration)
	}
	return s.change(func(c *content) (bool, error) {
		changed := c.idle != d
		c.idle = d
		return changed, nil
	})
}

// Owner returns what SetOwner has set; "" if nothing.
func (s *Session) Owner() string {
	if err := s.lock(); err != nil {
		return ""
	}
	defer s.mu.Unlock()
	return s.content.owner
}

// SetOwner says whose session it is: a user's id, of at most 255 bytes. ""
// makes it nobody's. Stores keep it beside the content, in plain text, to find
// a user's sessions by it. If that makes one session too many
// (Config.MaxSessionsPerOwner), the save sees to it. Errors as Delete.
func (s *Session) SetOwner(owner string) error {
	if len(owner) > maxOwner {
		return fmt.Errorf("session: SetOwner: %d bytes: at most %d are allowed", len(owner), maxOwner)
	}
	owner = strings.Clone(owner) // of a request whose memory is used again, perhaps (A8)
	return s.change(func(c *content) (bool, error) {
		changed := c.owner != owner
		c.owner = owner
		return changed, nil
	})
}

// maxOwner is what every provider can index.
const maxOwner = 255

// Remember makes this session's cookie outlive the browser, for as long as the
// session lives ("keep me logged in"), or with false end with it again. It has
// no effect on other ID sources, nor with Cookie.Persist. Errors as Delete.
func (s *Session) Remember(on bool) error {
	return s.change(func(c *content) (bool, error) {
		changed := c.remember != on
		c.remember = on
		return changed, nil
	})
}

// Renew gives the session a new ID with its next save, and so with the reply:
// call it when the user logs in or gets other rights, so that an ID that an
// attacker may have planted or seen before is worth nothing afterwards (M16).
// The data stays. Requests that still carry the old ID get ErrRenewed for
// Config.RenewGrace. If the client is gone by the time of the save, nothing is
// saved. Errors as Delete, ErrHeadersSent also for a session that has a cookie.
func (s *Session) Renew() error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	switch {
	case s.mode.readOnly() && !s.starting:
		return ErrReadOnly
	case !s.rq.canTell():
		return ErrHeadersSent
	}
	switch {
	case s.stored:
		s.renew = true
	case s.rq.m.cfg.AdoptExpiredID && s.unsettled == nil:
		// No store knows it, but somebody else may have chosen its ID.
		s.id = newID()
		s.key = storeKey(s.rq.m.cfg.Namespace, s.id)
	}
	return nil // the ID of another new session is as new as can be
}

// Abandon removes the session, and its cookie, when it is released: call it
// when the user logs out. It may be called in any mode, and takes effect
// whatever the reply's status is (M15). Requests that hold the session at that
// time cannot bring it back: so a logout need not wait for them, and can
// acquire the session as a Snapshot.
func (s *Session) Abandon() error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.abandoned = !s.over
	return nil
}

// Context returns a context for work that needs the lock: it ends with the
// request's, with the cause ErrLockLost when the lock is lost (M9), and with
// ErrReleased when the session is released.
func (s *Session) Context() context.Context {
	if s == nil {
		return endedContext(context.Background(), ErrNoSession)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isReleased() && s.ctx == nil {
		return endedContext(s.rq.ctx, ErrReleased)
	}
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(s.rq.ctx)
		if s.lease != nil {
			cancel := s.cancel
			s.lease.notify(func() { cancel(ErrLockLost) })
		}
	}
	return s.ctx
}

func endedContext(parent context.Context, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	cancel(cause)
	return ctx
}
