//go:build unix && !linux

package process

import "syscall"

// dieWithParent leaves it to the guard: only Linux sends such signals.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
