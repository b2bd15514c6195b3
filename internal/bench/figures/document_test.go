package figures

import (
	"strings"
	"testing"
)

const document = `# Title

By hand, with | a | table.
<!-- begin one: written by make bench -->
old
<!-- end one -->
More, <!-- begin two: written by make bench --> in the middle of a line.
<!-- begin two: written by make bench -->
<!-- end two -->
no line end`

// TestReplaceLeavesTheRestAlone: what stands between marks is replaced, and
// nothing else, however often.
func TestReplaceLeavesTheRestAlone(t *testing.T) {
	blocks := []*Block{{"two", "2\n"}, {"one", "\n1\n\n1\n"}}
	want := strings.NewReplacer("old\n", "\n1\n\n1\n\n", "-->\n<!-- end two", "-->\n\n2\n\n<!-- end two").Replace(document)
	got, err := Replace(document, blocks)
	if err != nil || got != want {
		t.Fatalf("got %v\n%q, want\n%q", err, got, want)
	}
	if again, err := Replace(got, blocks); err != nil || again != got {
		t.Errorf("a second time: got %v\n%q, want\n%q", err, again, got)
	}
}

// TestReplaceRefuses: a document whose marks are not those of the blocks is
// left alone.
func TestReplaceRefuses(t *testing.T) {
	one, two := &Block{"one", "1"}, &Block{"two", "2"}
	for _, c := range []struct {
		name, document string
		blocks         []*Block
		want           string
	}{
		{"marks that nobody fills", document, []*Block{one}, `nothing measures "two"`},
		{"a block without marks", document, []*Block{one, two, {"three", "3"}}, `no place for "three"`},
		{"no end", "<!-- begin one: written by make bench -->\nlost\n", []*Block{one}, `"one" does not end`},
		{"no begin", "<!-- end one -->\n", nil, `"one" ends, which has not begun`},
		{"another's end", "<!-- begin one: written by make bench -->\n<!-- end two -->\n", []*Block{one}, `"two" ends, which has not begun`},
		{"one in the other", strings.Replace(document, "<!-- end one -->\n", "", 1), []*Block{one, two}, `"two" begins within "one"`},
		{"twice", document + "\n" + document, []*Block{one, two}, `"one" begins a second time`},
		{"nearly a mark", "<!-- begin one: written by hand -->\n", nil, "nearly a mark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Replace(c.document, c.blocks)
			if err == nil || !strings.Contains(err.Error(), c.want) || got != "" {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
