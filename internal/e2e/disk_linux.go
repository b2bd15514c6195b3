package main

import (
	"fmt"
	"os"
	"syscall"
)

// mount mounts a file system of that size, in memory, which everybody may enter.
func mount(path string, size int) error {
	if err := os.Chmod(path, 0o755); err != nil {
		return err
	}
	return syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", size))
}

func unmount(path string) error { return syscall.Unmount(path, syscall.MNT_DETACH) }
