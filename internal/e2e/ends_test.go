package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// enderPackage is what tells of ends, in processes of its own.
const enderPackage = "github.com/sessionstate/sessionstate/internal/e2e/ender"

const (
	enders    = 3
	endTakes  = 10 * time.Millisecond // OnEnd
	endsInRow = 8                     // OnEnds of a process at once: no more can have been told and not removed
	// endsInHand is what a process has claimed at most: a batch of 32, and
	// beside it the last of the batch before, which are being told.
	endsInHand = 32 + endsInRow - 1
)

// TestM17_ThreeProcessesAndOneDeath: of 10,000 sessions that expire together
// every end is told, though one of the three processes that tell them is killed
// on the way; and what is told twice that one had claimed.
func TestM17_ThreeProcessesAndOneDeath(t *testing.T) {
	t.Parallel()
	run := &endsRun{table: "ends", sessions: 10_000, lease: 10 * time.Second, killAfter: 1_000, within: 2 * time.Minute}
	run.play(t, common.get(t))
	if run.left > 0 || len(run.lost) > 0 || len(run.unclaimed) > 0 || run.odd != "" {
		t.Errorf("%d records are left, %d ends were not told, %d were told again that the killed process had not claimed; %s",
			run.left, len(run.lost), len(run.unclaimed), run.odd)
	}
	if run.repeats > endsInRow || run.second > endsInHand {
		t.Errorf("%d ends were told twice, %d at a second attempt; want %d and %d at most", run.repeats, run.second, endsInRow, endsInHand)
	}
	// A death that nobody notices proves nothing.
	if run.second == 0 {
		t.Error("the killed process had no claims")
	}
	for i, n := range run.told {
		if n == 0 {
			t.Errorf("process %d has told nothing", i)
		}
	}
	t.Logf("%d sessions ended in %v: told by each process %v; the one that was killed had claimed %d; %d ends were claimed a second time, %d of them told twice; %d lost",
		run.sessions, run.took.Round(time.Millisecond), run.told, run.claimed, run.second, run.repeats, len(run.lost))
}

// TestCatchesBrokenEnds: the same finds out what is wrong with stores that are
// broken on purpose.
func TestCatchesBrokenEnds(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	for broken, caught := range map[string]func(*endsRun) bool{
		"deletes-first":   func(r *endsRun) bool { return r.left == 0 && len(r.lost) > 0 },
		"no-lease":        func(r *endsRun) bool { return len(r.unclaimed) > 0 },
		"claims-for-good": func(r *endsRun) bool { return r.left > 0 && len(r.lost) > 0 },
	} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			run := &endsRun{
				table: "ends_" + strings.ReplaceAll(broken, "-", "_"), broken: broken,
				sessions: 1_500, lease: 2 * time.Second, killAfter: 200, within: time.Minute,
			}
			if broken == "claims-for-good" {
				run.within = 12 * time.Second // which it takes: something always remains
			}
			run.play(t, s)
			// What is lost must be the killed process's, not what nobody came
			// to in time.
			lost := len(run.lost)
			run.lost = slices.DeleteFunc(run.lost, func(key string) bool { return !run.killed[key] })
			if !caught(run) {
				t.Errorf("not caught: %d records are left, %d ends were not told, %d of them the killed process's, %d were told again; %s",
					run.left, lost, len(run.lost), len(run.unclaimed), run.odd)
			}
		})
	}
}

// endsRun is sessions that end together, processes that tell of it, and what
// they have told.
type endsRun struct {
	table     string
	broken    string
	sessions  int
	lease     time.Duration
	killAfter int           // ends that the process has told that is then killed
	within    time.Duration // to wait for the rest

	took      time.Duration   // from the expiry until all was told, or time was up
	left      int             // records
	killed    map[string]bool // what the killed process had claimed, as far as it knew
	claimed   int             // how many these are
	told      [enders]int     // by process
	lost      []string        // keys of ends that were told by nobody
	unclaimed []string        // keys of ends that were claimed or told again, and not because of the killed process
	second    int             // ends that the others claimed again because of the killed process
	repeats   int             // of these, those that OnEnd had been told of before
	odd       string          // what else is wrong; the last
}

// play lets the sessions end. The first process is killed.
func (r *endsRun) play(t *testing.T, s *shared) {
	dsn := s.server.DSN()
	keys := r.fill(t, dsn)
	dir := t.TempDir()
	processes, journals := make([]*child, enders), make([]string, enders)
	for i := range processes {
		base := filepath.Join(dir, fmt.Sprint(i))
		journals[i] = base + ".journal"
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		c, _, err := startServing(ctx, s.ender, []string{
			"-table", r.table, "-journal", journals[i], "-break", r.broken, "-lease", r.lease.String(), "-takes", endTakes.String(),
		}, []string{"E2E_DSN=" + dsn + "&pool_max_conns=4"}, base+".errors")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.kill)
		processes[i] = c
	}
	conn := connect(t, dsn)
	begun := time.Now()
	if _, err := conn.Exec(t.Context(), "UPDATE "+r.table+" SET expires = clock_timestamp()"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), r.within)
	defer cancel()
	for !inTheMiddle(journals[0], r.killAfter) && pause(ctx, 2*time.Millisecond) {
	}
	processes[0].kill()
	count := "SELECT count(*)::int FROM " + r.table
	for r.left = ask[int](t, conn, count); r.left > 0 && pause(ctx, 20*time.Millisecond); {
		r.left = ask[int](t, conn, count)
	}
	for _, c := range processes[1:] {
		if err := c.end(30 * time.Second); err != nil {
			t.Errorf("%v; it says:\n%s", err, c.said())
		}
		if text := c.said(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic") {
			t.Error(text)
		}
	}
	r.took = time.Since(begun)
	r.judge(t, keys, journals)
}

