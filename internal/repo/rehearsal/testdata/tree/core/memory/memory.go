// Package memory remembers.
package memory

// Last is the last number.
var Last int
