package repo

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// longFile is from where on a file's length is worth a look.
const longFile = 450

// TestRepository runs every rule on this repository.
func TestRepository(t *testing.T) {
	tree, err := LoadTree(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			for _, p := range c.Run(tree) {
				t.Error(p)
			}
		})
	}
	for _, f := range LongFiles(tree, longFile) {
		t.Logf("%s has %d lines: is it still one job?", f.Path, f.Lines)
	}
}

// TestSnippetsCompile vets the Go code in the documentation as a module of
// this workspace.
func TestSnippetsCompile(t *testing.T) {
	root := root(t)
	tree, err := LoadTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, s := range Snippets(tree) {
		if s.Source() != "" {
			continue // see excerptsAreTrue
		}
		code, err := s.File(root)
		if err != nil {
			t.Error(err)
			continue
		}
		write(t, filepath.Join(dir, fmt.Sprintf("snippet%02d", i), "snippet.go"), code)
	}
	write(t, filepath.Join(dir, "go.mod"), []byte("module snippets\n\ngo "+goVersion+"\n"))
	write(t, filepath.Join(dir, "go.work"), workspace(t, tree, root))
	run(t, dir, []string{"GOWORK=" + filepath.Join(dir, "go.work")}, "go", "vet", "./...")
}

// TestModulesAreTidy: every go.mod and go.sum is what go mod tidy makes of it.
// Requirements that are not public yet resolve to this tree; a release writes
// their sums nonetheless, of which go mod tidy is told nothing.
func TestModulesAreTidy(t *testing.T) {
	root := root(t)
	tree, err := LoadTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range tree.Modules {
		t.Run(m.Dir, func(t *testing.T) {
			mod := *m.File
			for _, r := range tree.Work.Replace {
				if err := mod.AddReplace(r.Old.Path, r.Old.Version, filepath.Join(root, r.New.Path), ""); err != nil {
					t.Fatal(err)
				}
			}
			data, err := mod.Format()
			if err != nil {
				t.Fatal(err)
			}
			alternate := filepath.Join(t.TempDir(), "go.mod")
			write(t, alternate, data)
			sums, err := os.ReadFile(filepath.Join(root, m.Dir, "go.sum"))
			if err == nil {
				write(t, strings.TrimSuffix(alternate, ".mod")+".sum", withoutSums(sums, tree.Work.Replace))
			}
			run(t, filepath.Join(root, m.Dir), []string{"GOWORK=off"}, "go", "mod", "tidy", "-diff", "-modfile="+alternate)
		})
	}
}

// withoutSums returns a go.sum without the lines of what is replaced.
func withoutSums(goSum []byte, replaced []*modfile.Replace) []byte {
	var rest strings.Builder
	for line := range strings.Lines(string(goSum)) {
		if !slices.ContainsFunc(replaced, func(r *modfile.Replace) bool {
			version := r.Old.Path + " " + r.Old.Version
			return strings.HasPrefix(line, version+" ") || strings.HasPrefix(line, version+"/go.mod ")
		}) {
			rest.WriteString(line)
		}
	}
	return []byte(rest.String())
}

// root returns the repository's root folder: the nearest with a go.work.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("there is no go.work above this package")
		}
		dir = parent
	}
}

// workspace returns a go.work for a module beside it that sees all modules of
// the tree.
func workspace(t *testing.T, tree *Tree, root string) []byte {
	t.Helper()
	w := new(modfile.WorkFile)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Syntax = new(modfile.FileSyntax)
	check(w.AddGoStmt(goVersion))
	check(w.AddUse(".", ""))
	for _, u := range tree.Work.Use {
		check(w.AddUse(filepath.Join(root, u.Path), ""))
	}
	for _, r := range tree.Work.Replace {
		check(w.AddReplace(r.Old.Path, r.Old.Version, filepath.Join(root, r.New.Path), ""))
	}
	return modfile.Format(w.Syntax)
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// run runs a command and reports what it prints if it fails.
func run(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", cmd, err, out)
	}
}
