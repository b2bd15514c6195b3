package process

import "syscall"

// dieWithParent has Linux send the signal. The guard does the same a moment
// later, but cannot do it for a process that it has not been told of yet.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
