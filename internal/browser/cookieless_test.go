package main

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/chromedp/chromedp"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// TestAutoDetect has visitors with and without cookies at a site that takes
// either: both can fill a cart, log in and out, and no link leads out of their
// session.
func TestAutoDetect(t *testing.T) {
	t.Parallel()
	t.Run("cookies are kept", func(t *testing.T) {
		t.Parallel()
		v := visit(t, chromium(t), newSite(t))
		v.gets("/deep/page?x=1")
		v.isAt("", "/deep/page?x=1")
		if got := len(must(v.cookies())(v)); got != 2 {
			t.Errorf("the browser keeps %d cookies, want that of the session and that of the test", got)
		}
		v.walks()
	})
	t.Run("cookies are blocked", func(t *testing.T) {
		t.Parallel()
		v := visit(t, chromium(t, withoutCookies(t)), newSite(t))
		v.gets("/deep/page?x=1")
		first := v.isAt("/(S(…))", "/deep/page?x=1")
		v.walks()
		if cookies := must(v.cookies())(v); len(cookies) != 0 {
			t.Errorf("the browser keeps %d cookies: none of this was without", len(cookies))
		}
		v.content("CookieIssue") // that it has refused the test cookie
		// Who has the URL from before the login has nothing: it is refused, and
		// what is done with it later begins anew.
		status, err := v.visit(first + "/deep/page")
		v.must(err)
		if status != http.StatusConflict {
			t.Errorf("the URL from before the login: status %d, want 409", status)
		}
		v.content("CookieIssue", "status of 409")
		// A form of a page whose session has ended, or that never had one, is
		// not lost.
		v.gets("/form")
		v.isAt("", "/form")
		v.must(v.fill("#what", "a mug"))
		v.clicks("button")
		v.sees("In the cart: a mug.")
		v.content("CookieIssue")
	})
}

// walks is a visit of a client who is at /deep/page, in either way.
func (v *visitor) walks() {
	v.t.Helper()
	was := v.prefix()
	for i, link := range []string{"#relative", "#absolute", "#redirect"} {
		v.sees("Visit " + string(rune('1'+2*i)) + ".")
		v.clicks(link)
		v.isAt(shown(was), "/")
		v.clicks("#deep")
		v.isAt(shown(was), "/deep/page")
	}
	v.must(v.fill("#what", "a mug"))
	v.clicks("#add")
	v.sees("In the cart: a mug.", "Nobody is logged in.")
	if got := v.prefix(); got != was {
		v.t.Error("the ID in the path has changed without a login")
	}
	v.clicks("#login")
	v.sees("In the cart: a mug.", "Ada is logged in.")
	if got := v.prefix(); shown(got) != shown(was) || was != "" && got == was {
		v.t.Error("the login has not changed the ID in the path")
	}
	v.clicks("#relative")
	v.sees("In the cart: a mug.", "Ada is logged in.")
	v.clicks("#logout")
	v.sees("In the cart: nothing.", "Nobody is logged in.")
}

// pathID is an ID in a path, with parentheses as the server writes them, or as
// html/template does.
var pathID = regexp.MustCompile(`^/(?:\(|%28)S(?:\(|%28)([A-Za-z0-9_-]{24})(?:\)|%29){2}`)

// shown is a prefix that messages may contain.
func shown(prefix string) string { return pathID.ReplaceAllString(prefix, "/(S(…))") }

// isAt fails if the visitor's page is another, and returns the prefix of its
// URL.
func (v *visitor) isAt(prefix, path string) string {
	v.t.Helper()
	if got := shown(must(run[string](v.tab, "location.pathname + location.search"))(v)); got != prefix+path {
		v.t.Fatalf("the page is at %s, want %s", got, prefix+path)
	}
	return v.prefix()
}

// prefix returns what the visitor's URL has in front of the path. It is for
// comparison: no message may contain it.
func (v *visitor) prefix() string {
	v.t.Helper()
	m := pathID.FindStringSubmatch(must(run[string](v.tab, "location.pathname"))(v))
	if m == nil {
		return ""
	}
	return "/(S(" + m[1] + "))"
}

