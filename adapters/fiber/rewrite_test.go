package fibersession_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/logger"
	"github.com/gofiber/fiber/v2/middleware/recover"

	session "github.com/sessionstate/sessionstate/core"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

// TestA11_FibersOwn: Fiber's redirects, files, parameters, sub-apps and logger with
// an ID in the path.
func TestA11_FibersOwn(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "file.txt"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.Rewrite(f.mgr))
		f.app.Use(logger.New(logger.Config{Output: &log, Format: "${path} ${url} ${referer} ${route}\n", DisableColors: true}), recover.New(), fibersession.New(f.mgr))
		f.app.Static("/files", folder)
		visit := func(c *fiber.Ctx) error {
			s, err := fibersession.Acquire(c)
			if err != nil {
				return fibersession.Fail(c, err)
			}
			return c.SendString(c.Params("who") + " at " + c.Route().Path + " of " + s.URL("/x"))
		}
		f.app.Get("/slash", visit)
		f.app.Group("/group").Get("/:who", visit)
		sub := fiber.New()
		sub.Get("/deep/:who", visit)
		f.app.Mount("/sub", sub)
		f.app.Get("/moved", func(c *fiber.Ctx) error { return c.Redirect("/slash") })
	}, func(cfg *session.Config) { cfg.ID = session.URI{} })
	client, srv := &http.Client{Timeout: patience}, f
	get := func(path string) (body, at string) {
		t.Helper()
		res, err := client.Get(srv.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%d, %v", res.StatusCode, err)
		}
		return string(text), res.Request.URL.EscapedPath()
	}
	_, at := get("/group/ada")
	prefix, ok := strings.CutSuffix(at, "/group/ada")
	if !ok || !strings.HasPrefix(prefix, "/(S(") {
		t.Fatalf("served at a path of %d bytes", len(at))
	}
	for path, want := range map[string]struct{ body, at string }{
		"/group/grace%20h": {"grace%20h at /group/:who of " + prefix + "/x", "/group/grace%20h"},
		"/sub/deep/grace":  {"grace at /sub/deep/:who of " + prefix + "/x", "/sub/deep/grace"},
		"/slash/":          {" at /slash of " + prefix + "/x", "/slash/"},
		"/moved":           {" at /slash of " + prefix + "/x", "/slash"},
		"/files/file.txt":  {"a file", "/files/file.txt"},
	} {
		if body, at := get(prefix + path); body != want.body || at != prefix+want.at {
			t.Errorf("%s: got a body of %d bytes at a path of %d, want %d at %d", path, len(body), len(at), len(want.body), len(prefix+want.at))
		}
	}
	if id := prefix[len("/(S(") : len(prefix)-2]; log.Len() == 0 || strings.Contains(log.String(), id) {
		t.Errorf("the log has %d bytes, and the ID: %v", log.Len(), strings.Contains(log.String(), id))
	}
}
