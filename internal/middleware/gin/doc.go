// Package gin tests the adapter of Gin beside middleware of others that the
// adapter itself does not need.
package gin
