package rehearsal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// TestTry runs web servers that count visits, and fail to.
func TestTry(t *testing.T) {
	t.Parallel()
	const count = `n := 1; if c, err := r.Cookie("n"); err == nil { n, _ = strconv.Atoi(c.Value); n++ }; http.SetCookie(w, &http.Cookie{Name: "n", Value: strconv.Itoa(n)})`
	for _, c := range []struct {
		name, handler, start, want string
	}{
		{"counts", count + `; fmt.Fprint(w, n)`, `http.ListenAndServe("localhost:8080", nil)`, ""},
		{"everywhere", count + `; fmt.Fprint(w, n)`, `http.ListenAndServe(":8080", nil)`, ""},
		{"forgets", `fmt.Fprint(w, 1)`, `http.ListenAndServe("localhost:8080", nil)`, `visit 2 is answered with "1"`},
		{"says nothing", count, `http.ListenAndServe("localhost:8080", nil)`, `visit 1 is answered with ""`},
		{"fails", `http.Error(w, "no 1", 503)`, `http.ListenAndServe("localhost:8080", nil)`, "status 503 Service Unavailable: no 1"},
		{"ends", count, `fmt.Errorf("%s", "localhost:8080")`, "the program has ended before it answered: exit status 1\n127.0.0.1:"},
		{"reads a variable", count, `http.ListenAndServe("localhost:8080", nil); _ = os.Getenv("MISSING_URL")`, "no MISSING_URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			code := fmt.Sprintf(`package main

import ("fmt"; "net/http"; "os"; "strconv")

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { %s })
	err := %s
	fmt.Print(err)
	os.Exit(1)
}

var _ = strconv.Itoa
`, c.handler, c.start)
			for name, text := range map[string]string{"go.mod": "module example.com/x\n\ngo 1.25.0\n", "program1/main.go": code} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			env, err := publish.Outside{Proxy: publish.Proxy(dir), Cache: filepath.Join(dir, "modules")}.Environment(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r := &run{env: env, Config: Config{Missing: func(_, name string) error { return errors.New("no " + name) }}}
			done, err := r.try(t.Context(), dir, program{snippet: snippet{place: "README.md:1", code: []byte(code), isMain: true}, name: "program1"})
			if c.want == "" && (err != nil || !done) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("ran: %v, %v, want %q", done, err, c.want)
			}
		})
	}
}

func TestFromEnvironment(t *testing.T) {
	t.Setenv("SESSION_TEST_POSTGRES", "postgres://here")
	t.Setenv("SESSION_TEST_COSMOS", "")
	var log string
	cfg := Config{Log: func(format string, args ...any) { log += fmt.Sprintf(format, args...) }}
	FromEnvironment(&cfg)
	if got := cfg.Servers["DATABASE_URL"]; got != "postgres://here" {
		t.Errorf("DATABASE_URL is %q", got)
	}
	t.Setenv("SESSION_TEST_REQUIRE", "")
	if err := cfg.Missing("README.md:1", "COSMOS"); err != nil || !strings.Contains(log, "SKIPPED running README.md:1: SESSION_TEST_COSMOS is not set") {
		t.Errorf("without a server: %v, and the log says %q", err, log)
	}
	t.Setenv("SESSION_TEST_REQUIRE", "1")
	if err := cfg.Missing("README.md:1", "COSMOS"); err == nil {
		t.Error("a server that is required is not missed")
	}
	if err := cfg.Missing("README.md:1", "REDIS_URL"); err == nil || !strings.Contains(err.Error(), "REDIS_URL") {
		t.Errorf("a server that nobody knows: %v", err)
	}
}
