// Package publish knows what publishing a module of this repository consists
// of: which modules are published and in which order, which versions they have
// and may get, how their files are packed, and what a module that requires
// another one says of it in its go.mod and go.sum.
//
// It changes files and reads tags, and leaves all decisions to its callers: the
// rehearsal of a release (package rehearsal), the release itself (command
// release), and the comparison of APIs (command api).
package publish
