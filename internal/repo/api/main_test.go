package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"golang.org/x/mod/module"
)

// TestRun compares a repository without tags, then one that has changed since
// its tags: in a module, and in one that another requires.
func TestRun(t *testing.T) {
	for name, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull,
		"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
		"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
	} {
		t.Setenv(name, value)
	}
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join("..", "rehearsal", "testdata", "tree"))); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) {
		t.Helper()
		if _, err := publish.Git(t.Context(), root, args...); err != nil {
			t.Fatal(err)
		}
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	// want runs the program for these modules.
	want := func(modules []string, fault string, texts ...string) {
		t.Helper()
		var out strings.Builder
		err := run(t.Context(), filepath.Join(root, "core"), modules, &out)
		if fault == "" && err != nil || fault != "" && (err == nil || !strings.Contains(err.Error(), fault)) {
			t.Errorf("got %v, want %q", err, fault)
		}
		for _, text := range texts {
			if !strings.Contains(out.String(), text) {
				t.Errorf("it does not say %q:\n%s", text, out.String())
			}
		}
	}
	const coreCode = "// Package session counts.\npackage session\n\n// Count returns the number after n.\nfunc Count(n int) %s { return %[1]s(n) + 1 }\n"

	want(nil, "", "core: no release yet", "providers/file: no release yet", "There is no release to compare with.")

	git("init", "--quiet", "--initial-branch=main")
	git("add", "--all")
	git("commit", "--quiet", "--message", "core")
	git("tag", "--annotate", "--message", "core", "core/v0.1.0")
	tagFile(t, root, git)

	want([]string{"core"}, "", "== core since v0.1.0", "Suggested version: v0.1.1")
	write("core/more.go", "package session\n\n// More is more.\nconst More = 1\n")
	want([]string{"core"}, "", "## compatible changes", "More: added", "Suggested version: v0.2.0")
	// The provider may use at once what core does not have in its last version.
	write("providers/file/file.go", "// Package filestore counts in files.\npackage filestore\n\nimport session \""+publish.Prefix+"core\"\n\n// Count counts.\nfunc Count(n int64) int { return session.Count(int(n)) + session.More }\n")
	want([]string{"providers/file"}, "", "## incompatible changes", "Count: changed from func(int) int to func(int64) int", "Suggested version: v0.2.0")

	git("tag", "--annotate", "--message", "core", "core/v1.0.0", "core/v0.1.0^{commit}")
	write("core/core.go", strings.ReplaceAll(strings.ReplaceAll(coreCode, "%[1]s", "%s"), "%s", "int64"))
	want([]string{"core"}, "api: core: no version may follow v1.0.0 with these changes", "Count: changed from func(int) int to func(int) int64")
}

// tagFile releases providers/file, with the sums of core.
func tagFile(t *testing.T, root string, git func(...string)) {
	t.Helper()
	core := module.Version{Path: publish.Prefix + "core", Version: "v0.1.0"}
	sums, err := publish.Proxy(t.TempDir()).Add(core, filepath.Join(root, "core"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := publish.Require(filepath.Join(root, "providers", "file"), core, sums); err != nil {
		t.Fatal(err)
	}
	git("add", "--all")
	git("commit", "--quiet", "--message", "file")
	git("tag", "--annotate", "--message", "file", "providers/file/v0.1.0")
}
