package ginsession_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// TestA11_GinsOwn: Gin's redirects, files, parameters, groups and Logger with
// an ID in the path.
func TestA11_GinsOwn(t *testing.T) {
	mgr, err := session.New(memstore.New(), session.Config{ID: session.URI{}, ReapInterval: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mgr.Close(context.Background()); err != nil {
			t.Errorf("M22: %v", err)
		}
	})
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "file.txt"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	engine := gin.New()
	engine.Use(gin.LoggerWithWriter(&log), gin.RecoveryWithWriter(io.Discard), ginsession.New(mgr))
	engine.RedirectFixedPath = true
	engine.Static("/files", folder)
	var failed []string
	visit := func(c *gin.Context) {
		s, err := ginsession.Acquire(c)
		if err != nil {
			ginsession.Fail(c, err)
			failed = c.Errors.Errors()
			return
		}
		c.String(200, c.Param("who")+" at "+c.FullPath()+" of "+s.URL("/x"))
	}
	engine.GET("/slash/", visit)
	group := engine.Group("/group", func(c *gin.Context) { c.Header("X-Group", "yes") })
	group.GET("/:who", visit)
	group.GET("/:who/stream", func(c *gin.Context) {
		c.Stream(func(w io.Writer) bool { // needs CloseNotify
			_, _ = io.WriteString(w, "streamed")
			return false
		})
	})
	srv := httptest.NewServer(ginsession.Rewrite(mgr)(engine))
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.Timeout = patience
	get := func(path string) (body, at string) {
		t.Helper()
		res, err := client.Get(srv.URL + path)
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
	if len(failed) > 0 {
		t.Errorf("a redirect is among the errors: %v", failed)
	}
	for path, want := range map[string]struct{ body, at string }{
		"/group/grace%20h": {"grace h at /group/:who of " + prefix + "/x", "/group/grace%20h"},
		"/group/a/stream":  {"streamed", "/group/a/stream"},
		"/slash":           {" at /slash/ of " + prefix + "/x", "/slash/"},
		"/SLASH/":          {" at /slash/ of " + prefix + "/x", "/slash/"},
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
