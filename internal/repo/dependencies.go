package repo

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// dependencies is where the modules of others are listed that the published
// modules may require: under a heading "## adapters/gin" a table whose rows give
// a module, who needs it ("programs" that use the adapter, or its "tests"), and
// why; below it a paragraph that begins "With them come: " and names between
// backquotes what those require in turn.
//
// A go.mod lists everything that a build of the module or of its tests needs,
// so it is the go.mod that is compared: all of it is read by the go command of
// whoever uses the module, and takes part in choosing versions there. What is
// compiled into programs, the rehearsal of a release looks at.
const dependencies = "docs/dependencies.md"

// Dependency is one module of others in the list.
type Dependency struct {
	Path   string
	For    string // "programs", "tests", or "" for what comes with those
	Reason string
	line   int
}

var (
	moduleHeading = regexp.MustCompile(`^## ([a-z/0-9]+)$`)
	dependencyRow = regexp.MustCompile("^\\| `([^`]+)` \\| ([a-z]+) \\| (.*) \\|$")
)

// with is how the paragraph of what comes along begins.
const with = "With them come: "

// ParseDependencies reads the list: for each folder of a module what it may
// require.
func ParseDependencies(markdown []byte) map[string][]Dependency {
	list := make(map[string][]Dependency)
	dir, along := "", false
	for i, line := range strings.Split(string(markdown), "\n") {
		if strings.HasPrefix(line, "#") {
			dir = ""
			if m := moduleHeading.FindStringSubmatch(line); m != nil {
				dir = m[1]
				list[dir] = nil
			}
		}
		along = strings.HasPrefix(line, with) || along && strings.TrimSpace(line) != ""
		if dir == "" {
			continue
		}
		if m := dependencyRow.FindStringSubmatch(line); m != nil {
			list[dir] = append(list[dir], Dependency{m[1], m[2], strings.TrimSpace(m[3]), i + 1})
		}
		if along {
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				list[dir] = append(list[dir], Dependency{Path: m[1], line: i + 1})
			}
		}
	}
	return list
}

// dependenciesAllowed: each published module requires what the list says, and
// core; and the list says nothing more, and a reason for each that is required
// directly.
func dependenciesAllowed(t *Tree) (found []Problem) {
	data := t.Files[dependencies]
	if data == nil {
		return []Problem{{dependencies, 0, "is missing: it lists what the published modules may require, and why"}}
	}
	list := ParseDependencies(data)
	for _, m := range t.Modules {
		if !m.Published() {
			continue
		}
		file := path.Join(m.Dir, "go.mod")
		allowed, listed := list[m.Dir]
		if !listed {
			found = append(found, Problem{dependencies, 0, fmt.Sprintf("has no heading \"## %s\"", m.Dir)})
		}
		for _, r := range m.File.Require {
			if strings.HasPrefix(r.Mod.Path, prefix) {
				continue // importsPointOneWay judges these
			}
			i := slices.IndexFunc(allowed, func(d Dependency) bool { return d.Path == r.Mod.Path })
			switch {
			case i < 0:
				found = append(found, Problem{file, r.Syntax.Start.Line,
					fmt.Sprintf("requires %s, which %s does not list for %s: do without it, or give the reason there", r.Mod.Path, dependencies, m.Dir)})
			case !r.Indirect && allowed[i].For == "":
				found = append(found, Problem{file, r.Syntax.Start.Line,
					fmt.Sprintf("requires %s directly, and %s lists it as what comes with others: give the reason there", r.Mod.Path, dependencies)})
			}
		}
		found = append(found, listedWell(m, allowed)...)
	}
	for dir := range list {
		if !slices.ContainsFunc(t.Modules, func(m *Module) bool { return m.Dir == dir && m.Published() }) {
			found = append(found, Problem{dependencies, 0, fmt.Sprintf("lists %s, which is no published module", dir)})
		}
	}
	return found
}

// listedWell judges a module's part of the list.
func listedWell(m *Module, allowed []Dependency) (found []Problem) {
	for _, d := range allowed {
		report := func(format string, args ...any) {
			found = append(found, Problem{dependencies, d.line, fmt.Sprintf(format, args...)})
		}
		if !slices.ContainsFunc(m.File.Require, func(r *modfile.Require) bool { return r.Mod.Path == d.Path }) {
			report("lists %s, which %s does not require", d.Path, m.Dir)
		}
		switch {
		case d.For == "":
		case d.For != "programs" && d.For != "tests":
			report("%s is needed by %q: say programs or tests", d.Path, d.For)
		case d.Reason == "":
			report("there is no reason for %s", d.Path)
		}
	}
	return found
}

// testDependencies: what is listed as needed by tests is imported by test files
// only.
func testDependencies(t *Tree) (found []Problem) {
	list := ParseDependencies(t.Files[dependencies])
	for _, g := range t.Go {
		m := t.module(g.Path)
		if m == nil || g.isTest() {
			continue
		}
		for _, imp := range g.imports() {
			for _, d := range list[m.Dir] {
				if d.For == "tests" && within(imp.path, d.Path) && !slices.ContainsFunc(list[m.Dir], func(o Dependency) bool {
					return o.For == "programs" && len(o.Path) > len(d.Path) && within(imp.path, o.Path)
				}) {
					found = append(found, Problem{g.Path, imp.line, fmt.Sprintf("imports %s, which %s lists for tests alone", imp.path, dependencies)})
				}
			}
		}
	}
	return found
}
