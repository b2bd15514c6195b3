package main

import (
	"os/exec"
	"syscall"
)

// inGroup has a program start a process group of its own, and end together
// with all of it: who starts children may not live to end them.
func inGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// withUs has a program end when this one is killed and can do nothing about it
// any more. To Linux "this one" is the thread that starts it, so that has to be
// locked until the program has ended.
func withUs(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
