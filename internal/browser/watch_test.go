package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTab_Complains: what TestShop relies on when it hears nothing.
func TestTab_Complains(t *testing.T) {
	b := chromium(t)
	pages := map[string]string{
		"/console":   `<script src=console.js></script>`,
		"/throw":     `<script src=throw.js></script>`,
		"/reject":    `<script src=reject.js></script>`,
		"/inline":    `<script>1</script>`,
		"/handler":   `<p style="color: red">`,
		"/blocked":   `<img src="http://elsewhere.example/x.png">`,
		"/elsewhere": `<img src="http://elsewhere.example/x.png">`,
		"/port":      `<img src="http://127.0.0.1:2/x.png">`,
		"/missing":   `<img src="missing.png">`,
		"/good":      `<p>Nothing is wrong here.</p>`,
	}
	scripts := map[string]string{
		"/console.js": `console.error("bad", 7)`,
		"/throw.js":   `throw new Error("thrown")`,
		"/reject.js":  `Promise.reject(new Error("rejected"))`,
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/elsewhere" && r.URL.Path != "/port" {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
		}
		if script, ok := scripts[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/javascript")
			io.WriteString(w, script)
		} else if page, ok := pages[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, `<!DOCTYPE html><html lang="en"><title>x</title><link rel="icon" href="/good">`+page)
		} else {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(site.Close)

	for _, c := range []struct{ path, want string }{
		{"/console", `console.error: "bad" 7`},
		{"/throw", "thrown"},
		{"/reject", "rejected"},
		{"/inline", "script-src"},
		{"/handler", "style-src"},
		{"/blocked", "img-src"},
		{"/elsewhere", "external request: http://elsewhere.example/x.png"},
		{"/elsewhere", "net::ERR_NAME_NOT_RESOLVED"}, // whatever the network
		{"/port", "external request: http://127.0.0.1:2/x.png"},
		{"/missing", "status of 404"},
	} {
		tb, err := b.visitor(site.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tb.visit(c.path); err != nil {
			t.Fatal(err)
		}
		if heard := strings.Join(tb.heard(), "\n"); !strings.Contains(heard, c.want) {
			t.Errorf("%s: heard %s\nwant a complaint with %s", c.path, heard, c.want)
		}
		if _, err := tb.visit("/good"); err != nil {
			t.Fatal(err)
		}
		if heard := tb.heard(); len(heard) > 0 {
			t.Errorf("a good page: heard %q", heard)
		}
		tb.close()
	}
}
