package repo

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// unproved is what may stand in a proof column in place of a test: the claim
// is then that the library does not do it.
var unproved = []string{"application", "not built", "deviation", "does not apply"}

// testSpan is what looks like a test's name between backquotes.
var testSpan = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9_]*|[MSA][0-9]+/[^`]+)`")

// separator is a cell of the line below a table's head.
var separator = regexp.MustCompile(`^:?-+:?$`)

// proofsExist: documents name tests that exist, and in a table whose last
// column is headed "proof" every row names one, or says in one of the words
// above that there is none to name.
func proofsExist(t *Tree) (found []Problem) {
	tests := t.testNames()
	for _, p := range t.paths(".md") {
		if path.Dir(p) != "docs" {
			continue
		}
		inProofs := false
		for i, line := range strings.Split(string(t.Files[p]), "\n") {
			report := func(format string, args ...any) {
				found = append(found, Problem{p, i + 1, fmt.Sprintf(format, args...)})
			}
			for _, m := range testSpan.FindAllStringSubmatch(line, -1) {
				if !tests[m[1]] && p != semantics { // there rulesHaveTests says so
					report("names %s, which is not a test function, nor a subtest in %s", m[1], kits)
				}
			}
			last, isRow := lastCell(line)
			switch {
			case !isRow:
				inProofs = false
			case last == "proof":
				inProofs = true
			case !inProofs || separator.MatchString(last):
			case !testSpan.MatchString(last) && !slices.ContainsFunc(unproved, func(w string) bool { return strings.HasPrefix(last, w) }):
				report("this row proves nothing: name a test, or say one of %q", unproved)
			}
		}
	}
	return found
}

// lastCell returns the last cell of a table's row, if the line is one.
func lastCell(line string) (string, bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") {
		return "", false
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	return strings.TrimSpace(cells[len(cells)-1]), true
}
