package publish

import (
	"slices"
	"strings"
	"testing"
)

func TestCheckVersion(t *testing.T) {
	for _, c := range []struct {
		version, released, want string
	}{
		{"v0.1.0", "", ""},
		{"v0.1.0-rc.1", "", ""},
		{"v0.1.0", "v0.1.0-rc.1", ""},
		{"v0.1.0-rc.2", "v0.1.0-rc.1", ""},
		{"v0.1.1", "v0.1.0", ""},
		{"v0.2.0", "v0.1.0 v0.1.1", ""},
		{"v0.2.0-beta.1", "v0.1.1", ""},
		{"v1.0.0", "v0.9.3", ""},
		{"v1.3.0", "v1.2.9", ""},
		{"v0.10.0", "v0.9.0 v0.8.0", ""},

		{"v0.0.1", "", "not how a module begins"},
		{"v1.0.0", "", "not how a module begins"},
		{"v0.1.0", "v0.1.0", "released already"},
		{"v0.1.1", "v0.1.1 v0.1.2", "released already"},
		{"v0.1.3", "v0.1.4", "not higher than v0.1.4"},
		{"v0.2.0-rc.1", "v0.2.0", "not higher"},
		{"v0.1.2", "v0.1.0", "skips a version"},
		{"v0.2.1", "v0.1.0", "skips a version"},
		{"v0.3.0", "v0.1.0", "skips a version"},
		{"v1.1.0", "v0.1.0", "skips a version"},
		{"v2.0.0", "v1.0.0", "another major version"},
		{"v0.1.1-0.20261121000000-0123456789ab", "v0.1.0", "no version to release"},
		{"latest", "", "no version to release"},
	} {
		err := CheckVersion(c.version, strings.Fields(c.released))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s after %q: %v, want %q", c.version, c.released, err, c.want)
		}
	}
}

func TestWithSums(t *testing.T) {
	m := Module{Dir: "core", Version: "v0.2.0"}.Mod()
	lines := func(versions ...string) string {
		var b strings.Builder
		for _, v := range versions {
			b.WriteString(Prefix + "core " + v + " h1:x=\n" + Prefix + "core " + v + "/go.mod h1:y=\n")
		}
		return b.String()
	}
	before, after := "example.com/a v1.0.0 h1:a=\n", Prefix+"corex v0.1.0 h1:c=\nz.example/z v1.0.0 h1:z=\n"
	for name, sums := range map[string]string{
		"missing": before + after, "old": before + lines("v0.1.0") + after, "both": before + lines("v0.1.0", "v0.2.0") + after, "there": before + lines("v0.2.0") + after,
	} {
		if got, want := string(withSums([]byte(sums), m, Sums{"h1:x=", "h1:y="})), before+lines("v0.2.0")+after; got != want {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
	}
	if got, want := string(withSums(nil, m, Sums{"h1:x=", "h1:y="})), lines("v0.2.0"); got != want {
		t.Errorf("no go.sum: got\n%swant\n%s", got, want)
	}
}

func TestFallback(t *testing.T) {
	for configured, want := range map[string]string{
		"https://a.example,direct": "https://a.example", "https://a.example|https://b.example,direct": "https://a.example,https://b.example",
		"direct": "direct", "": "direct", "off": "off", "https://a.example,off": "https://a.example,off",
	} {
		if got := fallback(configured); got != want {
			t.Errorf("%q: got %q, want %q", configured, got, want)
		}
	}
}

func TestIsPublished(t *testing.T) {
	for dir, want := range map[string]bool{
		"core": true, "adapters/chi": true, "observers/otel": true, "providers/sql": true,
		"adapters": false, "adapters/": false, "core/memstore": false, "internal/repo": false, "examples": false, "": false,
	} {
		if got := IsPublished(dir); got != want {
			t.Errorf("%q: %v", dir, got)
		}
	}
	dirs, err := Published("../../..")
	if err != nil || dirs[0] != "core" || !slices.IsSorted(dirs[1:]) || slices.Contains(dirs, "examples") {
		t.Errorf("this repository publishes %q, %v", dirs, err)
	}
}
