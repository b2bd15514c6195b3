// Package repo holds the rules of this repository that neither the compiler
// nor a linter knows: that every documented rule has a test, that modules
// depend on each other in one direction only, that the Go code in the
// documentation compiles.
//
// A rule is a [Check]: a function from a [Tree], which is the repository or,
// in this package's own tests, a small tree that breaks the rule, to the
// places where the tree breaks it. TestRepository runs all of them:
//
//	go test github.com/sessionstate/sessionstate/internal/repo
//
// Beside it are the programs that releases are made with: rehearse, release and
// api. RELEASING.md says how.
package repo
