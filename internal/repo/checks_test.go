package repo

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// TestChecks breaks each rule in a small tree that keeps all of them, and
// looks for the one complaint that this must raise.
func TestChecks(t *testing.T) {
	const core, chi, otel = "core/go.mod", "adapters/chi/go.mod", "observers/otel/go.mod"
	for _, c := range []struct {
		name    string
		changes map[string]string // "": the file is removed
		want    string
	}{
		{"a rule without proof", doc("M6", "Nobody has tested this."), "docs/semantics.md:21: rule M6 names no test"},
		{"a proof that does not exist", doc("M6", "Proof: `TestM6_Gone`."), "rule M6 names TestM6_Gone, which is not a test"},
		{"a proof that is not a test", doc("M6", "Proof: `M6_Helper`."), "rule M6 names M6_Helper, which is not a test"},
		{"a proof of another rule", doc("M6", "Proof: `TestM7_Works`."), "rule M6 names TestM7_Works, whose name does not"},
		{"a subtest that does not exist", doc("S6", "Proof: `S6/it works twice`."), "rule S6 names S6/it works twice, which is not"},
		{"a proof on the paragraph's second line", doc("M6", "Proof: `TestM6_Works`,\n`TestM6_Gone`."), "docs/semantics.md:24: rule M6 names TestM6_Gone"},
		{"a rule that is not built", doc("M6", "Not built yet: later."), "rule M6 names no test"},
		{"a missing rule", replaced("docs/semantics.md", "### M6 ", "### About M6 "), "rule M7 stands where M6 should"},
		{"a rule given twice", replaced("docs/semantics.md", "### M7 ", "### M6 "), "rule M6 stands where M7 should"},
		{"a missing last rule", replaced("docs/semantics.md", "### A11 ", "### About A11 "), "rule A11 is missing"},
		{"a rule too many", replaced("docs/semantics.md", "### S1 ", "### M24 x\n\n### S1 "), "rule M24 stands where M24 should, of 23"},
		{"no document", map[string]string{"docs/semantics.md": ""}, "docs/semantics.md: is missing"},
		{"a test of no rule", map[string]string{"core/new_test.go": "package session\n\nfunc TestM6_S17_Works() {}\n"},
			"core/new_test.go:3: TestM6_S17_Works: there is no rule S17"},

		{"a guide's proof that does not exist", proofs("| x | `TestM6_Gone` |"), "docs/new.md:3: names TestM6_Gone"},
		{"a guide's subtest that does not exist", map[string]string{"docs/new.md": "It is so (`S6/it works twice`).\n"}, "docs/new.md:1: names S6/it works twice"},
		{"a guide's row without proof", proofs("| x | of course |"), "docs/new.md:3: this row proves nothing"},
		{"a guide's row with an empty proof", proofs("| x | |"), "docs/new.md:3: this row proves nothing"},

		{"a module outside go.work", replaced("go.work", "use ./adapters/chi\n", ""), "adapters/chi/go.mod: is not used in go.work"},
		{"go.work uses nothing", replaced("go.work", "use ./core\n", "use ./core\nuse ./gone\n"), "go.work:4: uses ./gone"},
		{"a module of another name", replaced(chi, "adapters/chi", "adapters/gin"), "adapters/chi/go.mod:1: the module is called"},
		{"a replace in a published module", replaced(chi, "\n\nrequire", "\n\nreplace example.com/x => ../x\n\nrequire"), "adapters/chi/go.mod:5: replaces example.com/x"},
		{"go.work replaces all versions", replaced("go.work", "core v0.1.0 =>", "core =>"), "go.work:7: replaces every version"},
		{"go.work replaces a stranger", replaced("go.work", "github.com/sessionstate/sessionstate/core v", "example.com/x v"), "only modules of this tree"},
		{"go.work replaces from elsewhere", replaced("go.work", "=> ./core", "=> ../core"), "only modules of this tree"},
		{"another Go", replaced(core, "go 1.25.0", "go 1.26.0"), "core/go.mod: says go 1.26.0"},
		{"no Go", replaced(core, "go 1.25.0", ""), "core/go.mod: says go :"},
		{"a toolchain", replaced("go.work", "go 1.25.0\n", "go 1.25.0\n\ntoolchain go1.26.0\n"), "go.work: names a toolchain"},
		{"core requires something", replaced(core, "go 1.25.0\n", "go 1.25.0\n\nrequire example.com/x v1.0.0\n"), "core/go.mod:5: requires example.com/x"},
		{"no readme", map[string]string{"adapters/chi/README.md": ""}, "adapters/chi/README.md: is missing"},
		{"no readme of an observer", map[string]string{"observers/otel/README.md": ""}, "observers/otel/README.md: is missing"},
		{"no changelog", map[string]string{"core/CHANGELOG.md": ""}, "core/CHANGELOG.md: is missing"},
		{"a changelog without room", replaced("core/CHANGELOG.md", "Unreleased", "0.1.0"), `core/CHANGELOG.md: has no heading "## [Unreleased]"`},

		{"a dependency without a reason", replaced(chi, "\n\nrequire", "\n\nrequire example.com/x v1.0.0\n\nrequire"), "adapters/chi/go.mod:5: requires example.com/x, which docs/dependencies.md does not list for adapters/chi"},
		{"an indirect dependency that is not listed", replaced(chi, "\n\nrequire", "\n\nrequire example.com/x v1.0.0 // indirect\n\nrequire"), "adapters/chi/go.mod:5: requires example.com/x, which"},
		{"a direct dependency listed as indirect", replaced(otel, "api/more v1.0.0 // indirect", "api/more v1.0.0"), "observers/otel/go.mod:8: requires example.com/api/more directly"},
		{"a listed dependency that has gone", replaced(otel, "require example.com/api v1.0.0\n", ""), "docs/dependencies.md:9: lists example.com/api, which observers/otel does not require"},
		{"a listed indirect dependency that has gone", replaced(otel, "require example.com/api/more v1.0.0 // indirect\n", ""), "docs/dependencies.md:13: lists example.com/api/more, which"},
		{"a reason that is missing", replaced(dependencies, "for spans", ""), "docs/dependencies.md:9: there is no reason for example.com/api"},
		{"a dependency of nobody", replaced(dependencies, "| programs |", "| everybody |"), `docs/dependencies.md:9: example.com/api is needed by "everybody"`},
		{"a module without a list", replaced(dependencies, "## observers/otel", "## Observers"), `docs/dependencies.md: has no heading "## observers/otel"`},
		{"a list of no module", replaced(dependencies, "## adapters/chi", "## adapters/chi\n\n## adapters/gone"), "docs/dependencies.md: lists adapters/gone"},
		{"no list", map[string]string{dependencies: ""}, "docs/dependencies.md: is missing"},
		{"a program gets what is for tests", replaced("observers/otel/doc.go", prefix+"core", "example.com/kit/x"), "observers/otel/doc.go:4: imports example.com/kit/x, which docs/dependencies.md lists for tests alone"},
		{"a front page without a module", replaced("README.md", "[chi](adapters/chi)", "adapters/chi"), "README.md: does not link to adapters/chi"},
		{"nothing that tests", map[string]string{ci: ""}, ".ci/run: does not test core"},
		{"workflows without a module", replaced(ci, "- run: make SHORT=1 test", "# make test\n      - run: make lint"), ".github/workflows/ci.yml: does not test adapters/chi"},
		{"workflows that name all modules but one", replaced(ci, "make SHORT=1 test", "go test ./core/... ./adapters/chi/... ./observers/otelx"), ".github/workflows/ci.yml: does not test observers/otel"},
		{"Dependabot without a module", replaced(dependabot, "      - /core\n", ""), ".github/dependabot.yml: does not name core"},
		{"Dependabot with a module too many", replaced(dependabot, "      - /core\n", "      - /core\n      - /gone\n"), ".github/dependabot.yml: names gone"},

		{"core imports a library", map[string]string{"core/new_test.go": imports("session", "example.com/x")}, "core/new_test.go:3: core imports example.com/x"},
		{"core imports an adapter", map[string]string{"core/new.go": imports("session", prefix+"adapters/chi")}, "core imports adapters/chi: adapters, observers and"},
		{"an adapter imports another", map[string]string{"adapters/chi/new.go": imports("chisession", prefix+"adapters/gin")}, "adapters/chi imports adapters/gin"},
		{"an adapter's test imports a provider", map[string]string{"adapters/chi/new_test.go": imports("chisession", prefix+"providers/sql")}, "adapters/chi imports providers/sql"},
		{"an observer imports an adapter", map[string]string{"observers/otel/new.go": imports("otelsession", prefix+"adapters/chi")}, "observers/otel imports adapters/chi"},
		{"an adapter's test imports an observer", map[string]string{"adapters/chi/new_test.go": imports("chisession", prefix+"observers/otel")}, "adapters/chi imports observers/otel"},
		{"no package comment", map[string]string{"core/new/new.go": "package x\n"}, "core/new: package x has no package comment"},
		{"two package comments", map[string]string{"core/new.go": "// Package session too.\npackage session\n"}, "core: package session has several package comments: core/doc.go, core/new.go"},
		{"an odd package comment", replaced("core/doc.go", "// Package session", "// This package"), `core/doc.go:1: the package comment must begin "Package session "`},

		{"a test that sleeps", map[string]string{"core/new_test.go": imports("session", "time") + "\nfunc f() { time.Sleep(1) }\n"}, "core/new_test.go:5: time.Sleep"},
		{"product code that sleeps", map[string]string{"core/new.go": imports("session", "time") + "\nfunc f() { time.Sleep(1) }\n"}, "core/new.go:5: time.Sleep"},
		{"somebody's home", map[string]string{"Makefile": "all:\n\tls /ho" + "me/somebody\n"}, "Makefile:2: names a path of one machine"},
		{"somebody's Windows", map[string]string{"README.md": "`C:" + `\Us` + "ers`\n"}, "README.md:1: names a path of one machine"},
		{"a dead link", map[string]string{"docs/new.md": "See [this](../gone.md).\n"}, "docs/new.md:1: links to gone.md"},
		{"a dead heading", map[string]string{"docs/new.md": "See [this](semantics.md#m6-gone).\n"}, "links to docs/semantics.md#m6-gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := load(t, c.changes)
			var all []string
			for _, check := range Checks() {
				for _, p := range check.Run(tree) {
					all = append(all, p.String())
				}
			}
			if got := strings.Join(all, "\n"); !strings.Contains(got, c.want) {
				t.Errorf("complaints:\n%s\nwant one with:\n%s", got, c.want)
			}
		})
	}
}

