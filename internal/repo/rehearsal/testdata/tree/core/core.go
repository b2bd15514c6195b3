// Package session counts.
package session

// Count returns the number after n.
func Count(n int) int { return n + 1 }
