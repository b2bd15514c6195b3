package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/repo/apicheck"
	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"github.com/sessionstate/sessionstate/internal/repo/rehearsal"
	"golang.org/x/mod/module"
)

// TestMain keeps the tests off the network and away from the user's settings
// of git.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"GOPROXY":           "off",
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull,
		"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
		"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// clone is a clone of the repository in the rehearsal's testdata.
type clone struct {
	*testing.T
	root   string
	others publish.Proxy
	log    strings.Builder
}

func newClone(t *testing.T) *clone {
	t.Helper()
	c := &clone{T: t, root: filepath.Join(t.TempDir(), "clone"), others: publish.Proxy(t.TempDir())}
	testdata := filepath.Join("..", "rehearsal", "testdata")
	if err := os.CopyFS(c.root, os.DirFS(filepath.Join(testdata, "tree"))); err != nil {
		t.Fatal(err)
	}
	for folder, m := range map[string]module.Version{
		"mux":         {Path: "example.com/mux", Version: "v1.0.0"},
		"base-v1.0.0": {Path: "example.com/base", Version: "v1.0.0"},
	} {
		sums, err := c.others.Add(m, filepath.Join(testdata, "others", folder), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := publish.Require(filepath.Join(c.root, "adapters/mux"), m, sums); err != nil {
			t.Fatal(err)
		}
	}
	c.git("init", "--quiet", "--initial-branch=main")
	c.commit("begin")
	return c
}

func (c *clone) git(args ...string) string {
	c.Helper()
	out, err := publish.Git(c.Context(), c.root, args...)
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (c *clone) commit(message string) {
	c.Helper()
	c.git("add", "--all")
	c.git("commit", "--quiet", "--message", message)
}

func (c *clone) write(file, text string) {
	c.Helper()
	if err := os.WriteFile(filepath.Join(c.root, file), []byte(text), 0o666); err != nil {
		c.Fatal(err)
	}
}

func (c *clone) read(file string) string {
	c.Helper()
	data, err := os.ReadFile(filepath.Join(c.root, file))
	if err != nil {
		c.Fatal(err)
	}
	return string(data)
}

// releaser releases, with a rehearsal and a comparison that find nothing wrong.
func (c *clone) releaser(version string, modules ...string) *releaser {
	return &releaser{
		root: c.root, version: version, modules: modules, remote: "origin",
		date:     time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC),
		rehearse: func(context.Context, rehearsal.Config) error { return nil },
		suggest: func(context.Context, apicheck.Config) (apicheck.Report, error) {
			return apicheck.Report{Suggested: "v0.1.1"}, nil
		},
		log: func(format string, args ...any) { fmt.Fprintf(&c.log, format+"\n", args...) },
	}
}

// rehearsing has it rehearse in truth.
func (c *clone) rehearsing(r *releaser) *releaser {
	r.rehearse = func(ctx context.Context, cfg rehearsal.Config) error {
		cfg.Proxies, cfg.Unchecked = []string{c.others.URL()}, []string{"example.com"}
		cfg.Servers = map[string]string{"COUNT_FILE": "here"}
		return rehearsal.Run(ctx, cfg)
	}
	return r
}

// TestRelease_All releases everything for the first time, and looks whether the
// tags are what the go.sum files say, by the go command's own way from a tag to
// a module.
func TestRelease_All(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	if err := c.rehearsing(c.releaser("v0.1.0", "all")).release(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, c.log.String())
	}
	want := "begin\ncore: release v0.1.0\nall: require core v0.1.0\nadapters/mux, providers/file: release v0.1.0\nall: require adapters/mux, providers/file v0.1.0"
	if got := c.git("log", "--reverse", "--format=%s", "main"); got != want {
		t.Errorf("the commits are\n%s\nwant\n%s", got, want)
	}
	for tag, subject := range map[string]string{
		"core/v0.1.0":           "core: release v0.1.0",
		"adapters/mux/v0.1.0":   "adapters/mux, providers/file: release v0.1.0",
		"providers/file/v0.1.0": "adapters/mux, providers/file: release v0.1.0",
	} {
		if got := c.git("log", "-1", "--format=%s", tag); got != subject {
			t.Errorf("%s is on %q, want %q", tag, got, subject)
		}
		if got := c.git("cat-file", "-t", tag); got != "tag" {
			t.Errorf("%s is a %s, and not annotated", tag, got)
		}
		if got := c.git("tag", "--list", "--format=%(contents)", tag); !strings.Contains(got, "- Everything.") {
			t.Errorf("%s says %q, and not what has changed", tag, got)
		}
	}
	changelog := "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-11-21\n\n### Added\n\n- Everything.\n"
	if got := c.read("core/CHANGELOG.md"); got != changelog {
		t.Errorf("core/CHANGELOG.md is\n%s\nwant\n%s", got, changelog)
	}
	if got := c.git("status", "--porcelain"); got != "" {
		t.Errorf("the work tree is not clean: %s", got)
	}
	if got := c.git("worktree", "list"); strings.Count(got, "\n") != 0 {
		t.Errorf("a work tree is left behind:\n%s", got)
	}
	if got := c.log.String(); !strings.Contains(got, "git push --atomic origin main core/v0.1.0 adapters/mux/v0.1.0 providers/file/v0.1.0") {
		t.Errorf("it does not say what to push:\n%s", got)
	}
	c.wantSums("core", "v0.1.0", "adapters/mux")
}

