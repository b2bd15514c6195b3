package repo

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

const (
	ci         = ".github/workflows/ci.yml"
	dependabot = ".github/dependabot.yml"
)

// everything finds what runs the tests of all modules of the workspace: the
// targets of the Makefile that do, which get their list from go.work, or
// `.ci/run`, which calls one of them.
var everything = regexp.MustCompile(`\bmake\b.*\b(?:test|race)\b|\.ci/run\b`)

// workflowsCoverModules: if changes are tested by a workflow, it tests every
// module, by what the Makefile makes of go.work or by name. Without one it is
// .ci/run that has to.
func workflowsCoverModules(t *Tree) (found []Problem) {
	file := ci
	if t.Files[file] == nil {
		file = ".ci/run"
	}
	var commands strings.Builder
	for line := range strings.Lines(string(t.Files[file])) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			commands.WriteString(line)
		}
	}
	if everything.MatchString(commands.String()) {
		return nil
	}
	for _, m := range t.Modules {
		if !regexp.MustCompile(`(?m)(?:^|[\s"':./])` + regexp.QuoteMeta(m.Dir) + `(?:[\s"'/]|$)`).MatchString(commands.String()) {
			found = append(found, Problem{file, 0, fmt.Sprintf("does not test %s: run `make test` or `make race`, which go through go.work, or name it", m.Dir)})
		}
	}
	return found
}

// dependabotCoversModules: every module is looked after by Dependabot, if the
// repository has it do so.
func dependabotCoversModules(t *Tree) (found []Problem) {
	data := t.Files[dependabot]
	if data == nil {
		return nil
	}
	named := make(map[string]bool)
	for _, m := range dependabotFolder.FindAllSubmatch(data, -1) {
		named[strings.Trim(string(m[1]), "/")] = true
	}
	for _, m := range t.Modules {
		if !named[m.Dir] {
			found = append(found, Problem{dependabot, 0, fmt.Sprintf("does not name %s: dependencies of that module grow old unnoticed", m.Dir)})
		}
		delete(named, m.Dir)
	}
	for dir := range named {
		if dir != "" && !t.has(dir) {
			found = append(found, Problem{dependabot, 0, fmt.Sprintf("names %s, which does not exist", dir)})
		}
	}
	return found
}

// dependabotFolder finds the folders that dependabot.yml names, be they the
// value of "directory" or entries of "directories".
var dependabotFolder = regexp.MustCompile(`(?m)^\s*(?:-\s+)?(?:directory:\s*|-\s*)["']?(/[\w./-]*)["']?\s*(?:#.*)?$`)

// readmeNamesModules: the front page leads to every module.
func readmeNamesModules(t *Tree) (found []Problem) {
	const readme = "README.md"
	linked := make(map[string]bool)
	for _, line := range prose(t.Files[readme]) {
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			linked[path.Clean(target)] = true
		}
	}
	for _, m := range t.Modules {
		if !linked[m.Dir] && !linked[path.Join(m.Dir, readme)] {
			found = append(found, Problem{readme, 0, fmt.Sprintf("does not link to %s: every module is listed there", m.Dir)})
		}
	}
	return found
}
