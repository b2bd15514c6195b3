package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"iter"
	"time"
)

// StoreKey names a record in a store: SHA-256 over the namespace and the
// client's ID. It is all that a store ever sees of an ID, so a copy of the
// store's data lets nobody take over a session.
type StoreKey [32]byte

// Token names one holder of a lock: 16 bytes from crypto/rand. The zero Token
// names nobody.
type Token [16]byte

// NewToken returns a fresh random Token.
func NewToken() (t Token) {
	rand.Read(t[:]) // never fails: crypto/rand ends the process if it cannot read
	return t
}

// Holder returns the name under which the token's owner is known to those who
// wait for it. It is a hash, so that a waiter cannot use the holder's lock.
func (t Token) Holder() (h Holder) {
	sum := sha256.Sum256(t[:])
	copy(h[:], sum[:])
	return h
}

// Holder is the public name of a lock's holder: the first 8 bytes of the
// SHA-256 of its Token.
type Holder [8]byte

// WriteID names one write of a record: 8 bytes from crypto/rand, chosen by the
// caller, so that the store can tell a repeat from a new write (S6).
type WriteID [8]byte

// NewWriteID returns a fresh random WriteID.
func NewWriteID() (w WriteID) {
	rand.Read(w[:])
	return w
}

// EndReason says why a session ended.
type EndReason uint8

// The reasons for a session's end. With EndDelete (zero) a record is deleted
// and nothing is reported; the others are reported where Record.Events is set.
const (
	EndDelete EndReason = iota
	EndExpired
	EndAbandoned
	EndRevoked
)

// String returns the reason in one lower-case word.
func (r EndReason) String() string {
	switch r {
	case EndDelete:
		return "deleted"
	case EndExpired:
		return "expired"
	case EndAbandoned:
		return "abandoned"
	case EndRevoked:
		return "revoked"
	}
	return "unknown"
}

// Record is a session as a store sees it: opaque bytes and the times that
// govern them.
//
// A store extends the sliding expiry to
//
//	min(now + IdleTimeout + Refresh, Created + Lifetime)
//
// but only when it is due, which is when less than IdleTimeout is left of it
// and the new expiry would be later (M14). So a record that is used all the
// time has its expiry written once per Refresh, not once per use.
type Record struct {
	// Data is the session's content. A store keeps the bytes as they are, an
	// empty slice included. Neither side changes bytes that it has handed to
	// the other.
	Data []byte

	// Namespace separates the records of several services in one store for
	// Reap, OwnerIndex and Iterator. Create sets it; later writes keep it.
	Namespace string

	// Owner says whose session it is, for OwnerIndex; "" is nobody's. It comes
	// back to the byte as it was given: an encrypted Data is bound to it.
	Owner string

	// Events says that the record's end must be reported: Reap with a
	// negative limit leaves it alone.
	Events bool

	// IdleTimeout, Refresh and Lifetime govern the expiry, as said above.
	// IdleTimeout 0: no sliding expiry, only Lifetime counts. Lifetime counts
	// from Created; 0: none. With both 0 the record never expires. A Save or
	// Swap that changes one of them sets the expiry anew, due or not, and may
	// so shorten it.
	IdleTimeout, Refresh, Lifetime time.Duration

	// Write names the last write of the record. The caller of Create, Save
	// and Swap chooses it anew for each write and gives the same again with a
	// repeat.
	Write WriteID

	// Repeat, set by a caller of Create, Save or Swap, says that the call was
	// made before and its answer was lost. It changes only what the store
	// answers when Write is not among the writes it remembers: see
	// ErrOutcomeUnknown (S6). A store never returns it.
	Repeat bool

	// What follows is filled in by the store, by its own clock, and ignored
	// in what a caller passes.

	// Created is when Create stored the record; a move keeps it.
	Created time.Time

	// ExpiresIn is what is left until the record expires, extension in
	// passing included; always positive, or 0 if it never expires.
	ExpiresIn time.Duration

	// Lock is the live lock that somebody else holds, as Load found it; nil
	// if there is none.
	Lock *LockInfo
}