// TestGoodTree: the tree that TestChecks breaks is beyond reproach.
func TestGoodTree(t *testing.T) {
	tree := load(t, map[string]string{
		"core/bubble_test.go": imports("session", "testing/synctest"),
		"core/asleep_test.go": imports("session", "time") + "\nfunc f() { time.Sleep(1) }\n",
		"docs/new.png":        "\x89PNG",
		ci:                    "",
		".ci/run":             "exec make test\n",
		dependabot:            "",
		"docs/new.md": "See [there](semantics.md#m6-title), [above](#new), [core](../core), ![a picture](new.png) and [elsewhere](https://example.com/tmp/x).\n\n" +
			"| what | proof |\n| --- | --- |\n| x | `TestM6_Works`, `S6/it works` |\n| y | application |\n\n| a | b |\n| --- | --- |\n| x | of course |\n\n# New\n\n```go\nx[0](gone)\n```\n",
	})
	for _, check := range Checks() {
		for _, p := range check.Run(tree) {
			t.Errorf("%s: %v", check.Name, p)
		}
	}
}

func TestLoadTree_BrokenFiles(t *testing.T) {
	for path, data := range map[string]string{"go.work": "use", "core/go.mod": "module", "core/doc.go": "pakage x"} {
		fsys := goodTree()
		fsys[path] = &fstest.MapFile{Data: []byte(data)}
		if _, err := LoadTree(fsys); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("with a broken %s: %v, want an error that names it", path, err)
		}
	}
	fsys := goodTree()
	delete(fsys, "go.work")
	if _, err := LoadTree(fsys); err == nil {
		t.Error("without go.work: no error")
	}
}

