package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestInstall has an apt-get on the PATH that installs what it is asked for,
// and no browser.
func TestInstall(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no apt-get")
	}
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	t.Setenv("SESSION_TEST_CHROMIUM", "")
	if err := install(t.Context()); !errors.Is(err, errNone) {
		t.Errorf("without apt-get: %v, want errNone", err)
	}

	apt := filepath.Join(folder, "apt-get")
	write := func(script string) {
		t.Helper()
		if err := os.WriteFile(apt, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("echo no network; exit 100\n")
	if err := install(t.Context()); !errors.Is(err, errNone) {
		t.Errorf("apt-get fails: %v, want errNone", err)
	}

	write(`cd "${0%/*}" && echo "$DEBIAN_FRONTEND $*" >> asked
for last; do :; done
if [ "$last" = chromium ]; then PATH=/bin:/usr/bin; echo "#!/bin/sh" > chromium; chmod 755 chromium; fi
`)
	err := install(t.Context())
	asked, _ := os.ReadFile(filepath.Join(folder, "asked"))
	if os.Geteuid() != 0 {
		if !errors.Is(err, errNone) || len(asked) > 0 {
			t.Errorf("not root: %v, want errNone, and apt-get was asked for %q", err, asked)
		}
		return
	}
	const want = "noninteractive -qq -o DPkg::Lock::Timeout=120 update\n" +
		"noninteractive -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends chromium\n"
	if err != nil || string(asked) != want {
		t.Errorf("%v; apt-get was asked for\n%swant\n%s", err, asked, want)
	}
	if err := install(t.Context()); err != nil {
		t.Error("once more:", err)
	}
	if again, _ := os.ReadFile(filepath.Join(folder, "asked")); string(again) != want {
		t.Errorf("apt-get was asked though there is a browser: %s", again)
	}
}
