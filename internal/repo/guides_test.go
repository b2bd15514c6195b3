package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestGuides: the code by which guides carry sessions over does so. It is the
// last block of Go in each, and runs with the tests in testdata/guides.
func TestGuides(t *testing.T) {
	root := root(t)
	tree, err := LoadTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	dir, guides := t.TempDir(), filepath.Join("testdata", "guides")
	write(t, filepath.Join(dir, "go.mod"), []byte("module guides\n\ngo "+goVersion+"\n"))
	write(t, filepath.Join(dir, "go.work"), workspace(t, tree, root))
	last := make(map[string]Snippet)
	for _, s := range Snippets(tree) {
		last[s.Path] = s
	}
	for _, guide := range []string{"from-scs", "from-gorilla"} {
		code, err := last["docs/"+guide+".md"].File(root)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, guide, "move.go"), code)
		for from, to := range map[string]string{
			filepath.Join(guides, "visit.go"):            "visit_test.go",
			filepath.Join(guides, guide, "move_test.go"): "move_test.go",
		} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, guide, to), data)
		}
	}
	run(t, dir, []string{"GOWORK=" + filepath.Join(dir, "go.work")}, "go", "test", "-count=1", "-timeout=2m", "./...")
}

// TestTestingPage: the tests of docs/testing.md pass. Each block of it is a
// package of its own.
func TestTestingPage(t *testing.T) {
	root := root(t)
	tree, err := LoadTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), []byte("module page\n\ngo "+goVersion+"\n"))
	write(t, filepath.Join(dir, "go.work"), workspace(t, tree, root))
	blocks := 0
	for _, s := range Snippets(tree) {
		if s.Path != "docs/testing.md" {
			continue
		}
		code, err := s.File(root)
		if err != nil {
			t.Fatal(err)
		}
		blocks++
		write(t, filepath.Join(dir, fmt.Sprint("block", blocks), "page_test.go"), code)
	}
	if blocks != 3 {
		t.Fatalf("docs/testing.md has %d blocks of Go, want 3", blocks)
	}
	run(t, dir, []string{"GOWORK=" + filepath.Join(dir, "go.work")}, "go", "test", "-count=1", "-timeout=2m", "./...")
}
