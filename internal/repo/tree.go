package repo

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"golang.org/x/mod/modfile"
)

// prefix is how the path of every module of this repository begins. What
// follows is the module's folder.
const prefix = publish.Prefix

// Tree is a repository as the checks see it. All paths in it are relative to
// its root and have forward slashes.
type Tree struct {
	Files   map[string][]byte // every file that checks look at
	Go      []*GoFile         // the Go files among them, by path
	Modules []*Module         // by folder
	Work    *modfile.WorkFile

	exists map[string]bool // every file, also those that no check looks into
}

// GoFile is one parsed Go file.
type GoFile struct {
	Path   string
	Syntax *ast.File
	fset   *token.FileSet
}

// Module is one go.mod and the folder it is in.
type Module struct {
	Dir  string // "core", "adapters/chi"
	File *modfile.File
}

// Problem is one place where a tree breaks a rule.
type Problem struct {
	Path string
	Line int // 0: the file as a whole
	Text string
}

// String returns the problem as compilers print theirs.
func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.Path, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Text)
}

// Check is one rule of the repository.
type Check struct {
	Name string
	Run  func(*Tree) []Problem
}

// Checks returns all rules that a Tree alone can be judged by.
func Checks() []Check {
	return []Check{
		{"every documented rule has a test", rulesHaveTests},
		{"tests name documented rules", testsNameRules},
		{"documents name tests that exist", proofsExist},
		{"every module is in go.work", modulesInWork},
		{"replacements stand in go.work only", replacements},
		{"all modules need the same Go", sameGo},
		{"core requires nothing", coreRequiresNothing},
		{"published modules are documented", modulesDocumented},
		{"published modules require what is listed", dependenciesAllowed},
		{"what only tests need only tests import", testDependencies},
		{"the front page leads to every module", readmeNamesModules},
		{"workflows test every module", workflowsCoverModules},
		{"Dependabot looks after every module", dependabotCoversModules},
		{"imports point one way", importsPointOneWay},
		{"every package has one package comment", packageComments},
		{"tests do not sleep", noSleep},
		{"no path of one machine", noMachinePaths},
		{"links lead somewhere", linksResolve},
	}
}

// LoadTree reads a repository.
func LoadTree(fsys fs.FS) (*Tree, error) {
	t := &Tree{Files: make(map[string][]byte), exists: make(map[string]bool)}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || p == "bin"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		t.exists[p] = true
		if !wanted(p) {
			return nil
		}
		data, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		t.Files[p] = data
		return t.add(p, data)
	})
	if err != nil {
		return nil, fmt.Errorf("repo: read the tree: %w", err)
	}
	if t.Work == nil {
		return nil, errors.New("repo: read the tree: there is no go.work")
	}
	return t, nil
}

// wanted reports whether checks look at a file of that name.
func wanted(p string) bool {
	switch path.Ext(p) {
	case ".go", ".mod", ".work", ".md", ".yml", ".yaml", ".sh", ".sql":
		return true
	}
	return path.Ext(p) == "" || path.Dir(p) == ".ci"
}

func (t *Tree) add(p string, data []byte) error {
	switch {
	case p == "go.work":
		w, err := modfile.ParseWork(p, data, nil)
		t.Work = w
		return err
	case path.Base(p) == "go.mod":
		m, err := modfile.Parse(p, data, nil)
		t.Modules = append(t.Modules, &Module{Dir: path.Dir(p), File: m})
		return err
	case path.Ext(p) == ".go":
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, data, parser.ParseComments|parser.SkipObjectResolution)
		t.Go = append(t.Go, &GoFile{Path: p, Syntax: f, fset: fset})
		return err
	}
	return nil
}

// paths returns the paths of the files with one of the endings, sorted.
func (t *Tree) paths(endings ...string) []string {
	var found []string
	for p := range t.Files {
		if slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(p, e) }) {
			found = append(found, p)
		}
	}
	slices.Sort(found)
	return found
}

// module returns the innermost module that contains the file, or nil.
func (t *Tree) module(p string) *Module {
	for dir := path.Dir(p); ; dir = path.Dir(dir) {
		for _, m := range t.Modules {
			if m.Dir == dir {
				return m
			}
		}
		if dir == "." {
			return nil
		}
	}
}

// Published reports whether the module gets versions of its own.
func (m *Module) Published() bool { return publish.IsPublished(m.Dir) }

func (g *GoFile) line(n ast.Node) int { return g.fset.Position(n.Pos()).Line }

func (g *GoFile) isTest() bool { return strings.HasSuffix(g.Path, "_test.go") }

// imports returns the import path of each import, with its place.
func (g *GoFile) imports() []imported {
	var all []imported
	for _, spec := range g.Syntax.Imports {
		all = append(all, imported{strings.Trim(spec.Path.Value, "`\""), g.line(spec)})
	}
	return all
}

type imported struct {
	path string
	line int
}
