// Package cosmosstore keeps sessions in Azure Cosmos DB for NoSQL: a provider
// for package session that any number of processes share.
//
//	store, err := cosmosstore.Open(ctx, cosmosstore.Config{
//		ConnectionString: os.Getenv("COSMOS"),
//	})
//	…
//	sessions, err := session.New(store, session.Config{})
//
// # One round trip each
//
// A session is one document. Acquire, Save, Release, Extend, Touch, Swap and
// Remove are one patch each, whose condition the service evaluates together
// with the change; Create is one insertion and Load one read. No stored
// procedure, no transaction and no connection is held in between. More round
// trips are made where a patch is refused, to find out why; where a Save
// changes the session's timeouts or moves it to a new ID; and where an answer
// is lost. The README says what each costs in request units.
//
// # Expiry
//
// Each document carries its expiry, and the conditions go by that. The time to
// live that it carries as well is for the database, which deletes by it what
// nobody needs any more, at no cost. So the container must have a
// DefaultTimeToLive, and Reap in bulk has nothing to do.
//
// A use that is due extends the expiry, and so does another one before the next
// is due: a session lives between IdleTimeout and IdleTimeout + RefreshInterval
// after its last use, as everywhere, but not always to the moment that a store
// would have chosen which reads before it writes.
//
// # Consistency
//
// Patches are answered by the first replica of the region that is written to:
// who holds the lock, and whose save is stored, does not depend on the
// account's consistency level. Reads do. Under Session consistency, which is
// the default of an account, a Load sees all that this process has written or
// seen before, for which the Store keeps the service's session tokens; what
// another process has saved it may see some milliseconds late. A session that
// seems not to be there is looked for a second time, where it would be missed
// by no chance. A request that must see the latest acquires Exclusive; or the
// account is given BoundedStaleness or Strong consistency. What would end
// something is not left to a read either: that a session has expired, that a
// lock was lost, or that there is nothing to remove.
//
// In an account that is written to in several regions the lock does not hold,
// and New and Open refuse it, unless Config.AllowMultiRegionWrites says that it
// may be so.
//
// # Time
//
// The service tells its time in whole seconds only, in the Date of its answers.
// The Store uses the local clock as long as that agrees with the Date of all
// answers, and else corrects it by as little as makes it agree. Keep the clocks
// of the machines right by NTP: processes then agree to some milliseconds about
// when a lease or a session ends. Where a clock is wrong, they agree to within a
// second at first, and better the more answers have come. A lease that one
// process thinks has lapsed too early costs its holder its changes, with
// session.ErrLockLost; it never lets two requests save.
//
// # Failures
//
// What the service throttles is sent again when it says, and what was lost in
// an unclear way is sent again at once: each operation recognizes itself. The
// SDK's own retries are switched off, since they hide whether a write took
// effect. What is left is session.ErrUnavailable with the service's status,
// sub-status and activity ID; no error carries a session's key, the account's
// key, or a URL with either.
//
// # Waiting
//
// Cosmos DB cannot wake who waits for a lock, so the Manager polls, once per
// session and process, after PollInterval and then less and less often. What
// waits in the same process as the holder is woken without polling.
package cosmosstore
