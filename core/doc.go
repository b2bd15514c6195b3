// Package session gives web services server-side sessions that only one
// request at a time may write, across every process of the service, without a
// thread or a connection to a database being held while a request waits its turn.
//
// Two requests of one user that overlap do not lose one of two updates, a
// request in flight cannot bring a logged-out session back to life, and no
// client sees a reply whose changes were not stored.
//
// # A request's life
//
// Make a [Manager] once, over a [Store], and install the middleware of your
// framework's adapter. It makes sessions available and costs nothing: a
// request that never acquires its session never waits for the store.
//
//	sessions, err := session.New(memstore.New(), session.Config{})
//
// A handler acquires the session, and uses it through a [Key], which gives a
// value its name and type:
//
//	var cartKey = session.NewKey[Cart]("cart")
//
//	s, err := session.Acquire(ctx)  // waits for its turn, for 30 s at most
//	cart, err := cartKey.Get(s)
//	err = cartKey.Set(s, cart)
//
// When the handler has returned, and before the client sees the reply, what
// has changed is stored and the session released, in one step. If that fails
// the client gets an error in place of the reply. If the handler failed (it
// panicked, or replies with a 5xx) its changes are dropped. [Session.Save]
// stores before the end; [Session.Release] also lets others go on, which a
// handler that streams should do.
//
// A client without a session gets a new one, which is stored, and the client
// given its cookie, only when something has been put into it. Call
// [Session.Renew] at login, so that an ID from before is worth nothing
// afterwards, and [Session.Abandon] at logout. Clients that keep no cookies can
// have their ID in the path: see [URI] and [AutoDetect].
//
// # Modes
//
// [Exclusive], the default: one request at a time, over all processes, first
// come, first served within each.
//
// [ReadOnly]: side by side. It waits for an Exclusive request that is under
// way, and sees what that saved; changes are refused.
//
// [Snapshot]: never waits, and sees what was saved last; changes are refused.
//
// [Concurrent]: never waits to acquire. At release its changes are merged, key
// by key, into what others have saved meanwhile; [Key.Update] is run again on
// the newest value, so a counter never loses a step.
//
// A request that calls its own service with its client's cookie while it holds
// the session waits for itself: Release first.
//
// # Errors
//
// Errors are matched with [errors.Is]; [HTTPStatus] says what to reply.
//
// To Acquire: [ErrQueueFull] (429), since too many requests of the session
// wait; [ErrAcquireTimeout] and [ErrUnavailable] (503), since it did not become
// free in time or the store does not answer; [ErrRenewed] (409), since another
// request has just given the session a new ID.
//
// To a save, also the one at the end: [ErrLockLost] and [ErrConflict] (409),
// since another request has taken, changed or ended the session;
// [ErrUnavailable] (503); [ErrTooLarge] (413), which Set says too;
// [ErrOutcomeUnknown] (500); [ErrTooManySessions] (409), if its owner may not
// have another one.
//
// To wrong use: [ErrReadOnly], [ErrReleased], [ErrNoSession], and
// [ErrHeadersSent], when a cookie would be needed after the headers have gone.
//
// [ErrCorrupt] is one value's that cannot be read as its Key's type. A session
// that cannot be read at all is left alone, reported and logged, and its client
// gets a new one. No error, event or log contains an ID.
//
// # What is stored
//
// Each value is encoded by itself, by [JSON] unless Config.Codec says otherwise,
// and stored with the codec's name, so that a change of codec makes no session
// unreadable. Config.Compress makes large sessions smaller.
// Config.EncryptionKeys keep what is in them from whoever can see the store,
// and from being changed or moved.
//
// # Time limits
//
// A session ends IdleTimeout after its last use (20 minutes; up to
// RefreshInterval later, so that not every read is a write), and in any case
// AbsoluteTimeout after it was made (24 hours). Session.SetTimeout sets the
// idle timeout of one session, and [Passive] has a request that a page makes by
// itself not count as use. A request waits for AcquireTimeout at most
// (30 s), one store operation takes StoreTimeout (5 s) and a save, with its
// repeats, SaveTimeout (10 s). The lock of a process that died is free after
// LockLease (15 s); that of a living one is renewed until ExecutionTimeout
// (110 s), whereupon its request is told that it has lost the lock:
// [Session.Context] ends. See [Config] for all of them.
//
// # Begin, end and owner
//
// Config.OnStart runs for every new session, and Config.OnEnd is told of every
// stored one that has expired, was abandoned or revoked: at least once, on one
// process at a time. [Session.SetOwner] says whose session it is;
// [Manager.SessionsOf] lists an owner's sessions, [Manager.Revoke] and
// [Manager.RevokeOwner] end them whoever holds them, and
// Config.MaxSessionsPerOwner limits them.
//
// # Adapters and providers
//
// An adapter connects a web framework: it implements [Exchange] on the
// framework's request and reply and calls [Manager.Begin], [Request.BeforeReply]
// and [Request.Finish]. Package httpsession is the one for net/http, and
// sessiontest.RunAdapter the test of all.
//
// A provider connects a database: it implements [Store] and, where it can,
// [Watcher], [OwnerIndex], [Iterator] and [Pinger]. Package memstore keeps
// sessions in memory, and sessiontest.RunStore is the test of all.
package session