// LockInfo describes a live lock to those who do not hold it.
type LockInfo struct {
	Holder Holder        // who: changes when the lock changes hands
	Age    time.Duration // since the holder acquired it; renewals do not restart it
	Left   time.Duration // until its lease ends unless it is renewed; always positive
}

// Commit says what a Save does beside storing the record, in the same atomic
// step. The zero Commit releases the lock.
type Commit struct {
	// Keep > 0 keeps the lock, for this long from now.
	Keep time.Duration

	// Next, if not zero, hands the lock to this token instead; Keep is its
	// lease and must be positive.
	Next Token

	// MoveTo, if not zero, makes the record live under this key from now on
	// (S11). A lock that is kept or handed on moves along.
	MoveTo StoreKey

	// Grace, with MoveTo, is how long Acquire, Load and Remove of the old key
	// answer ErrRenewed.
	Grace time.Duration
}

// Expired is a record that Reap claimed.
type Expired struct {
	Key      StoreKey
	Record   Record    // as last stored; ExpiresIn and Lock are not set
	Reason   EndReason // EndExpired unless Remove said otherwise
	Attempts int       // how often it was claimed, this time included
}

// Info is what a listing tells of a record, without its content.
type Info struct {
	Key       StoreKey
	Owner     string
	Created   time.Time
	ExpiresIn time.Duration // as in Record
	Locked    bool          // a live lock is held
	Size      int           // length of Data in bytes
}

// Store is the contract between this package and a provider. The numbered
// rules S1 to S16, which every method obeys, are in docs/semantics.md;
// sessiontest.RunStore proves them.
//
// All methods are safe for concurrent use, by any number of processes that
// share the store's data. "Now" is always the store's clock (S16). A record
// is absent, live, expired, or ended (removed with a reason that is still to
// be reported); expired and ended records are as good as absent to all but
// Reap, and Extend and Remove under the token that claimed them (S1). A
// record does not expire under a live lease.
//
// Between two calls a store holds no connection, transaction or database lock
// (S13). A call returns within 100 ms of its context's end, whatever happened
// to it by then (S14), and every call may be repeated (S4, S6). Failures that
// pass are retried inside the store, within the context; what remains is an
// error that wraps ErrUnavailable and the cause (S15). Errors are matched with
// errors.Is and contain no key, token or credential.
type Store interface {
	// Acquire takes the record's lock under token, until lease has passed, in
	// one round trip, and returns the record (S2). It succeeds if the record
	// is not locked, if the lock's lease has lapsed (the former holder's
	// token never works again), or if token itself holds it, whose lease then
	// starts again (S4). It extends the sliding expiry if due.
	//
	// ErrNotFound: the key is absent. ErrRenewed: the record has moved
	// (S11). A *LockedError (ErrLocked): somebody else holds it; nothing
	// visible has changed, but the caller may have been registered to be
	// woken (S3).
	Acquire(ctx context.Context, key StoreKey, token Token, lease time.Duration) (Record, error)

	// Load returns the record as last stored, locked or not, and changes
	// nothing visible: the expiry is reported, not extended. With wait the
	// caller is going to wait for the lock in Record.Lock, if there is one,
	// and is registered to be woken. ErrNotFound, ErrRenewed: as in Acquire.
	Load(ctx context.Context, key StoreKey, wait bool) (Record, error)

	// Create stores a new record, locked under token for lease, or unlocked
	// if token is zero. ErrExists: the key is live, or has moved within its
	// Grace (S8). ErrTooLarge: the store cannot hold that much; nothing is
	// stored. A repeat returns nil without effect (S6).
	Create(ctx context.Context, key StoreKey, rec Record, token Token, lease time.Duration) error

	// Save replaces the record that token holds and releases, keeps or hands
	// on the lock as how says, in one atomic and durable step (S7). It
	// extends the sliding expiry if due.
	//
	// ErrLockLost: token does not hold the record, or it is absent; nothing
	// has changed (S5). A token whose lease has lapsed still holds until
	// another operation takes the record for free. ErrTooLarge: nothing has
	// changed, the lock included. ErrExists: MoveTo is live; nothing has
	// changed. A repeat returns nil without effect, whoever has locked or
	// written since (S6).
	Save(ctx context.Context, key StoreKey, rec Record, token Token, how Commit) error

	// Swap replaces the record if its last write is old and no live lock is
	// held (S9). It extends the sliding expiry if due and erases a lapsed
	// lock. ErrConflict: another write came between. A *LockedError: a live
	// lock is held. ErrNotFound: the key is absent or has moved. ErrTooLarge:
	// nothing has changed. A repeat returns nil without effect (S6).
	Swap(ctx context.Context, key StoreKey, rec Record, old WriteID) error

	// Release gives up token's lock. It returns nil as well if token does not
	// hold it or the record is absent.
	Release(ctx context.Context, key StoreKey, token Token) error

	// Extend makes token's lock, or its claim of an expired or ended record
	// (S12), last until lease from now. ErrLockLost: token holds neither.
	Extend(ctx context.Context, key StoreKey, token Token, lease time.Duration) error

	// Touch extends the sliding expiry if due; it never shortens it (S10).
	// ErrNotFound: the key is absent or has moved.
	Touch(ctx context.Context, key StoreKey) error

	// Remove ends the record under token's lock or claim, or, with the zero
	// token, whoever holds it. With EndDelete it is deleted. With another
	// reason it is ended and kept for Reap; a token that is not zero has it
	// claimed for the rest of its lease, so that its owner can report the end
	// and then delete it (S12).
	//
	// nil also if the record is absent or has ended before. ErrLockLost: a
	// token was given that does not hold the record; nothing has changed.
	// ErrRenewed: the record has moved, as in Acquire, and lives on (S11).
	Remove(ctx context.Context, key StoreKey, token Token, reason EndReason) error

	// Reap collects what has expired or ended in a namespace (S12).
	//
	// With limit > 0 it claims up to limit such records with Events under
	// token, until lease has passed, and returns them; each goes to one
	// caller only until that claim lapses. A token names one call: the same
	// again is a repeat, which may return what is claimed under it already.
	// Of several that were stored under one key, one after the other, it
	// returns one: key and token are all that names a claim. With limit < 0 it
	// deletes those without Events, in batches that never hold the others up,
	// and returns none; left-overs of moves go with them. With limit 0 it does
	// nothing.
	Reap(ctx context.Context, namespace string, limit int, token Token, lease time.Duration) ([]Expired, error)
}

