package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// clocks are what is added to the clocks of one process: to the one that people
// read, and to the one that only goes forward, which measures leases. The
// process reads them from a page of memory that both share, so that they change
// between two of its instructions: nothing in it takes part.
//
// Go asks the kernel for the time without the C library, past what
// LD_PRELOAD could replace, and Linux has no time of day of one's own for a
// process. So the service is compiled with a changed package runtime: see
// buildClocked.
type clocks struct {
	path string
	page []byte
}

// newClocks makes the page, a file.
func newClocks(path string) (*clocks, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := os.Getpagesize()
	if err := f.Truncate(int64(size)); err != nil {
		return nil, err
	}
	page, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return &clocks{path, page}, nil
}

// close gives the page back. Closing it twice does nothing.
func (c *clocks) close() {
	if c.page != nil {
		_ = unix.Munmap(c.page)
		c.page = nil
	}
}

func (c *clocks) at(i int) *atomic.Int64 {
	return (*atomic.Int64)(unsafe.Pointer(&c.page[8*i])) // a page is aligned
}

// setWall has the process read another time of day.
func (c *clocks) setWall(off time.Duration) { c.at(0).Store(int64(off)) }

// lag sets both clocks back. It is for a process that is stopped: what it missed
// has then never happened for it, as for a virtual machine that was paused.
func (c *clocks) lag(d time.Duration) {
	c.at(0).Add(-int64(d))
	c.at(1).Add(-int64(d))
}

// change is what buildClocked does to a file of package runtime: it must
// contain before, or the release of Go is one that this is not made for.
type change struct{ file, before, after string }

// The two sources of time in package runtime on Linux: nanotime, which is
// timers' too, and time_now. On amd64 the latter is assembly, which gets another
// name.
var (
	nanotimeChange = change{"time_nofake.go", "return nanotime1()", "return nanotime1() + clockShift(1)"}
	amd64Changes   = []change{
		nanotimeChange,
		{"time_linux_amd64.s", "TEXT time·now<ABIInternal>(SB)", "TEXT ·realNow<ABIInternal>(SB)"},
		{"timeasm.go", "func time_now() (sec int64, nsec int32, mono int64)", `func time_now() (sec int64, nsec int32, mono int64) {
	sec, nsec, mono = realNow()
	sec, nsec = shiftWall(sec, nsec)
	return sec, nsec, mono + clockShift(1)
}

func realNow() (sec int64, nsec int32, mono int64)`},
	}
	otherChanges = []change{
		nanotimeChange,
		{"timestub.go", "sec, nsec = walltime()", "sec, nsec = shiftWall(walltime())"},
	}
)

// addedToRuntime is a file more.
const addedToRuntime = `package runtime

import (
	"internal/runtime/atomic"
	"unsafe"
)

var clockShifts *[2]int64

// SetClocks names the memory with what is added to the clocks.
func SetClocks(shifts *[2]int64) { clockShifts = shifts }

//go:nosplit
func clockShift(i int) int64 {
	if p := clockShifts; p != nil {
		return atomic.Loadint64((*int64)(unsafe.Pointer(&p[i])))
	}
	return 0
}

//go:nosplit
func shiftWall(sec int64, nsec int32) (int64, int32) {
	ns := int64(nsec) + clockShift(0)
	sec += ns / 1e9
	if ns %= 1e9; ns < 0 {
		sec, ns = sec-1, ns+1e9
	}
	return sec, int32(ns)
}
`

// buildClocked compiles the service with clocks that can be set from outside.
func buildClocked(ctx context.Context, dir string) (string, error) {
	path, err := tryClocked(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("a service whose clocks can be set: %w", err)
	}
	return path, nil
}

func tryClocked(ctx context.Context, dir string) (string, error) {
	env, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOOS", "GOARCH").Output()
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(env))
	if len(words) != 3 || words[1] != "linux" {
		return "", fmt.Errorf("it can be compiled for Linux only")
	}
	changes := otherChanges
	if words[2] == "amd64" {
		changes = amd64Changes
	}
	runtime := filepath.Join(words[0], "src", "runtime")
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	put := func(name, text string) error {
		overlay.Replace[filepath.Join(runtime, name)] = filepath.Join(dir, name)
		return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
	}
	for _, c := range changes {
		text, err := os.ReadFile(filepath.Join(runtime, c.file))
		if err != nil {
			return "", err
		}
		changed := strings.Replace(string(text), c.before, c.after, 1)
		if changed == string(text) {
			return "", fmt.Errorf("this release of Go has no %q in runtime/%s: change amd64Changes and otherChanges", c.before, c.file)
		}
		if err := put(c.file, changed); err != nil {
			return "", err
		}
	}
	if err := put("clock_shift.go", addedToRuntime); err != nil {
		return "", err
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return "", err
	}
	return build(ctx, servicePackage, dir, "-overlay", list, "-tags", "clocks")
}
