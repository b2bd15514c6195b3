package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// errNone is why there is no browser, and what to do about it.
var errNone = errors.New("no Chromium found: install the package chromium (Debian, Ubuntu, Fedora, Arch) or Google Chrome, " +
	"or name the program in SESSION_TEST_CHROMIUM")

// find returns the browser's program, or errNone.
func find() (string, error) {
	if path := os.Getenv("SESSION_TEST_CHROMIUM"); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("SESSION_TEST_CHROMIUM: %w", err)
		}
		return found, nil
	}
	for _, name := range []string{"chromium", "google-chrome-stable", "google-chrome", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNone
}

// installTimeout is for a slow network: Chromium is 100 MB.
const installTimeout = 10 * time.Minute

// install installs a Chromium if there is none, and does nothing if there is
// one. It can where packages are Debian's and this is root.
func install(ctx context.Context) error {
	if _, err := find(); !errors.Is(err, errNone) {
		return err
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return errNone
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	fmt.Println("browser: installing Debian's package chromium, for the browser tests")
	for _, args := range [][]string{
		{"-qq", "-o", "DPkg::Lock::Timeout=120", "update"},
		{"-qq", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends", "chromium"},
	} {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.WaitDelay = time.Second
		inGroup(cmd) // apt-get has children that would go on
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%w\napt-get %s: %w\n%s", errNone, args[3], errors.Join(err, context.Cause(ctx)), last(said.Bytes(), 2000))
		}
	}
	_, err = find()
	return err
}

// browser is a Chromium that runs.
type browser struct {
	ctx   context.Context // chromedp's
	close func()
}

// open starts a browser. It ends with close or with ctx, and must have answered
// within patience. What it says is in the error if it does not start. more is
// added to the command line.
func open(ctx context.Context, path string, patience time.Duration, more ...chromedp.ExecAllocatorOption) (*browser, error) {
	said := &tail{limit: 4000}
	temp, err := os.MkdirTemp("", "browser-") // it leaves things there when it is killed
	if err != nil {
		return nil, err
	}
	ctx, closeAllocator := chromedp.NewExecAllocator(ctx, slices.Concat(flags(), []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { inGroup(cmd); withUs(cmd) }),
		chromedp.CombinedOutput(said),
		chromedp.Env("TMPDIR=" + temp),
	}, more)...)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(func(string, ...any) {}))
	b := &browser{ctx, sync.OnceFunc(func() {
		cancel()
		closeAllocator()
		_ = os.RemoveAll(temp)
	})}

	// The context of the first call is the browser's as long as it lives, so
	// it can have no timeout of its own.
	late := time.AfterFunc(patience, cancel)
	if err := chromedp.Do(ctx); err != nil || !late.Stop() {
		b.close()
		return nil, fmt.Errorf("%s did not start within %v: %w\n%s", path, patience, errors.Join(err, context.Cause(ctx)), said)
	}
	return b, nil
}

// flags returns the command line. chromedp adds a new profile's folder, the
// debugging pipe, and --no-sandbox for root, who cannot have one.
func flags() []chromedp.ExecAllocatorOption {
	on := []string{
		"headless", "disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check",
		// Nothing but the page under test is to use the network.
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-default-apps",
		"disable-client-side-phishing-detection", "disable-domain-reliability", "no-pings", "no-proxy-server",
		"disable-extensions", "metrics-recording-only", "mute-audio",
		// Several tabs are at work, and all of them count.
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
		"disable-breakpad",       // a crash is the test's to report
		"disable-dev-shm-usage",  // containers have little of it
		"use-mock-keychain",      // on macOS; else it asks for a password
		"hide-scrollbars",        // in pictures
		"disable-popup-blocking", // what opens one is to be seen
	}
	var opts []chromedp.ExecAllocatorOption
	for _, name := range on {
		opts = append(opts, chromedp.Flag(name, true))
	}
	return append(opts,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("password-store", "basic"),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en"),
		chromedp.WindowSize(960, 800),
	)
}

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	limit int
	mu    sync.Mutex
	kept  []byte // under mu
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = bytes.Clone(last(append(t.kept, p...), t.limit))
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}

func last(text []byte, n int) []byte { return text[max(0, len(text)-n):] }
