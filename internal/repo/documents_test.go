package repo

import (
	"maps"
	"os"
	"strings"
	"testing"
)

// TestDocuments runs the rules of documents on this repository.
func TestDocuments(t *testing.T) {
	tree, err := LoadTree(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range DocumentChecks() {
		t.Run(c.Name, func(t *testing.T) {
			for _, p := range c.Run(tree) {
				t.Error(p)
			}
		})
	}
}

const pin = "0123456789012345678901234567890123456789"

const goodWorkflow = `on: push

permissions: {}

concurrency: x

jobs:
  x:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@` + pin + ` # v1.2.3
        with:
          persist-credentials: false
      - uses: ./local
      - run: make test build
    timeout-minutes: 5
`

// goodDocuments is what the small tree of TestChecks lacks to keep the rules of
// documents too.
func goodDocuments() map[string]string {
	teaching := func(name string) string {
		return "// Package " + name + " has sessions.\n//\n// # Use\n//\n// # More\n" + strings.Repeat("//\n// Text.\n", shortDoc/2) + "package " + name + "\n"
	}
	example := func(name string) string { return "package " + name + "_test\n\nfunc Example() {}\n" }
	return map[string]string{
		".github/workflows/careful.yml":       goodWorkflow,
		"Makefile":                            "test: build\n\ttrue\nbuild:\n\ttrue\n",
		".github/workflows/ci.yml":            "jobs:\n",
		"core/doc.go":                         teaching("session"),
		"core/example_test.go":                example("session"),
		"core/inner.go":                       "package session\n\nfunc f() {\n\tif true {\n\t\tf()\n\n\t\tg()\n\t}\n}\n",
		"core/sessiontest/doc.go":             teaching("sessiontest"),
		"core/sessiontest/example_test.go":    example("sessiontest"),
		"core/internal/bits/bits.go":          "package bits\n",
		"adapters/chi/doc.go":                 teaching("chisession"),
		"adapters/chi/chi_test.go":            "package chisession_test\n\nfunc ExampleNew() {}\n",
		"observers/otel/doc.go":               teaching("otelsession"),
		"observers/otel/example_otel_test.go": example("otelsession"),
		"docs/architecture.md":                "| `doc.go`, `inner.go` | all |\n",
		"docs/new.md": "```go\n// core/inner.go\npackage session\n\nfunc f() {\n// …\n}\n```\n\n```sh\ngo\n```\n\n" +
			"```go\n// core/inner.go\nif true {\n\tf()\n\n\tg()\n}\n```\n",
	}
}

// TestDocumentChecks breaks each rule in a small tree that keeps all of them,
// and looks for the one complaint that this must raise.
func TestDocumentChecks(t *testing.T) {
	complaints := func(changes map[string]string) string {
		documents := goodDocuments()
		maps.Copy(documents, changes)
		tree := load(t, documents)
		var all []string
		for _, check := range DocumentChecks() {
			for _, p := range check.Run(tree) {
				all = append(all, p.String())
			}
		}
		return strings.Join(all, "\n")
	}
	if got := complaints(nil); got != "" {
		t.Fatalf("the tree that is to be broken has faults:\n%s", got)
	}
	change := func(path, old, with string) map[string]string {
		before := goodDocuments()[path]
		if !strings.Contains(before, old) {
			t.Fatalf("the good %s has no %q", path, old)
		}
		return map[string]string{path: strings.Replace(before, old, with, 1)}
	}
	excerpt := func(lines ...string) map[string]string {
		return map[string]string{"docs/new.md": "New.\n\n```go\n" + strings.Join(lines, "\n") + "\n```\n"}
	}
	const careful = ".github/workflows/careful.yml"
	for _, c := range []struct {
		name    string
		changes map[string]string
		want    string
	}{
		{"an excerpt of nothing", excerpt("// core/gone.go", "x"), "docs/new.md:4: is an excerpt of core/gone.go, which does not exist"},
		{"an excerpt that is not true", excerpt("// core/inner.go", "func f() {", "}"), "docs/new.md:5: these 2 lines do not stand in core/inner.go"},
		{"an excerpt that is indented otherwise", excerpt("// core/inner.go", "if true {", "f()"), "docs/new.md:5: these 2 lines"},
		{"an excerpt out of order", excerpt("// core/inner.go", "func f() {", "// …", "package session"), "docs/new.md:7: these 1 lines"},
		{"a block without language", map[string]string{"docs/new.md": "```\nx\n```\n"}, `docs/new.md:1: begins a code block of ""`},
		{"a block of golang", map[string]string{"docs/new.md": "```go\nvar x = 1\n```\n```golang\n"}, `docs/new.md:4: begins a code block of "golang"`},
		{"a block of another kind", map[string]string{"docs/new.md": "~~~go\n"}, "docs/new.md:1: begins a code block with ~~~"},

		{"a file of core that nobody finds", map[string]string{"core/new.go": "package session\n"}, "docs/architecture.md: does not say what core's new.go is for"},
		{"no doc.go", map[string]string{"adapters/chi/doc.go": "", "adapters/chi/chi.go": "package chisession\n"}, "adapters/chi/doc.go: is missing"},
		{"a short doc.go", change("core/doc.go", strings.Repeat("//\n// Text.\n", 10), ""), "core/doc.go: has 36 lines and 2 headings"},
		{"a long doc.go", change("core/doc.go", "// Text.\n", strings.Repeat("// Text.\n", 100)), "core/doc.go: has 155 lines"},
		{"a doc.go without headings", change("core/doc.go", "// # Use", "// Use"), "core/doc.go: has 56 lines and 1 headings"},
		{"no Example", change("adapters/chi/chi_test.go", "ExampleNew", "TestNew"), "adapters/chi: has no Example"},

		{"an action by its tag", change(careful, "@"+pin, "@v1"), careful + ":11: uses actions/checkout@v1: pin"},
		{"an action without version", change(careful, " # v1.2.3", ""), careful + ":11: uses actions/checkout@" + pin + ": pin"},
		{"two versions of an action", map[string]string{".github/workflows/new.yml": strings.Replace(goodWorkflow, "v1.2.3", "v1.2.4", 1)},
			"new.yml:11: uses actions/checkout@" + pin + " # v1.2.4, and elsewhere"},
		{"credentials that stay", change(careful, "persist-credentials", "fetch-depth"), careful + ":11: checks out without"},
		{"all permissions", change(careful, "permissions: {}", ""), careful + `: has no line "permissions: {}"`},
		{"no group", change(careful, "concurrency", "x"), careful + `: has no line "concurrency:"`},
		{"a workflow that makes nothing", change(careful, "make test", "make x test"), careful + ":15: makes x, which is no target"},
		{"a workflow that makes nothing at last", change(careful, "make test", "true && make x"), careful + ":15: makes x"},
		{"a document that makes nothing", map[string]string{"docs/new.md": "Say `make x`, and make do.\n"}, "docs/new.md:1: makes x"},
		{"a document's code that makes nothing", map[string]string{"docs/new.md": "```sh\nmake test # make do\nmake x\n```\n"}, "docs/new.md:3: makes x"},
		{"a job without end", change(careful, "    timeout-minutes: 5\n", ""), careful + ": has 1 jobs, and timeout-minutes for 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := complaints(c.changes); !strings.Contains(got, c.want) {
				t.Errorf("complaints:\n%s\nwant one with:\n%s", got, c.want)
			}
		})
	}
}
