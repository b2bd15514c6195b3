// Package aid is for this repository alone.
package aid

// Help helps.
func Help() {}
