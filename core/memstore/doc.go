// Package memstore keeps sessions in the memory of the process: a provider
// for package session that needs no server and no configuration.
//
//	sessions, err := session.New(memstore.New(), session.Config{})
//
// # When to use it
//
// Use it for a service of one process whose users may be asked to log in again
// when it restarts, for development, and in tests. It obeys the same rules as
// the providers that share their data between processes, S1 to S16, so what
// works here works there, and changing the provider changes nothing else.
//
// A restart loses all sessions, and no end is reported of those. Two processes,
// or two calls of New, share nothing: behind a load balancer every client would
// have to come back to the same process, and a deployment would log everybody
// out. Where that matters, use a provider with a database.
//
// # Memory
//
// A session costs the bytes of its data, rounded up to what the allocator
// gives, and about 230 bytes: a million idle sessions of 300 bytes take about
// 550 MB. One that belongs to an owner costs some 350 bytes more, and less
// than 100 where an owner has several. There is no limit and no eviction. What bounds the
// memory is the Manager's configuration: IdleTimeout and AbsoluteTimeout,
// MaxSize, MaxSessionsPerOwner, and that a new session is not stored before
// something is put into it.
//
// Data is kept as the slice that was given and is given out as it is kept,
// without a copy, since neither side changes bytes that it has handed to the
// other. Those who use the store without a Manager have to keep to that.
//
// # Expiry
//
// A session is as good as gone at the moment it expires; its memory is freed
// when Reap comes by. The Manager calls Reap every ReapInterval. The store
// itself starts no goroutine and no timer, so there is nothing to close, and a
// Store that is not used any more is simply collected. Those who use it without
// a Manager call Reap themselves:
//
//	store.Reap(ctx, namespace, -1, session.Token{}, 0)
//
// Reap costs in proportion to the sessions that have expired, or have been
// used since they last seemed about to, and not to how many there are. It
// works in small batches, and nobody waits for it longer than for one, which
// is far less than a millisecond.
//
// Time is taken from the monotonic clock: setting the wall clock ends no
// session and no lock. In a testing/synctest bubble it is the bubble's time,
// provided that New is called there.
//
// # Records that are created again
//
// Create replaces a record that has expired or ended (S8). If that record has
// Events and its end has not been reported yet, it is put aside: Reap still
// returns it, and Extend and Remove reach it under the token that claimed it,
// while all others see the new record only (S12).
//
// # Concurrency
//
// All methods may be called at the same time. The sessions are spread over 256
// parts, each with a lock of its own that is held for less than a microsecond
// at a time, or for one batch of Reap or All. No method waits for anything
// else, so a context matters only where it has ended before the call, or ends
// in the course of a long Reap, listing or RemoveOwner. ListOwner and
// RemoveOwner look at the owner's sessions one by one: one that logs in
// meanwhile may be missed, but none that only changes its ID.
//
// ErrUnavailable and ErrTooLarge do not occur.
package memstore