// Watcher is implemented by stores that can wake those who wait for a lock, so
// that they need not poll (M5).
type Watcher interface {
	// Watch reports what may let a waiter for key go on: a release, a save, a
	// removal. It is begun before the attempt that may find the record
	// locked. A value on wake is a hint to try again: it may come too often,
	// and values that come together may be merged into one. wake is closed
	// when the store can no longer watch, for instance because its
	// connection broke; it is nil if it cannot watch now. In both cases the
	// caller polls.
	//
	// A store that wakes only if somebody was registered to be woken, by
	// Acquire or Load, lets the requests of one process see that another one
	// waits, and let it go first now and then. stop ends the watch, may be
	// called more than once, and must be called.
	Watch(key StoreKey) (wake <-chan struct{}, stop func())
}

// OwnerIndex is implemented by stores that can find an owner's records.
type OwnerIndex interface {
	// ListOwner returns the live records of the owner in the namespace,
	// oldest first. One that moves meanwhile (S11) is in it once, under the
	// old key or the new: not left out, and not under both.
	ListOwner(ctx context.Context, namespace, owner string) ([]Info, error)

	// RemoveOwner ends the owner's live records in the namespace but those
	// in except, as Remove with the zero token and this reason does, and
	// returns how many it ended. One that moves meanwhile does not get away.
	RemoveOwner(ctx context.Context, namespace, owner string, reason EndReason, except ...StoreKey) (int, error)
}

// Iterator is implemented by stores that can list their live records.
type Iterator interface {
	// All streams the live records of the namespace in no order, without
	// ever holding all of them. Records that come or go while it runs may or
	// may not be seen; no record is seen twice. After an error it ends.
	All(ctx context.Context, namespace string) iter.Seq2[Info, error]
}

// Pinger is implemented by stores that can tell whether they work.
type Pinger interface {
	// Ping returns nil if the store can serve requests now.
	Ping(ctx context.Context) error
}
