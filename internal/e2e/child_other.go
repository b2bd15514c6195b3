//go:build unix && !linux

package main

import "syscall"

// dieWithParent: only Linux can do that. Elsewhere children are killed by what
// ends them in the ordinary way.
func dieWithParent(*syscall.SysProcAttr) {}
