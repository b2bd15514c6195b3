// Package adapter has no code of its own. Its tests prove that an adapter keeps
// its rules on the stores of the providers: a request that waits, that is
// cancelled or that fails meets a database there, and not this process's memory.
// They also prove of the databases themselves that what is encrypted cannot be
// read there.
//
// The adapter is that of chi. Its own tests, and those of the others, prove the
// same rules in memory.
package adapter
