// Bench compares what a session costs a request: each adapter of this project,
// with memstore, against the session libraries that its framework's users take
// otherwise, each with a store in memory. `make bench-peers` prints the table.
//
// Handlers are called in process, without a network, with a writer that is used
// again: what remains is the framework, and the session on top of it. The bare
// framework is therefore measured beside all others, and what counts is the
// difference. The contenders of a framework take turns in each round, in an
// order that changes, so that a busy machine is unfair to all of them; a ratio
// is made within a round, and the table has the median of the rounds with its
// quartiles.
//
// # What a request does
//
//   - nothing, without and with the session's cookie: the middleware is there,
//     the handler does not ask for the session;
//   - read: one number is read of an existing session, which has that number and
//     a text of 300 bytes (ReadOnly; the others know no modes);
//   - read and write: the number is read and the next one is stored (Exclusive;
//     the others lock nothing: of two such requests at once, one is lost).
//
// Before anything is measured, verify proves that each contender does just that,
// and what it stored is checked once more afterwards.
//
// # Settings
//
// At the end this project's library is compared with itself: as it comes, with
// an Observer, Compress and EncryptionKeys, in net/http, with sessions of two
// sizes.
//
// # What is not the same
//
//   - Ours ends idle sessions and writes that down at most once a minute. scs
//     does not by default; "scs, idle timeout" does, with every request.
//   - scs loads the session before the handler runs, whether or not it is asked
//     for. It knows no Gin middleware: its own wraps the engine.
//   - echo-contrib/session has gorilla's cookie store in its documentation,
//     which keeps no session at all: the client has it, signed. The one with
//     quasoft/memstore does the same work as the others, and is what
//     gin-contrib/sessions has underneath.
//   - Each request is the same one again, in the order of one client: who locks
//     a session and who does not is not put to the test here.
//   - gorilla/sessions has no middleware, and with chi none of a framework's
//     either; its store in memory is quasoft/memstore.
//   - "The reference's algorithm" is ASP.NET's, on this project's middleware and
//     store: see package reference. Nobody waits here, so that what remains of it
//     is that every request writes.
//   - Fiber's session gives its memory back for reuse only in Save, so that a
//     request that reads leaves it to the garbage collector.
package main
