// Package mux is a framework.
package mux

import "example.com/base"

// Routes returns how many there are.
func Routes() int { return base.Zero }
