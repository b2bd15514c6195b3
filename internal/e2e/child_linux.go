package main

import "syscall"

// dieWithParent has Linux kill the child when this process dies. It does so to
// stopped ones too.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