// must returns a value, and fails if there is an error.
func must[T any](value T, err error) func(v *visitor) T {
	return func(v *visitor) T {
		v.t.Helper()
		v.must(err)
		return value
	}
}

// withoutCookies is the setting of a browser that blocks all cookies.
func withoutCookies(t *testing.T) chromedp.ExecAllocatorOption {
	t.Helper()
	profile := t.TempDir()
	const preferences = `{"profile":{"default_content_setting_values":{"cookies":2}}}`
	folder := filepath.Join(profile, "Default")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "Preferences"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	return chromedp.UserDataDir(profile)
}

var (
	visited = session.NewKey[int]("visits")
	cart    = session.NewKey[string]("cart")
	user    = session.NewKey[string]("user")
)

var pages = template.Must(template.New("page").Parse(`<!DOCTYPE html><html lang="en"><head><title>Site</title><link rel="icon" href="data:,"></head><body>
<p>Visit {{.Visits}}. In the cart: {{or .Cart "nothing"}}. {{or .User "Nobody"}} is logged in.</p>
<a id="relative" href="{{.Up}}">up</a> <a id="absolute" href="{{.S.URL "/"}}">home</a>
<a id="redirect" href="{{.S.URL "/away"}}">away and back</a> <a id="deep" href="{{.S.URL "/deep/page"}}">deep</a>
<form method="post" action="{{.S.URL "/add"}}"><label for="what">What</label><input id="what" name="what" autocomplete="off"><button id="add">Add</button></form>
<form method="post" action="{{.S.URL "/login"}}"><button id="login">Log in</button></form>
<form method="post" action="{{.S.URL "/logout"}}"><button id="logout">Log out</button></form>
</body></html>`))

const form = `<!DOCTYPE html><html lang="en"><head><title>Form</title><link rel="icon" href="data:,"></head><body>
<form method="post" action="/add"><label for="what">What</label><input id="what" name="what" autocomplete="off"><button>Add</button></form></body></html>`

// newSite starts a small site and returns its address.
func newSite(t *testing.T) string {
	t.Helper()
	sessions, err := session.New(memstore.New(), session.Config{
		ID:     session.AutoDetect{Cookie: session.Cookie{Insecure: true}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sessions.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	mux := http.NewServeMux()
	handle := func(pattern string, handler func(w http.ResponseWriter, r *http.Request, s *session.Session) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s, err := httpsession.Acquire(r)
			if err == nil {
				err = handler(w, r, s)
			}
			if err != nil {
				httpsession.Fail(w, r, err)
			}
		})
	}
	page := func(up string) func(http.ResponseWriter, *http.Request, *session.Session) error {
		return func(w http.ResponseWriter, _ *http.Request, s *session.Session) error {
			if err := visited.Update(s, func(n int) int { return n + 1 }); err != nil {
				return err
			}
			n, _ := visited.Get(s)
			what, _ := cart.Get(s)
			who, _ := user.Get(s)
			return pages.Execute(w, map[string]any{"S": s, "Up": up, "Visits": n, "Cart": what, "User": who})
		}
	}
	handle("GET /{$}", page("deep/../"))
	handle("GET /deep/page", page("../"))
	handle("GET /away", func(w http.ResponseWriter, r *http.Request, _ *session.Session) error {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	})
	handle("POST /add", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := cart.Set(s, r.FormValue("what")); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	})
	handle("POST /login", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.Renew(); err != nil {
			return err
		}
		if err := user.Set(s, "Ada"); err != nil {
			return err
		}
		http.Redirect(w, r, "/deep/page", http.StatusSeeOther)
		return nil
	})
	handle("POST /logout", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.Abandon(); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	})
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(form))
	})
	srv := httptest.NewServer(httpsession.Rewrite(sessions)(httpsession.New(sessions)(mux)))
	t.Cleanup(srv.Close)
	return srv.URL
}
