package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Manager is a kind of session in a service: its configuration, the queues of
// the requests that wait, and the timers. A service has one, or several with
// different cookies. It is safe for concurrent use.
type Manager struct {
	store      Store
	watcher    Watcher    // nil if the store cannot wake
	owners     OwnerIndex // nil if the store cannot find an owner's sessions
	iterator   Iterator   // nil if the store cannot list its sessions
	pinger     Pinger     // nil if the store cannot tell whether it works
	cfg        Config
	keys       *keyring // nil: nothing is encrypted
	gates      *gates
	background *background
	keepAlive  *keepAlive
	reaper     *reaper
	ends       ends
	inUse      inUse
	inPath     bool        // IDs may be in paths
	warned     atomic.Bool // that the cookie needs TLS
	unreadable seldom      // of sessions that cannot be read
	failed     seldom      // of work in the background
	panicked   seldom      // of an Observer that did

	warnedPassive atomic.Bool // that passive requests acquire Exclusive
	untold        atomic.Bool // it was said that a client is not told its new ID
}

// New returns a Manager that keeps its sessions in store. It copies cfg, fills
// in the defaults and checks it: an error names the field, its value and what
// is allowed, or what the store cannot do. It arms a timer that removes what
// has expired every ReapInterval, and has OnEnd told; Close stops it. The store
// stays the caller's: close it after the Manager.
func New(store Store, cfg Config) (*Manager, error) {
	if store == nil {
		return nil, errors.New("session: New: store is nil: pass one, for instance memstore.New()")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	keys, err := newKeyring(&cfg)
	if err != nil {
		return nil, err
	}
	cfg.EncryptionKeys = nil // the caller's; the keyring has what it needs of them
	m := &Manager{store: store, cfg: cfg, keys: keys, gates: newGates(cfg.RequestQueueLimit), background: newBackground()}
	m.watcher, _ = store.(Watcher)
	if cfg.Unencrypted != RefuseUnencrypted {
		cfg.Logger.Warn("session: Config.Unencrypted is set: whoever can write to the store can replace sessions by unencrypted ones; unset it when all are encrypted")
	}
	m.owners, _ = store.(OwnerIndex)
	m.iterator, _ = store.(Iterator)
	m.pinger, _ = store.(Pinger)
	if cfg.MaxSessionsPerOwner > 0 && m.owners == nil {
		return nil, fmt.Errorf("session: Config.MaxSessionsPerOwner is %d: the store, a %T, cannot find an owner's sessions: take one that implements OwnerIndex, or leave it unset", cfg.MaxSessionsPerOwner, store)
	}
	m.observeStore()
	if m.inPath = carriesInPath(cfg.ID); m.inPath {
		cfg.Logger.Warn("session: Config.ID carries IDs in URLs: whoever sees such a URL, in a log, a history or a message, has the session; see docs/security.md")
	}
	m.ends.m = m
	m.keepAlive = newKeepAlive(m)
	m.reaper = startReaper(m)
	return m, nil
}

// Mode says how a request holds its session.
type Mode uint8

// The modes of access.
const (
	// Exclusive requests hold the session one at a time, over all processes,
	// and wait for their turn (M1). It is the default.
	Exclusive Mode = iota
	// ReadOnly requests run side by side. One that comes while an Exclusive
	// request is under way waits for that one and sees what it saved (M2).
	ReadOnly
	// Snapshot requests never wait: they see what was saved last (M3).
	Snapshot
	// Concurrent requests never wait to acquire. Their changes are merged
	// into the session when they release it (M4).
	Concurrent
)

var modeNames = [...]string{"exclusive", "read-only", "snapshot", "concurrent"}

// String returns the mode in one lower-case word.
func (m Mode) String() string {
	if int(m) >= len(modeNames) {
		return fmt.Sprintf("mode %d", uint8(m))
	}
	return modeNames[m]
}

func (m Mode) readOnly() bool { return m == ReadOnly || m == Snapshot }

// covers reports whether a session held in m serves a request for mode.
func (m Mode) covers(mode Mode) bool {
	strength := [...]int{Snapshot: 0, ReadOnly: 1, Concurrent: 2, Exclusive: 3}
	return strength[m] >= strength[mode]
}

func (m *Manager) modeOf(mode []Mode) (Mode, error) {
	switch {
	case len(mode) > 1:
		return 0, fmt.Errorf("session: Acquire: %d modes given: at most one is allowed", len(mode))
	case len(mode) == 1 && int(mode[0]) >= len(modeNames):
		return 0, fmt.Errorf("session: Acquire: %v is unknown: must be Exclusive, ReadOnly, Snapshot or Concurrent", mode[0])
	case len(mode) == 1:
		return mode[0], nil
	case m.cfg.AllowConcurrentRequests:
		return Concurrent, nil
	}
	return Exclusive, nil
}

// Acquire takes the client's session for the request that ctx belongs to, and
// waits for it as the mode says; without a mode it is Exclusive, or Concurrent
// with Config.AllowConcurrentRequests. A client without a live session gets a
// new one, which costs no store call until something is put into it (M10), or
// which Config.OnStart starts (M17).
// The session is saved and released at the end of the request.
//
// A request that acquires again gets the Session it has, if that is held in an
// equal or stronger mode (Exclusive, Concurrent, ReadOnly, Snapshot, from
// strong to weak). For a stronger one it acquires anew, and the Session it had
// says ErrReleased; with unsaved changes that is an error, so Save first.
//
// The errors are ErrQueueFull, ErrAcquireTimeout, ErrUnavailable, ErrRenewed
// and ErrNoSession, the context's if that ended first, or what Config.OnStart
// has returned for a new session; HTTPStatus maps them.
// A request that calls its own service with its client's cookie while it
// holds the session waits for itself until AcquireTimeout: Release first.
func (m *Manager) Acquire(ctx context.Context, mode ...Mode) (*Session, error) {
	rq, _ := ctx.Value(managerKey{m}).(*Request)
	return rq.acquire(ctx, mode)
}

// From returns the Session that the request of ctx has acquired from this
// Manager and not released; nil if there is none.
func (m *Manager) From(ctx context.Context) *Session {
	rq, _ := ctx.Value(managerKey{m}).(*Request)
	return cmp.Or(rq.starting(ctx), rq.inHand())
}

// Acquire is Manager.Acquire of the innermost Manager whose middleware the
// request of ctx has passed.
func Acquire(ctx context.Context, mode ...Mode) (*Session, error) {
	rq, _ := ctx.Value(innermostKey{}).(*Request)
	return rq.acquire(ctx, mode)
}

// From is Manager.From of the innermost Manager whose middleware the request
// of ctx has passed.
func From(ctx context.Context) *Session {
	rq, _ := ctx.Value(innermostKey{}).(*Request)
	return cmp.Or(rq.starting(ctx), rq.inHand())
}

// Ping reports whether sessions can be had, for health checks: nil, or
// ErrUnavailable if the Manager is closed or the store does not work. A store
// that cannot tell is taken to work.
func (m *Manager) Ping(ctx context.Context) error {
	if err := m.inUse.enter(); err != nil {
		return err
	}
	defer m.inUse.leave()
	if m.pinger == nil {
		return nil
	}
	return m.storeCall(ctx, "ping", m.pinger.Ping)
}

// Close stops what New started and refuses further sessions with
// ErrUnavailable. It waits until the sessions in use are released and the
// background's work is done: OnEnd for what this process has claimed and, if it
// has ended sessions that nobody has claimed, for one batch more. Call it after
// the HTTP server's Shutdown. If ctx ends first, Close gives up waiting and
// returns ctx's error. It does not close the store.
func (m *Manager) Close(ctx context.Context) error {
	err := cmp.Or(m.reaper.stop(ctx), m.inUse.close(ctx))
	ending := m.ends.close(ctx) // after the requests, whose ends it waits for
	err = cmp.Or(err, m.background.drain(ctx))
	m.background.cancel()
	switch {
	case err != nil:
		return fmt.Errorf("session: Close: sessions are still in use: %w", err)
	case ending != nil:
		return fmt.Errorf("session: Close: Config.OnEnd is still running: %w", ending)
	}
	return nil
}

// inUse counts the sessions that requests hold or wait for, so that Close can
// wait for them.
type inUse struct {
	mu     sync.Mutex
	n      int
	closed bool
	none   chan struct{} // closed when closed and n is 0; made by close
}

func (u *inUse) enter() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return fmt.Errorf("%w: the Manager is closed", ErrUnavailable)
	}
	u.n++
	return nil
}