func TestPushes(t *testing.T) {
	want := []string{"  git push --atomic origin main core/v1 a/v1 b/v1", "  git push --atomic origin c/v1"}
	if got := pushes("origin", []string{"core/v1", "a/v1", "b/v1", "c/v1"}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRelease_CoreFirst releases core, changes it, and then releases an adapter,
// which gets core as it was released; then core again, and the adapter.
func TestRelease_CoreFirst(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	steps := []struct{ version, module string }{{"v0.1.0", "core"}, {"v0.1.0", "adapters/mux"}, {"v0.2.0", "core"}, {"v0.1.1", "adapters/mux"}}
	for i, s := range steps {
		if i > 0 {
			c.write("core/more.go", fmt.Sprintf("package session\n\n// More%[1]d is more.\nconst More%[1]d = 1\n", i))
			c.write(steps[i].module+"/CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- More.\n")
			c.commit("more")
		}
		r := c.releaser(s.version, s.module)
		if s.module != "core" {
			c.rehearsing(r) // with core as it was released; with all of the tree TestRelease_All does
		}
		if err := r.release(t.Context()); err != nil {
			t.Fatalf("%s %s: %v\n%s", s.module, s.version, err, c.log.String())
		}
	}
	for tag, core := range map[string]string{"adapters/mux/v0.1.0": "v0.1.0", "adapters/mux/v0.1.1": "v0.2.0"} {
		if mod := c.git("show", tag+":adapters/mux/go.mod"); !strings.Contains(mod, "core "+core+"\n") {
			t.Errorf("%s does not require core %s:\n%s", tag, core, mod)
		}
		if sums := c.git("show", tag+":adapters/mux/go.sum"); strings.Count(sums, "core "+core) != 2 || strings.Count(sums, "/core ") != 2 {
			t.Errorf("%s does not have the sums of core %s alone:\n%s", tag, core, sums)
		}
	}
	if work := c.read("go.work"); !strings.Contains(work, "core v0.2.0 => ./core") || strings.Contains(work, "core v0.1.0") {
		t.Errorf("go.work does not take core v0.2.0 alone from the tree:\n%s", work)
	}
	c.wantSums("core", "v0.2.0", "adapters/mux")
}

// wantSums looks whether the go command, coming from the tag, finds the sums
// that are in the go.sum of the dependant.
func (c *clone) wantSums(dir, version, dependant string) {
	c.Helper()
	origin := "https://" + strings.TrimSuffix(publish.Prefix, "/")
	scratch := c.TempDir()
	env := []string{
		"GOPROXY=direct", "GONOSUMDB=github.com/sessionstate", "GOWORK=off", "GOFLAGS=-modcacherw",
		"GOMODCACHE=" + filepath.Join(scratch, "modules"),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://" + filepath.ToSlash(c.root) + ".insteadOf", "GIT_CONFIG_VALUE_0=" + origin,
		"GIT_ALLOW_PROTOCOL=file:https",
	}
	m := publish.Module{Dir: dir, Version: version}
	out := c.goCommand(scratch, env, "mod", "download", "-json", m.String())
	for sum := range strings.SplitSeq(out, "\n") {
		if name, value, ok := strings.Cut(strings.Trim(strings.TrimSpace(sum), ","), ": "); ok && (name == `"Sum"` || name == `"GoModSum"`) {
			if value = strings.Trim(value, `"`); !strings.Contains(c.read(dependant+"/go.sum"), value) {
				c.Errorf("%s is %s by its tag, which %s/go.sum does not have:\n%s", name, value, dependant, c.read(dependant+"/go.sum"))
			}
		}
	}
	if !strings.Contains(out, `"GoModSum": "h1:`) {
		c.Errorf("the go command does not tell sums:\n%s", out)
	}
}

// TestRelease_Refuses: nothing changes where a release is refused.
func TestRelease_Refuses(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name   string
		before func(*clone, *releaser)
		want   string
	}{
		{"changes that are not committed", func(c *clone, _ *releaser) { c.write("new.txt", "new") }, "changes that are not committed"},
		{"another branch", func(c *clone, _ *releaser) { c.git("switch", "--quiet", "--create", "other") }, "this is the branch other: releases are made on main"},
		{"no branch", func(c *clone, _ *releaser) { c.git("switch", "--quiet", "--detach") }, "this is the branch HEAD"},
		{"no module", func(_ *clone, r *releaser) { r.modules = nil }, "of which module? -module takes core, adapters/mux, providers/file"},
		{"an unknown module", func(_ *clone, r *releaser) { r.modules = []string{"core", "internal/aid"} }, `"internal/aid" is no published module`},
		{"no version", func(_ *clone, r *releaser) { r.version = "" }, `"" is no version to release`},
		{"half a version", func(_ *clone, r *releaser) { r.version = "v0.1" }, `"v0.1" is no version to release`},
		{"a version without v", func(_ *clone, r *releaser) { r.version = "0.1.0" }, `"0.1.0" is no version to release`},
		{"metadata", func(_ *clone, r *releaser) { r.version = "v0.1.0+x" }, "is no version to release"},
		{"a first version that skips", func(_ *clone, r *releaser) { r.version = "v0.2.0" }, "core: v0.2.0 is not how a module begins"},
		{"another major version", func(_ *clone, r *releaser) { r.version = "v2.0.0" }, "module path would have to end in /v2"},
		{"a tag that exists", func(c *clone, _ *releaser) { c.git("tag", "core/v0.1.0") }, "core: v0.1.0 is released already"},
		{"a tag that only the remote has", func(c *clone, _ *releaser) {
			remote := filepath.Join(c.TempDir(), "remote.git")
			c.git("clone", "--quiet", "--bare", ".", remote)
			c.git("--git-dir", remote, "tag", "core/v0.1.0")
			c.git("remote", "add", "origin", remote)
		}, "core: v0.1.0 is released already"},
		{"a remote that does not answer", func(c *clone, _ *releaser) { c.git("remote", "add", "origin", filepath.Join(c.TempDir(), "gone")) }, `ask origin for its tags (-remote "" goes without)`},
		{"a lower version", func(c *clone, _ *releaser) { c.git("tag", "core/v0.2.0") }, "core: v0.1.0 is not higher than v0.2.0"},
		{"a version that skips", func(c *clone, r *releaser) { c.git("tag", "core/v0.1.0"); r.version = "v0.1.2" }, "v0.1.2 skips a version: after v0.1.0 comes v0.1.1 or v0.2.0 or v1.0.0"},
		{"an adapter before core", func(_ *clone, r *releaser) { r.modules = []string{"adapters/mux"} }, "adapters/mux requires core v0.1.0, which is not released: release core first"},
		{"an empty changelog", func(c *clone, _ *releaser) {
			c.write("core/CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n### Added\n\n[x]: https://example.com/x\n\n## [0.0.1]\n\n- Old.\n")
			c.commit("empty")
		}, "core: CHANGELOG.md has nothing under Unreleased"},
		{"a changelog that has it", func(c *clone, _ *releaser) {
			c.write("core/CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- New.\n\n## [0.1.0]\n\n- Old.\n")
			c.commit("twice")
		}, "core: CHANGELOG.md has a heading for v0.1.0 already"},
		{"what the rehearsal rejects", func(_ *clone, r *releaser) {
			r.rehearse = func(context.Context, rehearsal.Config) error { return errors.New("a replace") }
		}, "refused, and nothing was changed:\na replace"},
		{"a replace, by the rehearsal in truth", func(c *clone, r *releaser) {
			c.write("core/go.mod", c.read("core/go.mod")+"\nreplace example.com/x => ../x\n")
			c.commit("replace")
			c.rehearsing(r)
		}, "core: its go.mod replaces example.com/x"},
		{"a version too low for what has changed", func(c *clone, r *releaser) {
			c.git("tag", "core/v0.1.0")
			r.version = "v0.1.1"
			r.suggest = func(context.Context, apicheck.Config) (apicheck.Report, error) {
				return apicheck.Report{Suggested: "v0.2.0", Text: "Count: removed"}, nil
			}
		}, "core: v0.1.1 does not say what has changed since v0.1.0:\nCount: removed"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := newClone(t)
			r := c.releaser("v0.1.0", "core")
			x.before(c, r)
			head, tags, status := c.git("rev-parse", "HEAD"), c.git("tag"), c.git("status", "--porcelain")
			if err := r.release(t.Context()); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v\nwant an error with %s", err, x.want)
			}
			c.wantUnchanged(head, tags, status)
		})
	}
}

func TestRelease_DryRun(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	head := c.git("rev-parse", "HEAD")
	r := c.releaser("v0.1.0", "all")
	r.dry = true
	if err := r.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"dry run", "core: release v0.1.0", "all: require core v0.1.0", "core/v0.1.0", "providers/file/v0.1.0"} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, c.log.String())
		}
	}
	c.wantUnchanged(head, "", "")
}

// wantUnchanged: neither the branch nor tags nor the work tree have changed.
func (c *clone) wantUnchanged(head, tags, status string) {
	c.Helper()
	if got := c.git("rev-parse", "HEAD"); got != head {
		c.Errorf("there are new commits:\n%s", c.git("log", "--oneline"))
	}
	if got := c.git("tag"); got != tags {
		c.Errorf("there are new tags: %s", got)
	}
	if got := c.git("status", "--porcelain"); got != status {
		c.Errorf("the work tree has changed: %s", got)
	}
	if got := c.git("worktree", "list"); strings.Count(got, "\n") != 0 {
		c.Errorf("a work tree is left behind:\n%s", got)
	}
}
