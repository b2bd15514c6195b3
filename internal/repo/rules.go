package repo

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// semantics is where the rules M, S and A stand, each under a heading of its
// own, "### M6 Queue limit", with a paragraph that begins "Proof: " and names
// its tests between backquotes: test functions, and subtests of the
// conformance kits by the names that sessiontest gives them.
const semantics = "docs/semantics.md"

// kits is the package whose string literals name subtests.
const kits = "core/sessiontest/"

// lastOf says how many rules of each letter there are.
var lastOf = map[string]int{"M": 23, "S": 16, "A": 11}

// rule is one rule as the document has it.
type rule struct {
	id    string // "M6"
	line  int    // of its heading
	proof []reference
}

// reference names a test.
type reference struct {
	name string
	line int
}

var (
	ruleHeading = regexp.MustCompile(`^### ([MSA][0-9]+) `)
	quoted      = regexp.MustCompile("`([^`]+)`")
	numbered    = regexp.MustCompile(`^([MSA])([0-9]+)$`)
)

// parseRules reads the rules from Markdown.
func parseRules(markdown string) (rules []rule) {
	inProof := false
	for i, line := range strings.Split(markdown, "\n") {
		if m := ruleHeading.FindStringSubmatch(line); m != nil {
			rules = append(rules, rule{id: m[1], line: i + 1})
			inProof = false
			continue
		}
		if len(rules) == 0 {
			continue
		}
		r := &rules[len(rules)-1]
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
			inProof = false
		case strings.HasPrefix(line, "Proof: "):
			inProof = true
		}
		if inProof {
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				r.proof = append(r.proof, reference{m[1], i + 1})
			}
		}
	}
	return rules
}

// rulesHaveTests: the document has every rule once and in order, and each
// names tests that exist and carry its number.
func rulesHaveTests(t *Tree) (found []Problem) {
	report := func(line int, format string, args ...any) {
		found = append(found, Problem{semantics, line, fmt.Sprintf(format, args...)})
	}
	if t.Files[semantics] == nil {
		report(0, "is missing")
		return found
	}
	rules := parseRules(string(t.Files[semantics]))
	next := map[string]int{"M": 1, "S": 1, "A": 1}
	for _, r := range rules {
		m := numbered.FindStringSubmatch(r.id)
		n, err := strconv.Atoi(m[2])
		if want := next[m[1]]; err != nil || n != want || n > lastOf[m[1]] {
			report(r.line, "rule %s stands where %s%d should, of %d", r.id, m[1], want, lastOf[m[1]])
		}
		next[m[1]] = n + 1
	}
	for _, letter := range []string{"M", "S", "A"} {
		for n := next[letter]; n <= lastOf[letter]; n++ {
			report(0, "rule %s%d is missing", letter, n)
		}
	}

	tests := t.testNames()
	for _, r := range rules {
		if len(r.proof) == 0 {
			report(r.line, `rule %s names no test: write one, and name it in a paragraph that begins "Proof: "`, r.id)
		}
		for _, ref := range r.proof {
			switch {
			case !slices.Contains(rulesIn(ref.name), r.id):
				report(ref.line, "rule %s names %s, whose name does not carry its number", r.id, ref.name)
			case !tests[ref.name]:
				report(ref.line, "rule %s names %s, which is not a test function, nor a subtest in %s", r.id, ref.name, kits)
			}
		}
	}
	return found
}

// testsNameRules: a test that says it proves a rule says one that exists.
func testsNameRules(t *Tree) (found []Problem) {
	for _, g := range t.Go {
		for _, decl := range g.Syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !g.isTest() || !isTestName(f.Name.Name) {
				continue
			}
			for _, id := range rulesIn(f.Name.Name) {
				m := numbered.FindStringSubmatch(id)
				if n, err := strconv.Atoi(m[2]); err != nil || n < 1 || n > lastOf[m[1]] {
					found = append(found, Problem{g.Path, g.line(f), fmt.Sprintf("%s: there is no rule %s", f.Name.Name, id)})
				}
			}
		}
	}
	return found
}

// rulesIn returns the rules whose numbers a test's name carries: "M6" for
// TestM6_QueueLimitIsExact, "S5" for "S5/a lapsed token still saves".
func rulesIn(name string) (ids []string) {
	if head, _, isSubtest := strings.Cut(name, "/"); isSubtest {
		if numbered.MatchString(head) {
			ids = append(ids, head)
		}
		return ids
	}
	for _, kind := range testKinds {
		name = strings.TrimPrefix(name, kind)
	}
	for part := range strings.SplitSeq(name, "_") {
		if !numbered.MatchString(part) {
			break
		}
		ids = append(ids, part)
	}
	return ids
}

var testKinds = []string{"Test", "Fuzz"}

func isTestName(name string) bool {
	return slices.ContainsFunc(testKinds, func(kind string) bool { return strings.HasPrefix(name, kind) })
}

// testNames returns the names of all test functions, and of what may be a
// subtest of a conformance kit.
func (t *Tree) testNames() map[string]bool {
	names := make(map[string]bool)
	for _, g := range t.Go {
		if g.isTest() {
			for _, decl := range g.Syntax.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && isTestName(f.Name.Name) {
					names[f.Name.Name] = true
				}
			}
		} else if strings.HasPrefix(g.Path, kits) {
			ast.Inspect(g.Syntax, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil && len(rulesIn(s)) > 0 && strings.Contains(s, "/") {
						names[s] = true
					}
				}
				return true
			})
		}
	}
	return names
}
