package session

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Config configures a Manager. The zero Config is a good one: every zero field
// means its documented default. Where a field can be switched off, a negative
// value does so.
type Config struct {
	// Namespace separates the sessions of several services, or of several
	// Managers of one service, that share a store: an ID of one is unknown to
	// the others. It goes into every StoreKey. Default: "".
	Namespace string

	// IdleTimeout ends a session that has not been used for this long (M14).
	// Negative: off, only AbsoluteTimeout ends sessions. Session.SetTimeout
	// overrides it for one session. Default: 20 minutes.
	IdleTimeout time.Duration

	// AbsoluteTimeout ends a session this long after it was created, however
	// busy it is; Renew does not restart it. Negative: off. Default: 24 hours.
	AbsoluteTimeout time.Duration

	// RefreshInterval is how often the expiry of a session in use is written
	// at most: a session lives between IdleTimeout and IdleTimeout +
	// RefreshInterval after its last use (M14). Default: IdleTimeout / 20, or
	// 1 minute if that is off.
	RefreshInterval time.Duration

	// RequestQueueLimit is how many requests of one session may wait in this
	// process; the next one gets ErrQueueFull at once (M6). Negative: no
	// limit. Default: 50.
	RequestQueueLimit int

	// AllowConcurrentRequests makes Concurrent the mode of an Acquire that
	// names none. Default: false, the mode is Exclusive.
	AllowConcurrentRequests bool

	// AcquireTimeout is how long a request waits for its session before it
	// gets ErrAcquireTimeout (M7). Negative: as long as its context lives.
	// Default: 30 seconds.
	AcquireTimeout time.Duration

	// StoreTimeout bounds one store operation; when it has passed, the
	// request gets ErrUnavailable (M19). Default: 5 seconds.
	StoreTimeout time.Duration

	// SaveTimeout bounds one save with all its repeats (M20). Default: 10
	// seconds.
	SaveTimeout time.Duration

	// LockLease is how long the lock of a process that died stays in force;
	// a living one renews it at a third (M8). Default: 15 seconds.
	LockLease time.Duration

	// ExecutionTimeout is the longest that a request may hold a session: then
	// it loses the lock and is told so (M8, M9). Negative: no limit. Default:
	// 110 seconds.
	ExecutionTimeout time.Duration

	// PollInterval is how soon a request that waits for another process looks
	// again, where the store cannot wake it. It doubles with each look, up to
	// 500 ms (or to PollInterval, if that is longer), with jitter (M5).
	// Default: 5 milliseconds.
	PollInterval time.Duration

	// AdoptExpiredID gives a client that presents an unknown or expired ID a
	// new session under that ID, as ASP.NET does. It opens the door to
	// session fixation: an attacker can choose the ID that a victim's session
	// will have. Default: false, the new session gets a new ID (M11).
	AdoptExpiredID bool

	// SkipKeepAliveWhenUnused lets requests that present an ID but never
	// acquire the session pass without extending its life (M14). Default:
	// false.
	SkipKeepAliveWhenUnused bool

	// RenewGrace is how long requests that still carry the ID from before a
	// Renew are told ErrRenewed; later they look like those of a stranger
	// (M16). Negative: none. Default: 1 minute.
	RenewGrace time.Duration

	// ID says how clients carry the ID: Cookie, Header, URI or AutoDetect.
	// Default: Cookie{}.
	ID IDSource

	// MaxSize is the largest content of a session in bytes, before Compress
	// makes it smaller and EncryptionKeys 50 bytes larger; beyond it changes
	// fail with ErrTooLarge. It also bounds what is made of stored bytes: if
	// it is lowered, sessions that are larger and compressed or encrypted
	// cannot be read any more (M18). Negative: what the store can hold.
	// Default: 1 MiB.
	MaxSize int

	// ReapInterval is how often, with jitter, this Manager looks in the store
	// for what has expired, to remove it and to tell OnEnd. Negative: never;
	// another Manager of the same namespace must do it, or the store itself
	// where there is no OnEnd. Default: 30 seconds.
	ReapInterval time.Duration

	// OnStart runs once for every new session, when a request acquires it and
	// before the handler goes on, with the context of the Acquire (M17). It
	// may change the session, in every mode, and from then on the session is
	// stored, and its client given a cookie, even if nothing was put into it:
	// with the reply, or not at all if the handler fails or the client is
	// gone. An error refuses the request: Acquire returns it, and the client's
	// next request starts another session. Leave the Release to the handler.
	// Two first requests of a client at once start two sessions, of which the
	// client keeps one; with AdoptExpiredID they may both run OnStart for one
	// session, unless they are Exclusive, and what the first to be saved has
	// made of it stays. Default: nil, new sessions begin empty and are stored
	// when something is put into them (M10).
	OnStart func(ctx context.Context, s *Session) error

	// OnEnd is told of every stored session that has expired, was abandoned or
	// revoked: in the background, on one process at a time, and at least once
	// (M17). If it returns an error or panics, or its process dies, it is told
	// again, by any process, after a pause that grows from 10 seconds to an
	// hour, 16 times in all, over some seven hours; then the end is reported
	// to Observer and Logger, and forgotten. A repeat has the same
	// Ended.Token. Up to 8 calls run at once in a process. The context ends at
	// ExecutionTimeout, if another process may have taken over, and when Close
	// runs out of patience.
	//
	// Set it in every process: only sessions that were last stored by a
	// Manager with an OnEnd are reported, and only processes with an OnEnd and
	// a ReapInterval report them. To give it up, first let it return nil until
	// the sessions of before have ended, or they stay in the store. Default:
	// nil, what has expired is removed without a word.
	OnEnd func(ctx context.Context, e Ended) error

	// MaxSessionsPerOwner is how many live sessions an owner (SetOwner) may
	// have at most, over all processes. One that is about to become one too
	// many ends the oldest, by their creation, as Manager.Revoke does, before
	// it is stored. The store must implement OwnerIndex, and the limit is as
	// exact as its ListOwner is up to date. All processes must have the same
	// limit. Negative or 0: no limit. Default: 0.
	MaxSessionsPerOwner int

	// RefuseMoreSessions changes what gives way to MaxSessionsPerOwner: with
	// it, the save that would make one session too many fails with
	// ErrTooManySessions and the others stay. Default: false, the oldest ends.
	RefuseMoreSessions bool

	// Codec encodes the values of a session. What JSON and Gob have written
	// stays readable, whichever it is. Default: JSON{}.
	Codec Codec

	// ReadCodecs are other codecs whose values are read, beside JSON and Gob.
	// To change to a codec that the processes of the running version do not
	// know, deploy it here first, then as Codec with the former one here.
	// Default: none.
	ReadCodecs []Codec

	// Compress deflates sessions of 1,024 bytes and more before they are
	// stored, if that makes them smaller. It can be switched on and off at any
	// time: every Manager reads both. What it costs is in
	// docs/performance.md. Default: false.
	Compress bool

	// EncryptionKeys encrypt the content of sessions, names of values
	// included, before the store gets it: AES-256-GCM, with a key of its own
	// for each save. Each has 32 bytes from crypto/rand. The first encrypts,
	// all decrypt; a session that was encrypted with none of them, or changed
	// since, or moved to another ID or owner, cannot be read (M18).
	//
	// To rotate without a logout while processes are replaced one by one,
	// deploy the new key behind the others, so that all can read what it
	// encrypts; then in front of them; then, when AbsoluteTimeout has passed,
	// without the old ones. Where no two versions run at a time, it can go to
	// the front at once.
	//
	// In the clear remain what stores need: the hash of the ID, namespace,
	// owner and times, and the length. Who can write to the store cannot
	// change the content, nor the owner, but can delete a session, extend its
	// life or put an older content of it back. With Compress, who can see
	// the length and have text of theirs put into somebody's session can
	// guess what else is in it: leave it off if that matters. Default: nil,
	// nothing is encrypted.
	EncryptionKeys [][]byte

	// Unencrypted says what is done about sessions that are stored without
	// encryption, where there are EncryptionKeys. To begin to encrypt without
	// a logout, deploy EncryptionKeys with WriteUnencrypted, so that all
	// processes have the keys; then with ReadUnencrypted; then, when
	// AbsoluteTimeout has passed, with neither. To end it, go the same way
	// back. With either, who can write to the store can replace a session by
	// one of their own, and New logs a warning. Default: RefuseUnencrypted.
	Unencrypted Unencrypted

	// Discard decides, at the end of a request, whether its unsaved changes
	// are dropped (M13). It must be a pure function. Default: Outcome.Failed.
	Discard func(Outcome) bool

	// Observer is told what happens to sessions, for metrics and traces. It
	// is called in the request's goroutine or the background's and must return
	// quickly. Default: nil, nobody, which costs nothing.
	Observer Observer

	// Logger gets what an operator should know, at Warn and Error; what may
	// come with every request, once a minute. Default: slog.Default().
	Logger *slog.Logger
}

