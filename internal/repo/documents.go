package repo

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// DocumentChecks returns the rules of what is read, here and on GitHub, beside
// those of Checks.
func DocumentChecks() []Check {
	return []Check{
		{"excerpts are true", excerptsAreTrue},
		{"code blocks say what they are", blocksSayWhatTheyAre},
		{"the architecture names every file of core", coreIsDescribed},
		{"published packages teach", packagesTeach},
		{"workflows are careful", workflowsAreCareful},
		{"make has the targets that are made", makeHasTargets},
	}
}

// languages are what a code block may be of.
var languages = []string{"go", "sh", "sql", "text", "mermaid", "csharp", "yaml"}

// blocksSayWhatTheyAre: no Go code hides from the compiler in a block without
// a language, or of one that Snippets does not know.
func blocksSayWhatTheyAre(t *Tree) (found []Problem) {
	for _, p := range t.paths(".md") {
		open := false
		for i, line := range strings.Split(string(t.Files[p]), "\n") {
			fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
			switch {
			case !isFence:
				if strings.HasPrefix(strings.TrimSpace(line), "~~~") && !open {
					found = append(found, Problem{p, i + 1, "begins a code block with ~~~: take ```"})
				}
			case open:
				open = false
			default:
				open = true
				if !slices.Contains(languages, fence) {
					found = append(found, Problem{p, i + 1, fmt.Sprintf("begins a code block of %q: say one of %q", fence, languages)})
				}
			}
		}
	}
	return found
}

// architecture says what each file of core is for.
const architecture = "docs/architecture.md"

// coreIsDescribed: who looks for a rule finds the file, also the one that came
// last.
func coreIsDescribed(t *Tree) (found []Problem) {
	text := string(t.Files[architecture])
	for _, g := range t.Go {
		if dir, name := path.Split(g.Path); dir == "core/" && !g.isTest() && !strings.Contains(text, "`"+name+"`") {
			found = append(found, Problem{architecture, 0, fmt.Sprintf("does not say what core's %s is for", name)})
		}
	}
	return found
}

// A package's documentation teaches it: what is shorter says too little for
// somebody who has found it on pkg.go.dev, and what is longer belongs into a
// document.
const shortDoc, longDoc = 50, 130

// packagesTeach: every package that users get has a doc.go of some length, with
// headings, and an Example that tests run or at least compile.
func packagesTeach(t *Tree) (found []Problem) {
	examples := make(map[string]bool)
	for _, g := range t.Go {
		if g.isTest() && slices.ContainsFunc(g.Syntax.Decls, isExample) {
			examples[path.Dir(g.Path)] = true
		}
	}
	seen := make(map[string]bool)
	for _, g := range t.Go {
		dir := path.Dir(g.Path)
		if m := t.module(g.Path); m == nil || !m.Published() || g.isTest() || seen[dir] || strings.Contains("/"+dir+"/", "/internal/") {
			continue
		}
		seen[dir] = true
		doc := path.Join(dir, "doc.go")
		text, ok := t.Files[doc]
		lines, headings := strings.Count(string(text), "\n"), strings.Count(string(text), "\n// # ")
		switch {
		case !ok:
			found = append(found, Problem{doc, 0, "is missing: every published package has one"})
		case lines < shortDoc || lines > longDoc || headings < 2:
			found = append(found, Problem{doc, 0, fmt.Sprintf("has %d lines and %d headings: a package is taught in some 60 to 120 lines, with headings", lines, headings)})
		}
		if !examples[dir] {
			found = append(found, Problem{dir, 0, "has no Example: show how it is used"})
		}
	}
	return found
}

func isExample(decl ast.Decl) bool {
	f, ok := decl.(*ast.FuncDecl)
	return ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example")
}
