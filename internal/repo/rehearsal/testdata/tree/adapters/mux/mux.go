// Package muxsession counts for mux.
package muxsession

import (
	"example.com/mux"
	session "github.com/sessionstate/sessionstate/core"
)

// Count counts the routes.
func Count() int { return session.Count(mux.Routes()) }