const (
	defaultIdleTimeout = 20 * time.Minute
	refreshFraction    = 20 // RefreshInterval is IdleTimeout over this
	maxPollInterval    = 500 * time.Millisecond
	// maxDuration keeps sums of configured times far from overflow and within
	// what every database's interval type holds.
	maxDuration = 100 * 365 * 24 * time.Hour
)

// off is what a switched-off duration becomes inside the Manager.
const off = 0

// withDefaults returns cfg validated, with every default filled in and every
// switched-off duration set to off.
func (cfg Config) withDefaults() (Config, error) {
	cfg.AbsoluteTimeout = cmp.Or(cfg.AbsoluteTimeout, 24*time.Hour)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, defaultIdleTimeout)
	cfg.RefreshInterval = cmp.Or(cfg.RefreshInterval, max(cfg.IdleTimeout, 0)/refreshFraction, time.Minute)
	cfg.RequestQueueLimit = cmp.Or(cfg.RequestQueueLimit, 50)
	cfg.AcquireTimeout = cmp.Or(cfg.AcquireTimeout, 30*time.Second)
	cfg.StoreTimeout = cmp.Or(cfg.StoreTimeout, 5*time.Second)
	cfg.SaveTimeout = cmp.Or(cfg.SaveTimeout, 10*time.Second)
	cfg.LockLease = cmp.Or(cfg.LockLease, 15*time.Second)
	cfg.ExecutionTimeout = cmp.Or(cfg.ExecutionTimeout, 110*time.Second)
	cfg.PollInterval = cmp.Or(cfg.PollInterval, 5*time.Millisecond)
	cfg.RenewGrace = cmp.Or(cfg.RenewGrace, time.Minute)
	cfg.MaxSize = cmp.Or(cfg.MaxSize, 1<<20)
	cfg.ReapInterval = cmp.Or(cfg.ReapInterval, 30*time.Second)
	cfg.ID = cmp.Or[IDSource](cfg.ID, Cookie{})
	if cfg.Codec == nil { // cmp.Or would panic on a codec that is not comparable
		cfg.Codec = JSON{}
	}
	if cfg.Discard == nil {
		cfg.Discard = Outcome.Failed
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())

	for _, d := range []struct {
		name     string
		value    *time.Duration
		min      time.Duration
		negative bool // a negative value switches it off
	}{
		{"IdleTimeout", &cfg.IdleTimeout, time.Second, true},
		{"AbsoluteTimeout", &cfg.AbsoluteTimeout, time.Second, true},
		{"RefreshInterval", &cfg.RefreshInterval, time.Millisecond, false},
		{"AcquireTimeout", &cfg.AcquireTimeout, time.Millisecond, true},
		{"StoreTimeout", &cfg.StoreTimeout, time.Millisecond, false},
		{"SaveTimeout", &cfg.SaveTimeout, time.Millisecond, false},
		{"LockLease", &cfg.LockLease, 100 * time.Millisecond, false},
		{"ExecutionTimeout", &cfg.ExecutionTimeout, time.Millisecond, true},
		{"PollInterval", &cfg.PollInterval, time.Millisecond, false},
		{"RenewGrace", &cfg.RenewGrace, time.Millisecond, true},
		{"ReapInterval", &cfg.ReapInterval, time.Millisecond, true},
	} {
		switch {
		case *d.value < 0 && d.negative:
			*d.value = off
		case *d.value < d.min || *d.value > maxDuration:
			hint := ""
			if d.negative {
				hint = ", or negative to switch it off"
			}
			return cfg, fmt.Errorf("session: Config.%s is %v: must be from %v to %v%s, or 0 for the default",
				d.name, *d.value, d.min, maxDuration, hint)
		}
	}
	if cfg.IdleTimeout == off && cfg.AbsoluteTimeout == off {
		return cfg, fmt.Errorf("session: Config.IdleTimeout and Config.AbsoluteTimeout are both off: a session must end some day, set one of them")
	}
	if cfg.RefuseMoreSessions && cfg.MaxSessionsPerOwner <= 0 {
		return cfg, fmt.Errorf("session: Config.RefuseMoreSessions is set and Config.MaxSessionsPerOwner is %d: set that to a limit, or leave both", cfg.MaxSessionsPerOwner)
	}
	if len(cfg.Namespace) > maxNamespace {
		return cfg, fmt.Errorf("session: Config.Namespace has %d bytes: at most %d are allowed", len(cfg.Namespace), maxNamespace)
	}
	var err error
	if cfg.ReadCodecs, err = readCodecs(cfg.Codec, cfg.ReadCodecs); err != nil {
		return cfg, err
	}
	id, err := cfg.ID.checked()
	if err != nil {
		return cfg, fmt.Errorf("session: Config.ID: %w", err)
	}
	cfg.ID = id
	return cfg, cfg.checkPaths()
}

// maxNamespace is what every provider can index.
const maxNamespace = 255
