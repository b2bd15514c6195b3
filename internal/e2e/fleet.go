package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// fleet is the processes of the service. Each has a slot; what is started in the
// place of one that was killed has the same slot. It is safe for concurrent use,
// but a slot is one goroutine's.
type fleet struct {
	set     *settings
	address string // of the store
	dir     string

	mu       sync.Mutex
	version  int // of what is launched
	launched int
	skew     []time.Duration // by slot: how wrong the clock of what is launched is
	slots    []*process      // nil: not running
	all      []*process
}

// process is one life of a slot.
type process struct {
	*child
	slot    int
	name    string
	url     string
	journal string
	clocks  *clocks // nil unless they can be set
	halts   []halt
}

// halt is a time in which a process did nothing.
type halt struct {
	from, to int64 // to: when it was certainly dead, or went on
	killed   bool
}

func newFleet(set *settings, address, dir string) *fleet {
	return &fleet{set: set, address: address, dir: dir, slots: make([]*process, set.processes), skew: make([]time.Duration, set.processes)}
}

// start starts a process in a free slot and waits until it serves.
func (f *fleet) start(ctx context.Context, slot int) error {
	p, err := f.launch(ctx, slot, f.set.broken)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slots[slot] = p
	return nil
}

// launch starts a process that is in no slot yet.
func (f *fleet) launch(ctx context.Context, slot int, broken string) (*process, error) {
	f.mu.Lock()
	f.launched++
	p := &process{slot: slot, name: fmt.Sprintf("process %d.%d", slot, f.launched)}
	version, skew := f.version, time.Duration(0)
	if slot < len(f.skew) {
		skew = f.skew[slot]
	}
	f.mu.Unlock()
	base := filepath.Join(f.dir, strings.ReplaceAll(p.name, " ", "-"))
	p.journal = base + ".journal"
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("30 seconds have passed"))
	defer cancel()
	args := []string{
		"-store", f.set.store,
		"-table", f.set.table,
		"-journal", p.journal,
		"-break", broken,
		"-version", strconv.Itoa(version),
		"-retries", strconv.Itoa(f.set.retries),
		"-lease", f.set.lease.String(),
		"-acquire-timeout", f.set.acquireTimeout().String(),
		"-store-timeout", f.set.storeTimeout().String(),
		"-save-timeout", f.set.saveTimeout().String(),
	}
	if f.set.failing {
		args = append(args, "-faults")
	}
	program := f.set.service
	if f.set.clocked != "" && slot < len(f.skew) {
		var err error
		if p.clocks, err = newClocks(base + ".clocks"); err != nil {
			return nil, err
		}
		p.clocks.setWall(skew)
		program, args = f.set.clocked, append(args, "-clocks", p.clocks.path)
	}
	var err error
	p.child, p.url, err = startServing(ctx, program, args, []string{wire.AddressVariable + "=" + f.address}, base+".errors")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, p)
	return p, nil
}

// setSkew says how wrong the clock of what is launched in a slot is.
func (f *fleet) setSkew(slot int, skew time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skew[slot] = skew
}

// next has the next version launched from now on, and returns it.
func (f *fleet) next() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	return f.version
}

// get returns the process in a slot, or in the next that has one; nil if none
// has.
func (f *fleet) get(slot int) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.slots {
		if p := f.slots[(slot+i)%len(f.slots)]; p != nil {
			return p
		}
	}
	return nil
}

// kill ends the process of a slot without a warning.
func (f *fleet) kill(slot int) {
	f.mu.Lock()
	p := f.slots[slot]
	f.slots[slot] = nil
	f.mu.Unlock()
	if p == nil {
		return
	}
	h := halt{from: wire.Now(), killed: true}
	p.child.kill()
	h.to = wire.Now()
	p.halts = append(p.halts, h)
}

// stop halts the process of a slot until resume. Clients do not know. With frozen
// its clocks stand still meanwhile, so that it does not know either.
func (f *fleet) stop(slot int, frozen bool) (resume func()) {
	p := f.get(slot)
	h := halt{from: wire.Now()}
	p.signal(syscall.SIGSTOP)
	p.awaitStopped()
	since := wire.Now()
	return func() {
		h.to = wire.Now()
		if frozen {
			p.clocks.lag(time.Duration(h.to - since))
		}
		p.signal(syscall.SIGCONT)
		p.halts = append(p.halts, h)
	}
}

// replace puts a new process of the next version in the place of one, which then
// ends in the ordinary way: it answers the requests that it has.
func (f *fleet) replace(ctx context.Context, slot int) error {
	p, err := f.launch(ctx, slot, f.set.broken)
	if err != nil {
		return err
	}
	f.mu.Lock()
	old := f.slots[slot]
	f.slots[slot] = p
	f.mu.Unlock()
	if err := old.end(f.set.patience()); err != nil {
		return fmt.Errorf("%s: %w; it says:\n%s", old.name, err, old.said())
	}
	return nil
}

// end ends all processes in the ordinary way, and reports those that did not
// end well.
func (f *fleet) end() (failed []string) {
	f.mu.Lock()
	running := make([]*process, 0, len(f.slots))
	for slot, p := range f.slots {
		if p != nil {
			running = append(running, p)
		}
		f.slots[slot] = nil
	}
	f.mu.Unlock()
	errs := make([]error, len(running))
	var wg sync.WaitGroup
	for i, p := range running {
		wg.Go(func() { errs[i] = p.end(30 * time.Second) })
	}
	wg.Wait()
	for i, p := range running {
		if errs[i] != nil {
			failed = append(failed, fmt.Sprintf("%s: %v; it says:\n%s", p.name, errs[i], p.said()))
		}
	}
	for _, p := range f.all {
		text, err := os.ReadFile(p.errors)
		if err != nil || bytes.Contains(text, []byte("DATA RACE")) || bytes.Contains(text, []byte("panic: ")) || bytes.Contains(text, []byte("http: panic")) {
			failed = append(failed, fmt.Sprintf("%s: %v\n%s", p.name, err, text))
		}
	}
	return failed
}

// killAll leaves nothing behind, however far the run got.
func (f *fleet) killAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.all {
		p.child.kill()
		if p.clocks != nil {
			p.clocks.close()
		}
	}
}

// events returns what is in a process's journal.
func (p *process) events() ([]wire.Event, error) {
	text, err := os.ReadFile(p.journal)
	if err != nil {
		return nil, err
	}
	var events []wire.Event
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var e wire.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: its journal: %w", p.name, err)
		}
		events = append(events, e)
	}
	return events, lines.Err()
}

// holdsHot reports whether a request in the process seems to hold the hot
// session: the end of the journal says so.
func (p *process) holdsHot() bool {
	f, err := os.Open(p.journal)
	if err != nil {
		return false
	}
	defer f.Close()
	const enough = 8 << 10
	info, err := f.Stat()
	if err != nil {
		return false
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-enough), enough))
	if err != nil {
		return false
	}
	lines := bytes.Split(text, []byte("\n"))
	for _, line := range slices.Backward(lines) {
		var e wire.Event
		// The first line may have lost its beginning.
		if json.Unmarshal(line, &e) == nil && e.ID.Session == 0 && e.Kind != wire.Extend {
			return e.Kind != wire.Done
		}
	}
	return false
}
