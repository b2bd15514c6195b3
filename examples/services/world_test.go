package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/account"
	"github.com/sessionstate/sessionstate/examples/services/internal/gateway"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
	"github.com/sessionstate/sessionstate/examples/services/internal/storefront"
)

// patience is how long a test waits for what must come before it fails. No
// test waits for what must not come.
const patience = time.Minute

// world is all services, running.
type world struct {
	url    string // the gateway's, as browsers know it
	signer *handover.Signer
	backs  map[string]string // where each party answers services

	// working waits until an update in the lab has the session and works. end,
	// if it is not nil, then lets it go on.
	working func(t *testing.T, b *browser)
	end     func()

	// refuse makes the shop refuse every word about a logout, or stop doing so;
	// nil where the test has no hand in it.
	refuse func(bool)

	// told runs after the shop has heard of a logout for the next time; nil where
	// the test has no hand in it.
	told func(func())

	processes *processes // nil if they run in the test's own

	suffix string // of its users
}

// user returns the name of a user whom no other world has: their stores may be
// the same.
func (w *world) user(name string) string { return name + " " + w.suffix[:8] }

// inProcess runs the services in this process, with their sessions in memory.
func inProcess(t *testing.T) *world {
	t.Helper()
	seed := handover.NewSeed()
	signer, err := handover.NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := handover.ParseKeys(signer.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	listeners, urls := map[string]net.Listener{}, map[string]*url.URL{}
	for _, name := range []string{site.Gateway, site.Account, site.Shop} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[name], urls[name] = l, &url.URL{Scheme: "http", Host: l.Addr().String()}
	}
	quiet := slog.New(slog.DiscardHandler)
	entered, proceed := make(chan struct{}), make(chan struct{})

	st, err := storefront.New(storefront.Config{
		Store: memstore.New(), Keys: [][]byte{storefront.NewKey()}, Account: keys, URL: urls[site.Account], Logger: quiet,
		Shop: shop.Config{Pause: func(ctx context.Context, _ time.Duration) error {
			select {
			case entered <- struct{}{}:
			case <-time.After(patience):
				return context.DeadlineExceeded
			}
			select {
			case <-proceed:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ac, err := account.New(account.Config{
		Store: memstore.New(), Signer: signer, Keys: keys, Logger: quiet,
		Parties: map[string]*url.URL{site.Gateway: urls[site.Gateway], site.Shop: urls[site.Shop]},
	})
	if err != nil {
		t.Fatal(err)
	}
	gw, err := gateway.New(gateway.Config{
		Store: memstore.New(), Keys: keys, Account: urls[site.Account], Shop: urls[site.Shop], Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	var refusing atomic.Bool
	var told atomic.Pointer[func()]
	flaky := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/backchannel/logout" && refusing.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		st.Handler.ServeHTTP(w, r)
		if hook := told.Load(); hook != nil && r.URL.Path == "/backchannel/logout" && told.CompareAndSwap(hook, nil) {
			(*hook)()
		}
	})
	run := func(name string, sv service) {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- serve.Until(ctx, listeners[name], sv.server, sv.sessions, func() {}) }() // ends with ctx
		t.Cleanup(func() {
			stop()
			if err := await(t, "the end of the service "+name, ended); err != nil {
				t.Errorf("the service %s: %v", name, err)
			}
		})
	}
	run(site.Account, service{server: fiberServer{ac.App}, sessions: ac.Sessions})
	run(site.Shop, service{server: serve.HTTP(flaky), sessions: st.Sessions})
	run(site.Gateway, service{server: serve.HTTP(gw.Handler), sessions: gw.Sessions})
	return &world{
		url: urls[site.Gateway].String(), signer: signer, suffix: rand.Text(),
		backs:   map[string]string{site.Gateway: urls[site.Gateway].String(), site.Shop: urls[site.Shop].String()},
		working: func(t *testing.T, _ *browser) { await(t, "the update", entered) },
		end:     func() { proceed <- struct{}{} },
		refuse:  refusing.Store,
		told:    func(hook func()) { told.Store(&hook) },
	}
}

// processes are the services as `services` runs them.
type processes struct {
	cmd   *exec.Cmd
	lines chan string // what it says

	mu   sync.Mutex
	pids map[string]int // under mu; the last one of each service
	said []string       // under mu
}

var (
	processLine = regexp.MustCompile(`^services \| (\w+) is process (\d+), on (http://\S+)/$`)
	readyLine   = regexp.MustCompile(`^services \| (http://\S+)/ \(Ctrl-C ends all\)$`)
)

var program = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "services-test-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "services")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built.Load() {
		if binary, err := program(); err == nil {
			os.RemoveAll(filepath.Dir(binary))
		}
	}
	os.Exit(code)
}

// built says that program was called by a test.
var built atomic.Bool

// command returns the program, to be run with more variables in its environment.
func command(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	built.Store(true)
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = t.Output()
	return cmd
}

// start starts the services in processes of their own, with stores.
func start(t *testing.T, shopStore, accountStore string, env ...string) *world {
	t.Helper()
	seed := handover.NewSeed()
	signer, err := handover.NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, append(env, "SHOP_STORE="+shopStore, "ACCOUNT_STORE="+accountStore, "ACCOUNT_SIGNING_KEY="+seed, "SHOP_LAB_DELAY=5s")...)
	p := launched(t, cmd)
	w := &world{signer: signer, backs: map[string]string{}, processes: p, working: blocked, suffix: rand.Text()}
	for w.url == "" {
		line := p.line(t)
		if m := processLine.FindStringSubmatch(line); m != nil {
			w.backs[m[1]] = m[3]
		}
		if m := readyLine.FindStringSubmatch(line); m != nil {
			w.url = m[1]
		}
	}
	return w
}

// launched starts the program, and ends it at the end of the test as Ctrl-C does.
func launched(t *testing.T, cmd *exec.Cmd) *processes {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &processes{cmd: cmd, lines: make(chan string, 10000), pids: map[string]int{}}
	read := make(chan struct{})
	go func() { // ends with the program and all that it has started
		defer close(read)
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.note(s.Text())
		}
	}()
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(os.Interrupt)
			late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer late.Stop()
			await(t, "the end of all processes", read)
			if err := cmd.Wait(); err != nil {
				t.Error("the program's end:", err)
			}
		}
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Log(strings.Join(p.said, "\n"))
		}
	})
	return p
}

