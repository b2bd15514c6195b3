package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTab_Complains: what TestShop relies on when it hears nothing.
func TestTab_Complains(t *testing.T) {
	b := chromium(t)
	pages := map[string]string{
		"/console":   `<script src=console.js></script>`,
		"/throw":     `<script src=throw.js></script>`,
		"/reject":    `<script src=reject.js></script>`,
		"/inline":    `<script>1</script>`,
		"/attribute": `<p style="color: red">`,
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

	tb, err := b.visitor(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tb.close)
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/console", []string{`console.error: "bad" 7`}},
		{"/throw", []string{"Uncaught", "Error: thrown"}},
		{"/reject", []string{"Uncaught (in promise)", "Error: rejected"}},
		{"/inline", []string{"ContentSecurityPolicyIssue: script-src"}},
		{"/attribute", []string{"ContentSecurityPolicyIssue: style-src"}},
		{"/blocked", []string{"ContentSecurityPolicyIssue: img-src"}},
		{"/elsewhere", []string{"external request: http://elsewhere.example/x.png", "net::ERR_NAME_NOT_RESOLVED"}}, // whatever the network
		{"/port", []string{"external request: http://127.0.0.1:2/x.png"}},
		{"/missing", []string{"status of 404"}},
	} {
		if _, err := tb.visit(c.path); err != nil {
			t.Fatal(err)
		}
		tb.hears(t, c.path, c.want)
	}

	good, err := b.visitor(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(good.close)
	if _, err := good.visit("/good"); err != nil {
		t.Fatal(err)
	}
	if heard := good.heard(); len(heard) > 0 {
		t.Errorf("a good page: heard %q", heard)
	}
}

// hears waits for complaints, some of which come after the page has loaded.
func (tb *tab) hears(t *testing.T, path string, want []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for heard := ""; ; {
		heard += strings.Join(append(tb.heard(), ""), "\n")
		missing := slices.DeleteFunc(slices.Clone(want), func(text string) bool { return strings.Contains(heard, text) })
		if len(missing) == 0 {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Errorf("%s: no complaint with %q, but\n%s", path, missing, heard)
			return
		}
	}
}
