package repo

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

const workflows = ".github/workflows"

var (
	usesAction   = regexp.MustCompile(`^\s*(?:- )?uses: *(\S+)(.*)$`)
	pinnedAction = regexp.MustCompile(`^([\w.-]+/[\w./-]+)@[0-9a-f]{40}$`)
	versionNote  = regexp.MustCompile(`^ # v[0-9]+\.[0-9]+\.[0-9]+$`)
)

// workflowsAreCareful: a workflow runs no action that somebody else can
// exchange, has no permission that it does not ask for, leaves no credentials
// to what it runs, and ends. actionlint looks at the rest.
func workflowsAreCareful(t *Tree) (found []Problem) {
	pins := make(map[string]string) // of actions
	for _, p := range t.paths(".yml", ".yaml") {
		text := string(t.Files[p])
		if path.Dir(p) != workflows || !strings.Contains("\n"+text, "\non:") {
			continue // what never runs is no workflow, as actionlint says
		}
		report := func(line int, format string, args ...any) {
			found = append(found, Problem{p, line, fmt.Sprintf(format, args...)})
		}
		for _, must := range []struct{ line, why string }{
			{"permissions: {}", "so that each job names what it may"},
			{"concurrency:", "so that no two of it are in each other's way"},
		} {
			if !strings.Contains("\n"+text, "\n"+must.line) {
				report(0, "has no line %q, %s", must.line, must.why)
			}
		}
		if jobs, ends := strings.Count(text, "\n    runs-on:"), strings.Count(text, "\n    timeout-minutes:"); jobs != ends {
			report(0, "has %d jobs, and timeout-minutes for %d: GitHub's own limit is six hours", jobs, ends)
		}
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			m := usesAction.FindStringSubmatch(line)
			if m == nil || strings.HasPrefix(m[1], "./") {
				continue
			}
			pin := pinnedAction.FindStringSubmatch(m[1])
			if pin == nil || !versionNote.MatchString(m[2]) {
				report(i+1, `uses %s: pin the commit's full SHA, with the version behind it, " # v1.2.3"`, m[1])
				continue
			}
			action := strings.Join(strings.SplitN(pin[1], "/", 3)[:2], "/") // without the folder in it
			version := strings.TrimPrefix(m[1], pin[1]) + m[2]
			if before := pins[action]; before != "" && before != version {
				report(i+1, "uses %s%s, and elsewhere %s: take one of them", action, version, before)
			}
			pins[action] = version
			if action == "actions/checkout" && !strings.Contains(step(lines[i+1:]), "persist-credentials: false") {
				report(i+1, "checks out without persist-credentials: false, which leaves the token in the tree")
			}
		}
	}
	return found
}

// step returns the lines up to the next step.
func step(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "- ") {
			break
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
