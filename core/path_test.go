package session

import (
	"net/url"
	"strings"
	"testing"
)

const someID = "ABCDEFGHIJKLMNOPQRSTUV_-"

func TestPath_CutPrefix(t *testing.T) {
	for path, want := range map[string]struct {
		value, rest string
		found       bool
	}{
		"/":                                          {"", "/", false},
		"":                                           {"", "", false},
		"/page":                                      {"", "/page", false},
		"/(S(" + someID + "))":                       {someID, "/", true},
		"/(S(" + someID + "))/":                      {someID, "/", true},
		"/(S(" + someID + "))/a/b":                   {someID, "/a/b", true},
		"/%28S%28" + someID + "%29%29/a":             {someID, "/a", true},
		"/(S%28" + someID + ")%29/a":                 {someID, "/a", true},
		"/(S())/a":                                   {"", "/a", true},
		"/(S(" + someID[1:] + "))/a":                 {someID[1:], "/a", true},
		"/(S(%41" + someID[1:] + "))/a":              {"%41" + someID[1:], "/a", true},
		"/(S(" + someID + "))//evil.com":             {someID, "/evil.com", true},
		"/(S(" + someID + `))/\evil.com`:             {someID, "/evil.com", true},
		"/(S(" + someID + `))\evil.com`:              {"", "/(S(" + someID + `))\evil.com`, false},
		"/(S(" + someID + "))%2F%2Fevil.com":         {"", "/(S(" + someID + "))%2F%2Fevil.com", false},
		"/(S(" + someID + "))/%2Fevil.com":           {someID, "/%2Fevil.com", true},
		"/(S(" + someID + "))/(S(x))/a":              {someID, "/a", true},
		"/(S(x))/(S(" + someID + "))/a":              {"x", "/a", true},
		"/(S(" + someID + "))//(S(x))///(S())":       {someID, "/", true},
		"/(S(" + someID + ")/a":                      {"", "/(S(" + someID + ")/a", false},
		"/(S(" + someID + "/a))":                     {"", "/(S(" + someID + "/a))", false},
		"/(S(" + someID + "))a":                      {"", "/(S(" + someID + "))a", false},
		"/(s(" + someID + "))/a":                     {"", "/(s(" + someID + "))/a", false},
		"/(X(1)S(" + someID + "))/a":                 {"", "/(X(1)S(" + someID + "))/a", false},
		"(S(" + someID + "))/a":                      {"", "(S(" + someID + "))/a", false},
		"//(S(" + someID + "))/a":                    {"", "//(S(" + someID + "))/a", false},
		"/a/(S(" + someID + "))/a":                   {"", "/a/(S(" + someID + "))/a", false},
		"/(S(" + strings.Repeat("A", 1<<16) + "))/a": {strings.Repeat("A", 1<<16), "/a", true},
		"/%28S%2":                                    {"", "/%28S%2", false},
		"/(S(%29":                                    {"", "/(S(%29", false},
	} {
		value, rest, found := cutPrefix(path)
		if value != want.value || rest != want.rest || found != want.found {
			t.Errorf("%.80q: got %.80q, %.80q, %v, want %.80q, %.80q, %v", path, value, rest, found, want.value, want.rest, want.found)
		}
	}
}

// A path, or a Referer, can be as long as the server takes it, a megabyte: it
// must not cost a copy of what is left for each prefix in it.
func TestPath_ManyPrefixesCostOneCopy(t *testing.T) {
	for _, prefix := range []string{"/(S())", "//(S(x))", `/\(S())`} {
		path := strings.Repeat(prefix, 1000)[1:]
		allocs := testing.AllocsPerRun(10, func() {
			if _, rest, found := cutPrefix("/(S())/" + path + "/a"); rest != "/a" || !found {
				t.Fatalf("%s: %v, %.80q is left", prefix, found, rest)
			}
		})
		if allocs > 2 { // one for what is tried, one for what is left
			t.Errorf("%s: %v allocations", prefix, allocs)
		}
	}
}

