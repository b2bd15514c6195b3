// Package base is what mux builds on.
package base

// Zero is zero.
const Zero = 0
