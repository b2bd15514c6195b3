package repo

import (
	"bytes"
	"fmt"
	"go/format"
	"path/filepath"
	"strings"
)

// Snippet is one block of Go code in a Markdown file.
type Snippet struct {
	Path string
	Line int // of its first line of code
	Code []byte
}

// Snippets returns the blocks that begin "```go" in Markdown files. Each must
// be a whole file, but for the package clause, which may be left out.
func Snippets(t *Tree) (found []Snippet) {
	for _, p := range t.paths(".md") {
		var s *Snippet
		for i, line := range strings.SplitAfter(string(t.Files[p]), "\n") {
			switch fence := strings.TrimSpace(line); {
			case s == nil && fence == "```go":
				s = &Snippet{Path: p, Line: i + 2}
			case s != nil && fence == "```":
				found = append(found, *s)
				s = nil
			case s != nil:
				s.Code = append(s.Code, line...)
			}
		}
		if s != nil {
			found = append(found, *s) // a block that nothing closes goes to the end
		}
	}
	return found
}

// File returns the snippet as a Go file whose compile errors name the
// Markdown file, or what keeps it from being one.
func (s Snippet) File(root string) ([]byte, error) {
	formatted, err := format.Source(s.Code)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: this is not Go: %w", s.Path, s.Line, err)
	}
	if !bytes.Equal(formatted, s.Code) {
		return nil, fmt.Errorf("%s:%d: this code is not formatted as gofmt does", s.Path, s.Line)
	}
	clause := ""
	if !bytes.HasPrefix(s.Code, []byte("package ")) {
		clause = "package snippet\n"
	}
	return fmt.Appendf(nil, "%s//line %s:%d\n%s", clause, filepath.Join(root, s.Path), s.Line, s.Code), nil
}
