package repo

import (
	"fmt"
	"path"
	"strings"
)

// importsPointOneWay: core imports the standard library and itself; adapters,
// observers and providers import core but never each other, nor another of
// their kind; nobody but examples and internal modules imports those. Test
// files too: a module's tests may not need what the module itself may not.
func importsPointOneWay(t *Tree) (found []Problem) {
	for _, g := range t.Go {
		from := t.module(g.Path)
		if from == nil || !from.Published() {
			continue
		}
		for _, imp := range g.imports() {
			to, ours := strings.CutPrefix(imp.path, prefix)
			switch {
			case ours && !within(to, from.Dir) && !within(to, "core"):
				found = append(found, Problem{g.Path, imp.line, fmt.Sprintf(
					"%s imports %s: adapters, observers and providers know core and nothing else of this project", from.Dir, to)})
			case !ours && from.Dir == "core" && !inStandardLibrary(imp.path):
				found = append(found, Problem{g.Path, imp.line, fmt.Sprintf(
					"core imports %s: it uses the standard library only", imp.path)})
			}
		}
	}
	return found
}

// within reports whether the folder p is dir or below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// inStandardLibrary goes by the rule that import paths without a dot in their
// first element are the standard library's.
func inStandardLibrary(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// packageComments: every package has exactly one, and it begins as godoc wants
// it.
func packageComments(t *Tree) (found []Problem) {
	type pkg struct {
		name     string
		comments []string // files that have one
	}
	var dirs []string
	packages := make(map[string]*pkg)
	for _, g := range t.Go {
		if g.isTest() {
			continue
		}
		dir := path.Dir(g.Path)
		p := packages[dir]
		if p == nil {
			p = &pkg{name: g.Syntax.Name.Name}
			packages[dir] = p
			dirs = append(dirs, dir)
		}
		if g.Syntax.Doc == nil {
			continue
		}
		p.comments = append(p.comments, g.Path)
		if text := g.Syntax.Doc.Text(); p.name != "main" && !strings.HasPrefix(text, "Package "+p.name+" ") {
			found = append(found, Problem{g.Path, g.line(g.Syntax.Doc), fmt.Sprintf("the package comment must begin \"Package %s \"", p.name)})
		}
	}
	for _, dir := range dirs {
		switch p := packages[dir]; {
		case len(p.comments) == 0:
			found = append(found, Problem{dir, 0, fmt.Sprintf("package %s has no package comment", p.name)})
		case len(p.comments) > 1:
			found = append(found, Problem{dir, 0, fmt.Sprintf("package %s has several package comments: %s", p.name, strings.Join(p.comments, ", "))})
		}
	}
	return found
}
