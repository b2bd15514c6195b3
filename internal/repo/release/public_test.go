package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// goCommand runs the go command.
func (c *clone) goCommand(dir string, env []string, args ...string) string {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		c.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPublic: what is public with the tag's content is unpinned, and nothing
// else is.
func TestPublic(t *testing.T) {
	c := newClone(t)
	t.Setenv("GONOSUMDB", "github.com/sessionstate")
	if err := c.releaser("v0.1.0", "core", "adapters/mux").release(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := c.releaser("", "")
	err := r.public(t.Context())
	if err == nil || !strings.Contains(err.Error(), "core@v0.1.0: it is not public yet") {
		t.Errorf("before the push: %v", err)
	}
	proxy := publish.Proxy(t.TempDir())
	t.Setenv("GOPROXY", proxy.URL())
	core := publish.Module{Dir: "core", Version: "v0.1.0", Folder: filepath.Join(c.root, "core")}
	if _, err := proxy.Add(core.Mod(), core.Folder, filepath.Join(c.root, "LICENSE")); err != nil {
		t.Fatal(err)
	}
	other := publish.Module{Dir: "adapters/mux", Version: "v0.1.0", Folder: filepath.Join(c.root, "adapters/mux")}
	if _, err := proxy.Add(other.Mod(), other.Folder, ""); err != nil { // without the licence
		t.Fatal(err)
	}
	err = r.public(t.Context())
	if err == nil || !strings.Contains(err.Error(), "adapters/mux@v0.1.0: what is public has the sums") || strings.Contains(err.Error(), "core@") {
		t.Errorf("with another adapter: %v", err)
	}
	work := c.read("go.work")
	if strings.Contains(work, "core v0.1.0 =>") || !strings.Contains(work, "adapters/mux v0.1.0 => ./adapters/mux") {
		t.Errorf("go.work is\n%s\nwant core out of it, and adapters/mux in", work)
	}
}
