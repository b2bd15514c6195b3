// Bench-memory measures sessions in the memory of one process, with memstore:
// `make bench-memory` prints tables in Markdown. Requests go through the real
// middleware of net/http, called without a network.
//
//	make bench-memory                                       everything
//	make bench-memory MEMORYFLAGS='-only=hand-off -rounds=3'
//
// # What is measured
//
//   - clients: how many requests there are in a second with 1, 4, 16 and 64
//     clients, each with sessions of its own; beside alexedwards/scs, with and
//     without an idle timeout, and the algorithm of ASP.NET's session state
//     (package reference);
//   - hand-off: how long a session takes from a request that lets go of it to
//     one that waits for it, and how long a page takes whose requests all want
//     one session, beside that algorithm and beside scs, which locks nothing
//     and loses what the others have stored;
//   - bytes: what a stored session takes, here and in the stores in memory of
//     other libraries;
//   - reap: for how long the store is busy with what has expired;
//   - growth: what a request takes while a thousand sessions are stored, and
//     while it is a million.
//
// Contenders take turns in rounds, in an order that changes, so that a busy
// machine is unfair to all of them; a ratio is made within a round, and the
// tables have the median of the rounds with its quartiles.
package main
