package rehearsal

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sessionstate/sessionstate/internal/repo"
	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// readme is what a user follows: which modules to get, and code.
type readme struct {
	name string     // "adapters/gin/README.md"
	gets [][]string // arguments of go, "get example.com/x"
	code []snippet
}

// snippet is one block of Go in a README.
type snippet struct {
	place  string // "adapters/gin/README.md:15"
	code   []byte
	isMain bool
}

// getLine finds the lines of a README that a user runs to get modules.
var getLine = regexp.MustCompile(`(?m)^go (get [^#\n]+)`)

// readReadme reads a README, named as its readers know it.
func readReadme(name, file string) (readme, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return readme{}, fmt.Errorf("rehearsal: there is no %s for users to follow: write one", name)
	}
	if err != nil {
		return readme{}, err
	}
	doc := readme{name: name}
	for _, m := range getLine.FindAllSubmatch(data, -1) {
		doc.gets = append(doc.gets, strings.Fields(string(m[1])))
	}
	for _, s := range repo.Snippets(&repo.Tree{Files: map[string][]byte{name: data}}) {
		code, err := s.File("")
		if err != nil {
			return readme{}, fmt.Errorf("rehearsal: %w", err)
		}
		doc.code = append(doc.code, snippet{
			place:  fmt.Sprintf("%s:%d", s.Path, s.Line),
			code:   code,
			isMain: bytes.HasPrefix(s.Code, []byte("package main\n")),
		})
	}
	return doc, nil
}

// readmeOf reads a module's README, which must say how to get the module.
func readmeOf(m publish.Module) (readme, error) {
	doc, err := readReadme(m.Dir+"/README.md", filepath.Join(m.Folder, "README.md"))
	if err != nil {
		return readme{}, err
	}
	for _, get := range doc.gets {
		for _, arg := range get {
			if arg == m.Path() {
				return doc, nil
			}
		}
	}
	return readme{}, fmt.Errorf("rehearsal: %s does not say how to get the module: it needs a line \"go get %s\"", doc.name, m.Path())
}

// imports returns the paths that a snippet imports.
func (s snippet) imports() ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), s.place, s.code, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("rehearsal: %s: %w", s.place, err)
	}
	var paths []string
	for _, spec := range f.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, "`\""))
	}
	return paths, nil
}