func TestLongFiles(t *testing.T) {
	tree := load(t, map[string]string{"core/long.go": "package session\n" + strings.Repeat("\n", 100)})
	got := LongFiles(tree, 100)
	if len(got) != 1 || got[0] != (LongFile{"core/long.go", 101}) {
		t.Errorf("got %v, want core/long.go with 101 lines", got)
	}
}

func TestSnippets(t *testing.T) {
	tree := load(t, map[string]string{"README.md": "Text.\n\n```go\npackage main\n\nfunc main() {}\n```\n\n```sh\nls\n```\n\n```go\nvar x = 1\n```\n\n```go\nvar  x = 1\n```\n\n```go\nfunc {\n"})
	snippets := Snippets(tree)
	if len(snippets) != 4 {
		t.Fatalf("found %d snippets, want 4", len(snippets))
	}
	for i, want := range []string{
		"//line r/README.md:4\npackage main\n\nfunc main() {}\n",
		"package snippet\n//line r/README.md:14\nvar x = 1\n",
	} {
		if got, err := snippets[i].File("r"); err != nil || string(got) != want {
			t.Errorf("snippet %d: %q, %v, want %q", i, got, err, want)
		}
	}
	for _, s := range snippets[2:] {
		if _, err := s.File("r"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("README.md:%d", s.Line)) {
			t.Errorf("%q: %v, want an error that names the place", s.Code, err)
		}
	}
}

