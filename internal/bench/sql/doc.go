// Bench-sql measures sessions on PostgreSQL: `make bench-sql` prints tables in
// Markdown. It makes a database of its own on the server that
// SESSION_TEST_POSTGRES names or, without one, on a private server that ends
// with it; fsync is on.
//
//	make bench-sql                                          everything
//	make bench-sql SQLFLAGS='-only=http/write/300B -rounds=5 -time=200ms'
//	make bench-sql SQLFLAGS='-contenders=^sessionstate$ -only=store/write -cpuprofile=ours.prof'
//
// # Comparisons
//
// The contenders are this project, alexedwards/scs with its pgxstore, with and
// without an idle timeout, the algorithm of ASP.NET's session state on this
// project's store (package reference), and statements by the primary key
// without any library. Each has a pool of 16 connections, a table, and the same
// sessions. Clients, up to 64 goroutines, have sessions of their own, of which
// they take one at random each time: nothing is contended, neither a lock nor a
// row. The
// contenders take turns in each round, in an order that changes, so that a busy
// machine is unfair to all of them; a ratio is made within a round, and the
// tables have the median of the rounds with its quartiles.
//
// "http" is a request: the handler behind the real middleware, called without
// a network, with a context that ends with the request. Read-only reads one
// number of the session; the other one stores the next number too. "store" is
// the store's part alone: Load against Find or a SELECT, Acquire and Save
// against Find and Commit or a SELECT and an UPDATE.
//
// The clients share the processors with the server, as small services do. So
// there are the processor's µs for each operation too, of this program and of
// all the server's processes, where Linux tells them: these ratios hold on a
// busy machine as well.
//
// What is not the same: ours has one writer at a time, ends idle sessions,
// knows repeated writes, and writes the expiry once a minute at most. scs locks
// nothing (of two requests at once one is lost), and without an idle timeout it
// ends sessions a day after their start, however idle; with one it writes with
// every request. Its calls do not end with the request.
package main
