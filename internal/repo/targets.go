package repo

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

var (
	makeTargets = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	runsMake    = regexp.MustCompile(`\bmake((?: +[a-z][a-z0-9-]*)+)`)

	// runLine is a line of a workflow that begins with make, or runs it after
	// something else.
	runLine = regexp.MustCompile(`(?:^\s*|run: *|&& *)make `)
)

// makeHasTargets: what workflows and the code blocks of documents make can be
// made.
func makeHasTargets(t *Tree) (found []Problem) {
	targets := make(map[string]bool)
	for _, m := range makeTargets.FindAllSubmatch(t.Files["Makefile"], -1) {
		targets[string(m[1])] = true
	}
	check := func(p string, line int, text string) {
		for _, m := range runsMake.FindAllStringSubmatch(text, -1) {
			for target := range strings.FieldsSeq(m[1]) {
				if !targets[target] {
					found = append(found, Problem{p, line, fmt.Sprintf("makes %s, which is no target of the Makefile", target)})
				}
			}
		}
	}
	for _, p := range t.paths(".yml", ".yaml", ".md") {
		inCode := false
		for i, line := range strings.Split(string(t.Files[p]), "\n") {
			code, _, _ := strings.Cut(line, "#") // a comment, or a link's heading
			switch {
			case path.Ext(p) != ".md":
				if m := runLine.FindString(code); m != "" {
					check(p, i+1, code)
				}
			case strings.HasPrefix(strings.TrimSpace(line), "```"):
				inCode = !inCode
			case inCode:
				check(p, i+1, code)
			default:
				for _, m := range quoted.FindAllStringSubmatch(line, -1) {
					if strings.HasPrefix(m[1], "make ") {
						check(p, i+1, m[1])
					}
				}
			}
		}
	}
	return found
}
