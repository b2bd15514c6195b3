package cosmosstore

import (
	"strings"
	"testing"
)

func TestSessionTokens(t *testing.T) {
	for _, c := range []struct {
		what    string
		answers []string
		want    string
	}{
		{"none", nil, ""},
		{"one", []string{"0:-1#12"}, "0:-1#12"},
		{"a newer one", []string{"0:-1#12", "0:-1#13"}, "0:-1#13"},
		{"an older one", []string{"0:-1#13", "0:-1#12"}, "0:-1#13"},
		{"numbers, not text", []string{"0:-1#9", "0:-1#10"}, "0:-1#10"},
		{"a newer version", []string{"0:1#900#1=1", "0:2#10#1=1"}, "0:2#10#1=1"},
		{"with regions", []string{"0:1#900#1=5#2=7", "0:1#901#1=5#2=8"}, "0:1#901#1=5#2=8"},
		{"plain", []string{"0:7", "0:8", "0:6"}, "0:8"},
		{"several partitions", []string{"1:-1#5", "0:-1#7", "1:-1#6"}, "0:-1#7,1:-1#6"},
		{"several in one answer", []string{"0:-1#7,1:-1#5", "1:-1#6"}, "0:-1#7,1:-1#6"},
		{"of no known form", []string{"0:abc", "0:abd", "nonsense"}, "0:abd"},
	} {
		var tokens sessionTokens
		for _, a := range c.answers {
			tokens.learn(a)
		}
		got := ""
		if h := tokens.header(); h != nil {
			got = *h
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	var many sessionTokens
	var all []string
	for i := range 1000 {
		all = append(all, number(int64(i))+":-1#"+strings.Repeat("9", 10))
	}
	many.learn(strings.Join(all, ","))
	if many.header() != nil {
		t.Error("a header that is too long is sent")
	}
}