func (u *inUse) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n--
	if u.n == 0 && u.none != nil {
		close(u.none)
		u.none = nil
	}
}

func (u *inUse) close(ctx context.Context) error {
	u.mu.Lock()
	u.closed = true
	if u.n == 0 {
		u.mu.Unlock()
		return nil
	}
	if u.none == nil {
		u.none = make(chan struct{})
	}
	none := u.none
	u.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errStoreTimeout is the cause of a store operation's end at StoreTimeout.
var errStoreTimeout = errors.New("no answer within Config.StoreTimeout")

// storeCall makes one store operation under StoreTimeout, and turns what comes
// of it into an error that callers can rely on: if ctx ended, why it did; if
// the store did not answer, ErrUnavailable.
func (m *Manager) storeCall(ctx context.Context, what string, call func(context.Context) error) error {
	op := withLazyTimeout(ctx, m.cfg.StoreTimeout, errStoreTimeout)
	defer op.stop()
	err := call(op)
	if err == nil || definite(err) {
		return err
	}
	if end := endOf(ctx); end != nil {
		if errors.Is(end, ErrAcquireTimeout) {
			return end
		}
		return fmt.Errorf("session: %s: %w", what, end)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		// Not wrapped: it is not the request's context that has ended.
		return fmt.Errorf("%w: %s: %w (%v)", ErrUnavailable, what, errStoreTimeout, err) //nolint:errorlint // for that reason
	}
	return fmt.Errorf("session: %s: %w", what, err)
}

// definite reports whether err is a store's final answer, so that the call
// needs no repeat.
func definite(err error) bool {
	for _, answer := range [...]error{ErrNotFound, ErrLocked, ErrConflict, ErrLockLost, ErrExists, ErrRenewed, ErrTooLarge, ErrOutcomeUnknown} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// saveContext returns the context of one save, with all its repeats: a client
// that goes away does not abort it (M20). stop must be called.
func (m *Manager) saveContext(ctx context.Context) *lazyContext {
	return withLazyTimeout(context.WithoutCancel(ctx), m.cfg.SaveTimeout, errSaveTimeout)
}

var errSaveTimeout = fmt.Errorf("%w: not stored within Config.SaveTimeout", ErrUnavailable)

// persist makes a store call that stores something, and repeats it while its
// outcome is unknown (S6) and save, a saveContext, lives.
func (m *Manager) persist(save context.Context, what string, call func(ctx context.Context, repeat bool) error) error {
	for pause, repeat := firstPause, false; ; pause, repeat = min(2*pause, lastPause), true {
		err := m.storeCall(save, what, func(ctx context.Context) error { return call(ctx, repeat) })
		if err == nil || definite(err) || !errors.Is(err, ErrUnavailable) || save.Err() != nil {
			return err
		}
		if !sleep(save, jitter(pause)) {
			return fmt.Errorf("%w: %w", errSaveTimeout, err)
		}
	}
}

// The pauses between the repeats of a save, before jitter.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = time.Second
)

// sleep waits for d and reports whether ctx lived that long.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// releaseInBackground gives up a lock that nobody uses any more, if the token
// has it. If that fails, the lock ends with its lease.
func (m *Manager) releaseInBackground(key StoreKey, token Token) {
	queued := m.background.do(func(ctx context.Context) {
		m.failedInBackground(ctx, m.guard(func() error {
			return m.storeCall(ctx, "release", func(ctx context.Context) error {
				return m.store.Release(ctx, key, token)
			})
		}))
	}, true)
	if !queued {
		m.failedInBackground(m.background.ctx, errBackgroundFull)
	}
}

var errBackgroundFull = errors.New("session: background: too much work is queued, a lock ends with its lease")

func (m *Manager) failedInBackground(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	m.observe(ctx, Event{Kind: EventBackground, Err: err})
	m.failed.log(ctx, m.cfg.Logger, slog.LevelWarn, "session: background work failed", "error", err)
}
