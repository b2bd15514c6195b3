// Package filestore counts in files.
package filestore

import session "github.com/sessionstate/sessionstate/core"

// Count counts.
func Count(n int) int { return session.Count(n) }
