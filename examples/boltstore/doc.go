// Package boltstore keeps sessions in a file, by bbolt: a store for a service
// of one process that wants them to survive a restart, and the worked example
// of docs/write-a-provider.md.
//
// Every operation is one transaction of the file, and so each of the store's
// rules is a decision between reading a record and writing it: see decide.go
// for what a record is, and store.go for what an operation does with it.
//
// What it lacks: a second process (bbolt locks the file), and all that is
// optional: waiters poll, and sessions cannot be listed. An operation that
// changes something waits for the disk, also one that need not, such as
// Acquire: hundreds of requests a second, and not tens of thousands. Its clock
// is the machine's, which survives a restart and may be set.
package boltstore
