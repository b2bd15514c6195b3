package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// TestOwnerLimit_TwoProcesses: of 50 logins at once at two processes there are
// never more than three sessions that work, and three remain; and if it is the
// newcomer that gives way, three are let in.
func TestOwnerLimit_TwoProcesses(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	for _, refuse := range []bool{false, true} {
		t.Run(fmt.Sprintf("refuse %v", refuse), func(t *testing.T) {
			t.Parallel()
			run := &logins{table: fmt.Sprintf("limit_%v", refuse), limit: 3, clients: 50, refuse: refuse}
			run.play(t, s)
			want := run.clients
			if refuse {
				want = run.limit
			}
			if run.in != want || run.most > run.limit || run.mostStored > run.limit || run.left != run.limit {
				t.Errorf("%d logins succeeded, want %d; %d sessions worked at once and %d were stored, want %d at most; %d work in the end",
					run.in, want, run.most, run.mostStored, run.limit, run.left)
			}
			if run.rounds < 2 || run.looks < 2 {
				t.Errorf("it was looked %d times which sessions work, and %d times which are stored", run.rounds, run.looks)
			}
			t.Logf("%d of %d logins succeeded in %v; looked at %d times, at most %d sessions worked; %d times, at most %d were stored; %d work in the end",
				run.in, run.clients, run.took.Round(time.Millisecond), run.rounds, run.most, run.looks, run.mostStored, run.left)
		})
	}
}

// TestCatchesBrokenLimit: the same finds out if an owner has more sessions than
// the limit, because there is none, or because the store shows new ones late.
func TestCatchesBrokenLimit(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	for name, run := range map[string]*logins{
		"no limit":  {table: "limit_none", clients: 20},
		"late list": {table: "limit_late", limit: 3, clients: 50, broken: "late-list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run.play(t, s)
			// Those that a late list lets through are there for a moment only:
			// the database sees them, and clients may be too slow.
			if run.mostStored <= 3 || run.limit == 0 && run.most <= 3 {
				t.Errorf("not caught: %d sessions worked at once and %d were stored", run.most, run.mostStored)
			}
		})
	}
}

// logins is clients that make their sessions one owner's at once.
type logins struct {
	table   string
	limit   int
	clients int
	refuse  bool
	broken  string

	took       time.Duration
	in         int // logins that succeeded
	most       int // sessions that worked at once, their logins being answered
	mostStored int // the owner's sessions at any moment at which the database was asked
	left       int // sessions that work in the end
	rounds     int // of asking which work
	looks      int // into the database
}

func (l *logins) play(t *testing.T, s *shared) {
	const patience = time.Minute // for whatever waits
	dir := t.TempDir()
	var urls [2]string
	for i := range urls {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		base := filepath.Join(dir, fmt.Sprint(i))
		c, url, err := startServing(ctx, s.set.service, []string{
			"-store", wire.PostgreSQL, "-table", l.table, "-journal", base + ".journal", "-break", l.broken, "-lease", "10s",
			"-acquire-timeout", patience.String(), "-store-timeout", patience.String(), "-save-timeout", patience.String(),
			"-sessions-per-owner", fmt.Sprint(l.limit), fmt.Sprintf("-refuse-more=%v", l.refuse),
		}, []string{wire.AddressVariable + "=" + s.server.DSN() + "&pool_max_conns=8"}, base+".errors")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.kill)
		urls[i] = url
	}
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.clients}, Timeout: 2 * patience}
	defer h.CloseIdleConnections()
	cookies := make([]string, l.clients) // every second one has a session before
	for i := 0; i < l.clients; i += 2 {
		var err error
		if cookies[i], err = newSession(t.Context(), h, urls[0]); err != nil {
			t.Fatal(err)
		}
	}
	conn := connect(t, s.server.DSN())
	acting, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var known []string // what those have who were let in
	var watching, acts sync.WaitGroup
	watching.Go(func() { // until stop
		const stored = "SELECT count(*)::int FROM %s WHERE owner = 'ada' AND reason = 0 AND NOT moved AND NOT reaped AND expires > now()"
		for again := true; again; again = pause(acting, time.Millisecond) {
			var n int
			if err := conn.QueryRow(t.Context(), fmt.Sprintf(stored, l.table)).Scan(&n); err != nil {
				t.Error(err)
				return
			}
			l.mostStored = max(l.mostStored, n)
			l.looks++
		}
	})
	watching.Go(func() { // until stop
		dead := make(map[string]bool)
		for again := true; again; {
			again = pause(acting, time.Millisecond)
			mu.Lock()
			answered := append([]string(nil), known...)
			mu.Unlock()
			l.left = 0
			for i, cookie := range answered {
				if dead[cookie] {
					continue
				}
				// Who works now has worked since before this round began: an
				// ended session does not come back.
				if works(t, h, urls[i%2], cookie) {
					l.left++
				} else {
					dead[cookie] = true
				}
			}
			l.most = max(l.most, l.left)
			l.rounds++
		}
	})
	begun := time.Now()
	for i := range l.clients {
		acts.Go(func() {
			reply, err := get(t.Context(), h, http.MethodPost, urls[i/2%2]+"/login?owner=ada", cookies[i])
			switch {
			case err != nil:
				t.Error(err)
			case reply.status == http.StatusOK && reply.cookie != "":
				mu.Lock()
				defer mu.Unlock()
				l.in++
				known = append(known, reply.cookie)
			case !l.refuse || reply.status != http.StatusConflict || !strings.Contains(string(reply.body), "too many sessions"):
				t.Errorf("status %d: %s", reply.status, reply.body)
			}
		})
	}
	acts.Wait()
	l.took = time.Since(begun)
	stop()
	watching.Wait()
}

// works reports whether the client with that cookie is logged in.
func works(t *testing.T, h *http.Client, url, cookie string) bool {
	reply, err := get(t.Context(), h, http.MethodGet, url+"/whose", cookie)
	if err != nil || reply.status != http.StatusOK {
		t.Errorf("whose session it is cannot be told: %+v %v", reply, err)
		return false
	}
	return string(reply.body) == "ada"
}