func TestPath_RedirectsStayInside(t *testing.T) {
	const prefix, old = "/(S(" + someID + "))", "/(S(old))"
	for location, want := range map[string]struct{ same, moved string }{
		"/":                            {prefix + "/", prefix + "/"},
		"/home?a=b#c":                  {prefix + "/home?a=b#c", prefix + "/home?a=b#c"},
		"/home?to=/(S(x))/":            {prefix + "/home?to=/(S(x))/", prefix + "/home?to=/(S(x))/"},
		old + "/home":                  {prefix + "/home", prefix + "/home"},
		old + "//evil.com":             {prefix + "/evil.com", prefix + "/evil.com"},
		"home":                         {"home", prefix + "/at/home"},
		"../home?x":                    {"../home?x", prefix + "/home?x"},
		"?page=2":                      {"?page=2", prefix + "/at/here?page=2"},
		"#top":                         {"#top", prefix + "/at/here?q=1#top"},
		"":                             {"", prefix + "/at/here?q=1"},
		"http://host/home?a":           {"http://host" + prefix + "/home?a", "http://host" + prefix + "/home?a"},
		"https://HOST" + old + "/home": {"https://HOST" + prefix + "/home", "https://HOST" + prefix + "/home"},
		"//host/home":                  {"//host" + prefix + "/home", "//host" + prefix + "/home"},
		"http://host":                  {"http://host" + prefix + "/", "http://host" + prefix + "/"},
		"//evil.com/home":              {"//evil.com/home", "//evil.com/home"},
		"https://evil.com/host":        {"https://evil.com/host", "https://evil.com/host"},
		"https://host@evil.com/":       {"https://host@evil.com/", "https://host@evil.com/"},
		"https://user@host/":           {"https://user@host/", "https://user@host/"},
		"https://host.evil.com/":       {"https://host.evil.com/", "https://host.evil.com/"},
		"https://host:8443/":           {"https://host:8443/", "https://host:8443/"},
		"ftp://host/":                  {"ftp://host/", "ftp://host/"},
		"mailto:a@host":                {"mailto:a@host", "mailto:a@host"},
		`/\evil.com`:                   {`/\evil.com`, `/\evil.com`},
		"///evil.com":                  {"///evil.com", "///evil.com"},
		"/\t/evil.com":                 {"/\t/evil.com", "/\t/evil.com"},
		"http:///home":                 {"http:///home", "http:///home"},
		"http:home":                    {"http:home", "http:home"},
	} {
		for moved, want := range map[bool]string{false: want.same, true: want.moved} {
			if got := inside(location, prefix, "host", "/at/here?q=1", moved); got != want {
				t.Errorf("%q, moved %v: got %q, want %q", location, moved, got, want)
			}
		}
	}
	// Without a session, what was meant for one is taken out, and nothing else
	// is touched.
	for location, want := range map[string]string{
		"/home": "/home", old + "//evil.com": "/evil.com", "//evil.com": "//evil.com", "http://host" + old + "/x": "http://host/x",
	} {
		if got := inside(location, "", "host", "/", false); got != want {
			t.Errorf("%q without a session: got %q, want %q", location, got, want)
		}
	}
}

func TestPath_EscapesWhatBrowsersWouldNotTakeLiterally(t *testing.T) {
	for target, want := range map[string][2]string{
		"/a/b?c=d":     {"/a/b", "?c=d"},
		"*":            {"/", ""},
		"":             {"/", ""},
		"host:443":     {"/", ""},
		`/\evil.com`:   {"/%5Cevil.com", ""},
		"/a\r\nX: y":   {"/a%0D%0AX:%20y", ""},
		"/ü?<\"#>":     {"/%C3%BC", "?%3C%22%23%3E"},
		"/a?b?c":       {"/a", "?b?c"},
		"/\t/evil.com": {"/%09/evil.com", ""},
	} {
		if path, query := escapeTarget(target); path != want[0] || query != want[1] {
			t.Errorf("%q: got %q, %q, want %q", target, path, query, want)
		}
	}
}

// FuzzPath: whatever the path, what is sent to browsers stays on this site, and
// no ID gets to the router.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/", "/a/b?c#d", "/(S(" + someID + "))/a", "/%28S%28" + someID + "%29%29//evil.com", `/(S())/\evil.com`,
		"/(S(x))/(S(" + someID + "))/a", "//evil.com", "https://evil.com/(S(x))", "/(S(" + someID + "))/%2F/evil.com", "/\t/evil.com",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, target string) {
		path, query := escapeTarget(target)
		value, rest, found := cutPrefix(path)
		if found != (rest != path) || !strings.HasPrefix(rest, "/") || !found && value != "" {
			t.Fatalf("%q: %q, %q, %v", path, value, rest, found)
		}
		if found && len(rest) > 1 && (rest[1] == '/' || rest[1] == '\\') {
			t.Fatalf("%q: browsers take %q for a host", path, rest)
		}
		if _, _, again := cutPrefix(rest); again {
			t.Fatalf("%q: %q has another prefix", path, rest)
		}
		for _, to := range []string{pathPrefix(someID) + rest + query, oneSlash(rest) + query, pathPrefix("") + rest + query} {
			stays(t, to)
		}
		to := inside(target, pathPrefix(someID), "host", rest+query, true)
		if to != target && strings.Contains(to, someID) {
			if strings.HasPrefix(to, pathPrefix(someID)+"/") {
				stays(t, to)
			} else if u, err := url.Parse(to); err != nil || !strings.EqualFold(u.Host, "host") {
				t.Fatalf("a redirect to %q was sent to %q: %v", target, to, err)
			}
		}
	})
}

// stays fails the test unless browsers take ref for a path of this site.
func stays(t *testing.T, ref string) {
	t.Helper()
	if !isLocalPath(ref) {
		t.Fatalf("%q is no path of this site", ref)
	}
	at, err := url.Parse("https://host/at/here")
	if err != nil {
		t.Fatal(err)
	}
	if to, err := at.Parse(ref); err == nil && to.Host != "host" { // what url.Parse does not take, browsers escape
		t.Fatalf("%q leads to %q", ref, to.Host)
	}
}