// fill makes the sessions as a service would, and returns what each holds.
func (r *endsRun) fill(t *testing.T, dsn string) (keys map[string]int) {
	store, err := sqlstore.Open(t.Context(), dsn+"&pool_max_conns=8", sqlstore.Config{Table: r.table})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	m, err := session.New(store, session.Config{
		ReapInterval: -1, OnEnd: func(context.Context, session.Ended) error { return errors.New("not here") },
	})
	if err != nil {
		t.Fatal(err)
	}
	keys = make(map[string]int)
	number := session.NewKey[int](wire.Number)
	var mu sync.Mutex
	var wg sync.WaitGroup
	todo := make(chan int)
	for range 8 {
		wg.Go(func() { // until todo is closed
			for n := range todo {
				rq, ctx := m.Begin(t.Context(), silent{})
				s, err := m.Acquire(ctx)
				if err == nil {
					err = errors.Join(number.Set(s, n), s.SetOwner(owner(n)))
				}
				mu.Lock()
				keys[fmt.Sprintf("%x", s.StoreKey())] = n
				mu.Unlock()
				if err = errors.Join(err, rq.Finish(ctx, session.Outcome{Err: err})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range r.sessions {
		todo <- n + 1
	}
	close(todo)
	wg.Wait()
	if err := m.Close(t.Context()); err != nil || t.Failed() || len(keys) != r.sessions {
		t.Fatalf("%d of %d sessions were made (%v)", len(keys), r.sessions, err)
	}
	return keys
}

// silent is a request of a client that nobody answers.
type silent struct{}

func (silent) RequestHeader(string) []string    { return nil }
func (silent) ReplyHeader(string) []string      { return nil }
func (silent) SetReplyHeader(string, ...string) {}
func (silent) Secure() bool                     { return true }

// endFate is what became of one end, by process.
type endFate struct {
	claims, begun, told [enders]int
	most                [enders]int // the highest number of an attempt
	token               string
}

// judge compares the journals with what was to be told.
func (r *endsRun) judge(t *testing.T, keys map[string]int, journals []string) {
	fates := make(map[string]*endFate)
	for key := range keys {
		fates[key] = new(endFate)
	}
	for i, journal := range journals {
		for _, e := range endsIn(t, journal) {
			f := fates[e.Key]
			if f == nil {
				r.odd = "an end was told of a session that never was"
				continue
			}
			f.most[i] = max(f.most[i], e.Attempt)
			switch e.Kind {
			case wire.Claimed:
				f.claims[i]++
				continue
			case wire.Begun:
				f.begun[i]++
			case wire.Told:
				f.told[i]++
				r.told[i]++
			}
			if e.Number != keys[e.Key] || e.Reason != session.EndExpired.String() || e.Owner != owner(e.Number) ||
				f.token != "" && f.token != e.Token {
				r.odd = fmt.Sprintf("session %d was told as %+v", keys[e.Key], e)
			}
			f.token = e.Token
		}
	}
	r.killed = make(map[string]bool)
	tokens := make(map[string]bool)
	for key, f := range fates {
		tokens[f.token] = true
		r.killed[key] = f.claims[0] > 0
		if r.killed[key] {
			r.claimed++
		}
		switch {
		case sum(f.told[:]) == 0:
			r.lost = append(r.lost, key)
		// The others write down all that they claim, and the store counts
		// claims: so a second one that is the only one of the others came
		// after one of the killed process, which may not have come to writing
		// it down. Anything else is not due to its death.
		case sum(f.claims[1:]) > 1, f.claims[0] > 1, f.most[0] > 1, slices.Max(f.most[:]) > 2:
			r.unclaimed = append(r.unclaimed, key)
		case slices.Max(f.most[1:]) == 2:
			r.second++
			if f.begun[0] > 0 {
				r.repeats++
			}
		case sum(f.begun[:]) > 1:
			r.unclaimed = append(r.unclaimed, key)
		}
	}
	if len(r.lost) == 0 && len(tokens) != len(fates) {
		r.odd = "ends have the same token"
	}
}

func sum(numbers []int) (n int) {
	for _, m := range numbers {
		n += m
	}
	return n
}

// owner is whose the session is that holds the number.
func owner(number int) string { return fmt.Sprint("owner ", number) }

// endsIn returns what is in a journal.
func endsIn(t *testing.T, journal string) (ends []wire.End) {
	t.Helper()
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // SIGKILL came between two parts of a write
		}
		var e wire.End
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		ends = append(ends, e)
	}
	return ends
}

// inTheMiddle reports whether a process has told so many ends and has more to
// tell of what it has claimed.
func inTheMiddle(journal string, many int) bool {
	text, err := os.ReadFile(journal)
	if err != nil {
		return false // there is none yet
	}
	told := bytes.Count(text, []byte(`"`+string(wire.Told)+`"`))
	return told >= many && bytes.Count(text, []byte(`"`+string(wire.Claimed)+`"`)) > told+endsInRow
}
