// Package processtest looks at the processes and folders that servers leave
// behind, or do not.
package processtest

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Runs reports whether there is such a process. A zombie, which waits for
// somebody to ask how it died, is none.
func Runs(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// Gone waits until there is no such process, and fails the test after ten
// seconds.
func Gone(tb testing.TB, pid int) {
	tb.Helper()
	if !Until(func() bool { return !Runs(pid) }) {
		tb.Errorf("process %d still runs", pid)
	}
}

// Deleted waits until there is no such folder, and fails the test after ten
// seconds.
func Deleted(tb testing.TB, folder string) {
	tb.Helper()
	if !Until(func() bool { _, err := os.Stat(folder); return errors.Is(err, fs.ErrNotExist) }) {
		tb.Errorf("%s is still there", folder)
	}
}

// Until waits until a condition holds, and gives up after ten seconds.
func Until(condition func() bool) bool {
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	deadline := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-retry.C:
		case <-deadline:
			return false
		}
	}
	return true
}