// goodTree is a small repository that keeps every rule.
func goodTree() fstest.MapFS {
	fsys := fstest.MapFS{}
	for path, data := range map[string]string{
		"go.work": "go 1.25.0\n\nuse ./core\nuse ./adapters/chi\nuse ./observers/otel\n\nreplace github.com/sessionstate/sessionstate/core v0.1.0 => ./core\n",

		"core/go.mod":        "module github.com/sessionstate/sessionstate/core\n\ngo 1.25.0\n",
		"core/README.md":     "# core\n",
		"core/CHANGELOG.md":  "# Changelog\n\n## [Unreleased]\n",
		"core/doc.go":        "// Package session has sessions.\npackage session\n",
		"core/rules_test.go": "package session\n\nfunc M6_Helper() {}\n" + tests(),

		"core/sessiontest/doc.go": "// Package sessiontest has kits.\npackage sessiontest\n\nvar names = []string{" + subtests() + "}\n",

		"adapters/chi/go.mod":       "module github.com/sessionstate/sessionstate/adapters/chi\n\ngo 1.25.0\n\nrequire github.com/sessionstate/sessionstate/core v0.1.0\n",
		"adapters/chi/README.md":    "# chi\n",
		"adapters/chi/CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n",
		"adapters/chi/doc.go":       "// Package chisession adapts.\npackage chisession\n\nimport _ \"github.com/sessionstate/sessionstate/core/sessiontest\"\n",

		"observers/otel/go.mod": "module github.com/sessionstate/sessionstate/observers/otel\n\ngo 1.25.0\n\nrequire github.com/sessionstate/sessionstate/core v0.1.0\n" +
			"require example.com/api v1.0.0\nrequire example.com/kit v1.0.0\nrequire example.com/api/more v1.0.0 // indirect\n",
		"observers/otel/README.md":    "# otel\n",
		"observers/otel/CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n",
		"observers/otel/doc.go":       "// Package otelsession observes.\npackage otelsession\n\nimport _ \"github.com/sessionstate/sessionstate/core\"\n",

		"docs/semantics.md": document("", ""),
		dependencies: "## core\n\n## adapters/chi\n\n## observers/otel\n\n| module | for | why |\n| --- | --- | --- |\n" +
			"| `example.com/api` | programs | for spans |\n| `example.com/kit` | tests | for tests |\n\nWith them come: or do\nnot, `example.com/api/more`.\n",

		"README.md": "# Sessions\n\nSee [core](core), [chi](adapters/chi) and [otel](observers/otel/README.md).\n",
		ci:          "jobs:\n  test:\n    steps:\n      - run: make SHORT=1 test\n",
		dependabot: "version: 2\nupdates:\n  - package-ecosystem: gomod\n    directories:\n      - /core\n      - \"/adapters/chi\" # the smallest\n" +
			"  - package-ecosystem: gomod\n    directory: /observers/otel\n  - package-ecosystem: github-actions\n    directory: /\n",
	} {
		fsys[path] = &fstest.MapFile{Data: []byte(data)}
	}
	return fsys
}

// load reads the good tree with changes.
func load(t *testing.T, changes map[string]string) *Tree {
	t.Helper()
	fsys := goodTree()
	for path, data := range changes {
		fsys[path] = &fstest.MapFile{Data: []byte(data)}
		if data == "" {
			delete(fsys, path)
		}
	}
	tree, err := LoadTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// replaced returns a change of the good tree's file.
func replaced(path, old, with string) map[string]string {
	before := string(goodTree()[path].Data)
	after := strings.Replace(before, old, with, 1)
	if before == after {
		panic("the good tree's " + path + " has no " + old)
	}
	return map[string]string{path: after}
}

func imports(pkg, path string) string {
	return fmt.Sprintf("package %s\n\nimport %q\n", pkg, path)
}

// doc returns the good tree's document with another text under one rule.
func doc(rule, text string) map[string]string {
	return map[string]string{"docs/semantics.md": document(rule, text)}
}

// proofs returns a document with a table of proofs that has one row.
func proofs(row string) map[string]string {
	return map[string]string{"docs/new.md": "| what | proof |\n| --- | --- |\n" + row + "\n"}
}

func document(rule, text string) string {
	var b strings.Builder
	for id := range ids() {
		fmt.Fprintf(&b, "### %s Title\n\n", id)
		switch {
		case id == rule:
			b.WriteString(text)
		case id[0] == 'M':
			fmt.Fprintf(&b, "Proof: `Test%s_Works`.", id)
		default:
			fmt.Fprintf(&b, "Proof: `%s/it works`.", id)
		}
		b.WriteString("\n\n")
	}
	return b.String()
}

func tests() string {
	var b strings.Builder
	for id := range ids() {
		fmt.Fprintf(&b, "func Test%s_Works() {}\n", id)
	}
	return b.String()
}

func subtests() string {
	var b strings.Builder
	for id := range ids() {
		fmt.Fprintf(&b, "\"%s/it works\", ", id)
	}
	return b.String()
}

// ids yields every rule's number in the document's order.
func ids() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, letter := range []string{"M", "S", "A"} {
			for n := range lastOf[letter] {
				if !yield(fmt.Sprintf("%s%d", letter, n+1)) {
					return
				}
			}
		}
	}
}
