// Package rehearsal does with the modules of this repository what their users
// will do, before they are released.
//
// [Run] packs every published module as the go command packs a tag, into a
// module proxy that is a folder. Of each packed module it asks whether it builds
// and is tidy on its own, outside of the workspace. Then it goes for walks: in
// new folders, with a module cache of its own, it runs the lines "go get" of the
// modules' READMEs and builds, vets and runs the programs of these READMEs word
// for word; only the address that a program listens on is exchanged for a free
// one, and only for running it. A web server among them gets two requests, the
// second with the cookie of the first. At the end of a walk it compares the
// modules that are compiled into the programs with those of a program that uses
// the frameworks and drivers alone: there must be none besides this project's
// own, and none at another version. Nor may the graph of modules grow by one that
// docs/dependencies.md does not list.
//
// Modules of others come from the user's module cache, and else from where the
// environment's GOPROXY says. Nothing is left behind but what the go command
// keeps in its build cache.
package rehearsal
