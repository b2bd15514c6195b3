package repo

import (
	"bytes"
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// noSleep: tests wait for what they expect, not for a while. In a bubble of
// testing/synctest time costs nothing, so packages that use it may sleep:
// whether a function runs in a bubble, its source does not say. Product code
// that must wait does so until its context ends, which time.Sleep does not.
func noSleep(t *Tree) (found []Problem) {
	bubbles := make(map[string]bool) // folders of packages
	for _, g := range t.Go {
		if slices.ContainsFunc(g.imports(), func(i imported) bool { return i.path == "testing/synctest" }) {
			bubbles[path.Dir(g.Path)] = true
		}
	}
	for _, g := range t.Go {
		if bubbles[path.Dir(g.Path)] {
			continue
		}
		if m := t.module(g.Path); !g.isTest() && (m == nil || !m.Published()) {
			continue
		}
		ast.Inspect(g.Syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isSleep(call.Fun) {
				found = append(found, Problem{g.Path, g.line(n),
					"time.Sleep: wait for what is to happen (a channel, a context), or run in a bubble of testing/synctest"})
			}
			return true
		})
	}
	return found
}

func isSleep(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Sleep" {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == "time"
}

// machinePath finds absolute paths that exist on one machine only.
var machinePath = regexp.MustCompile("(?:^|[\\s\"'`(=])(/(?:root|home|work|tmp|Users)/[\\w.-]|[A-Z]:\\\\Users)")

// noMachinePaths: nothing in the tree depends on whose machine it is on.
func noMachinePaths(t *Tree) (found []Problem) {
	for _, p := range t.paths("") {
		for i, line := range bytes.Split(t.Files[p], []byte("\n")) {
			if m := machinePath.FindSubmatch(line); m != nil {
				found = append(found, Problem{p, i + 1, fmt.Sprintf("names a path of one machine, %s…", m[1])})
			}
		}
	}
	return found
}

// link finds the targets of Markdown links, angle brackets excluded.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// linksResolve: links between files of the repository lead to files and
// headings that exist. Links to elsewhere are not looked at.
func linksResolve(t *Tree) (found []Problem) {
	for _, p := range t.paths(".md") {
		for i, line := range prose(t.Files[p]) {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				target, heading, _ := strings.Cut(m[1], "#")
				if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
					continue
				}
				file := p
				if target != "" {
					file = path.Join(path.Dir(p), target)
				}
				switch {
				case !t.has(file):
					found = append(found, Problem{p, i + 1, fmt.Sprintf("links to %s, which does not exist", file)})
				case heading != "" && !slices.Contains(anchors(t.Files[file]), heading):
					found = append(found, Problem{p, i + 1, fmt.Sprintf("links to %s#%s, and there is no such heading", file, heading)})
				}
			}
		}
	}
	return found
}

// has reports whether there is a file or a folder of that path.
func (t *Tree) has(p string) bool {
	if t.exists[p] {
		return true
	}
	for file := range t.exists {
		if strings.HasPrefix(file, p+"/") {
			return true
		}
	}
	return false
}

// anchors returns the names by which a Markdown file's headings are linked to.
func anchors(markdown []byte) (names []string) {
	for _, line := range prose(markdown) {
		text := strings.TrimLeft(line, "#")
		if text == line || !strings.HasPrefix(text, " ") {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
				return r
			case r == ' ':
				return '-'
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(text)))
		names = append(names, name)
	}
	return names
}

// prose returns the lines of a Markdown file, those in blocks of code empty.
func prose(markdown []byte) []string {
	lines := strings.Split(string(markdown), "\n")
	fenced := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence {
			fenced = !fenced
		}
		if fence || fenced {
			lines[i] = ""
		}
	}
	return lines
}

// LongFile is a Go file that may have become more than one job.
type LongFile struct {
	Path  string
	Lines int
}

// LongFiles returns the Go files of more than limit lines. Length alone is no
// mistake, so this is not a Check.
func LongFiles(t *Tree, limit int) (long []LongFile) {
	for _, g := range t.Go {
		if n := bytes.Count(t.Files[g.Path], []byte("\n")); n > limit {
			long = append(long, LongFile{g.Path, n})
		}
	}
	return long
}