func (p *processes) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, line)
	if m := processLine.FindStringSubmatch(line); m != nil {
		p.pids[m[1]], _ = strconv.Atoi(m[2]) // \d+
	}
	p.lines <- line
}

func (p *processes) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			t.Fatal("the program has ended")
		}
		return line
	case <-time.After(patience):
		t.Fatal("the program says nothing more")
	}
	return ""
}

func (p *processes) pid(service string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pids[service]
}

// kill kills a service and waits until another process of it is ready.
func (w *world) kill(t *testing.T, service string) {
	t.Helper()
	before := w.processes.pid(service)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for ended := false; ; {
		line := w.processes.line(t)
		ended = ended || strings.Contains(line, service+" has ended by itself")
		if ended && strings.HasPrefix(line, fmt.Sprintf("%-8s | ", service)) && strings.Contains(line, "msg=ready") {
			break
		}
	}
	if w.processes.pid(service) == before {
		t.Fatalf("%s is the same process", service)
	}
}

// await returns what comes.
func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s does not come", what)
	}
	panic("unreachable")
}

// until waits until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); !so(); {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}

// blocked waits until a page that waits for writers does not come.
func blocked(t *testing.T, b *browser) {
	t.Helper()
	until(t, "an update has the session", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/shop/cart", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.client.Do(r)
		if err != nil {
			return true
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return err != nil
	})
}

// server returns the address in a variable, or skips the test, or fails it where
// all servers must be there.
func server(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		what := variable + " names no server: run `make test`, which starts one"
		if os.Getenv("SESSION_TEST_REQUIRE") != "" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	return value
}
