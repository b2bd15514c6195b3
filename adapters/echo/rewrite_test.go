package echosession_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// TestA11_EchosOwn: Echo's redirects, files, parameters, groups and Logger with
// an ID in the path.
func TestA11_EchosOwn(t *testing.T) {
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
	e := newEcho()
	e.Pre(echosession.Rewrite(mgr), middleware.RemoveTrailingSlashWithConfig(middleware.TrailingSlashConfig{RedirectCode: 308}))
	e.Use(middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		LogURI: true, LogURIPath: true, LogReferer: true, LogError: true,
		LogValuesFunc: func(_ echo.Context, v middleware.RequestLoggerValues) error {
			_, err := fmt.Fprintln(&log, v.URI, v.URIPath, v.Referer, v.Error)
			return err
		},
	}), middleware.Recover(), echosession.New(mgr))
	e.Static("/files", folder)
	visit := func(c echo.Context) error {
		s, err := session.Acquire(c.Request().Context()) // an error that Echo does not know
		if err != nil {
			return err
		}
		return c.String(200, c.Param("who")+" at "+c.Path()+" of "+s.URL("/x"))
	}
	e.GET("/slash", visit)
	e.Group("/group").GET("/:who", visit)
	srv := httptest.NewServer(e)
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
	for path, want := range map[string]struct{ body, at string }{
		"/group/grace%20h": {"grace h at /group/:who of " + prefix + "/x", "/group/grace%20h"},
		"/slash/":          {" at /slash of " + prefix + "/x", "/slash"},
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
