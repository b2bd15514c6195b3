package repo

import (
	"bytes"
	"fmt"
	"go/format"
	"path/filepath"
	"regexp"
	"strings"
)

// Snippet is one block of Go code in a Markdown file.
type Snippet struct {
	Path string
	Line int // of its first line of code
	Code []byte
}

// Snippets returns the blocks that begin "```go" in Markdown files. Each is
// either a whole file, but for the package clause, which may be left out, or
// begins with a comment that says which file it is an excerpt of.
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

// excerptOf is the first line of an excerpt; gap stands for what it leaves out.
var excerptOf = regexp.MustCompile(`^// (\S+\.go)\n`)

const gap = "// …"

// Source returns the file that the snippet is an excerpt of, "" if it is none.
func (s Snippet) Source() string {
	if m := excerptOf.FindSubmatch(s.Code); m != nil {
		return string(m[1])
	}
	return ""
}

// excerptsAreTrue: an excerpt stands, line by line, in the file that it names,
// which the compiler and its tests see.
func excerptsAreTrue(t *Tree) (found []Problem) {
	for _, s := range Snippets(t) {
		source := s.Source()
		if source == "" {
			continue
		}
		data, ok := t.Files[source]
		if !ok {
			found = append(found, Problem{s.Path, s.Line, fmt.Sprintf("is an excerpt of %s, which does not exist", source)})
			continue
		}
		var part []string
		rest := strings.Split(string(data), "\n")
		lines := strings.Split(strings.TrimRight(string(s.Code), "\n")+"\n"+gap, "\n")[1:]
		for i, line := range lines {
			if strings.TrimSpace(line) != gap {
				part = append(part, line)
				continue
			}
			at := lookFor(part, rest)
			if at < 0 {
				found = append(found, Problem{s.Path, s.Line + 1 + i - len(part),
					fmt.Sprintf("these %d lines do not stand in %s, or not behind those above", len(part), source)})
				break
			}
			rest, part = rest[at+len(part):], nil
		}
	}
	return found
}

// lookFor returns where lines stand in others, perhaps further indented; -1 if
// they do not.
func lookFor(lines, in []string) int {
	for i := range len(in) - len(lines) + 1 {
		same := true
		indent := ""
		if len(lines) > 0 {
			indent, _ = strings.CutSuffix(in[i], lines[0])
			same = strings.Trim(indent, "\t") == ""
		}
		for j, line := range lines {
			if line != "" {
				line = indent + line
			}
			same = same && in[i+j] == line
		}
		if same {
			return i
		}
	}
	return -1
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
