package chisession_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	golog "log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// TestA11_ChisOwn: chi's redirects, files, parameters, sub-routers and Logger with
// an ID in the path.
func TestA11_ChisOwn(t *testing.T) {
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
	visit := func(w http.ResponseWriter, r *http.Request) {
		s, err := chisession.Acquire(r)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		fmt.Fprint(w, chi.URLParam(r, "who")+" at "+chi.RouteContext(r.Context()).RoutePattern()+" of "+s.URL("/x"))
	}
	r := chi.NewRouter()
	r.Use(chisession.Rewrite(mgr),
		middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: golog.New(&log, "", 0), NoColor: true}),
		middleware.RedirectSlashes, middleware.CleanPath, chisession.New(mgr))
	r.Get("/slash", visit)
	r.Handle("/files/*", http.StripPrefix("/files", http.FileServer(http.Dir(folder))))
	r.Route("/group", func(r chi.Router) { r.Get("/{who}", visit) })
	sub := chi.NewRouter()
	sub.Get("/deep/{who}", visit)
	r.Mount("/sub", sub)
	srv := httptest.NewServer(r)
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
		"/group/grace%20h": {"grace h at /group/{who} of " + prefix + "/x", "/group/grace%20h"},
		"/sub/deep/grace":  {"grace at /sub/deep/{who} of " + prefix + "/x", "/sub/deep/grace"},
		"/slash/":          {" at /slash of " + prefix + "/x", "/slash"},
		"//group//ada":     {"ada at /group/{who} of " + prefix + "/x", "//group//ada"},
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
