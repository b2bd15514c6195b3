//go:build !clocks

package main

import "errors"

// useClocks is for programs that are compiled with other clocks.
func useClocks(path string) error {
	if path == "" {
		return nil
	}
	return errors.New("-clocks: this program goes by the system's")
}
