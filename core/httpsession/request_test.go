package httpsession_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// upload is the body of a form with a file, too large to be kept in memory if a
// handler allows one byte.
func upload(t testing.TB) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = new(bytes.Buffer)
	form := multipart.NewWriter(body)
	file, err := form.CreateFormFile("file", "name")
	if err == nil {
		_, err = file.Write(bytes.Repeat([]byte("x"), 11<<20)) // 10 MB more than it allows are kept
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return body, form.FormDataContentType()
}

// copiers are the middlewares that give the handler another request.
func copiers(t testing.TB) map[string]func(http.Handler) http.Handler {
	mgr := newManager(t, newStore())
	second := newManager(t, newStore())
	inPath, err := session.New(memstore.New(), session.Config{ID: session.URI{}, ReapInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func(http.Handler) http.Handler{
		"New":          httpsession.New(mgr),
		"New in New":   func(h http.Handler) http.Handler { return httpsession.New(mgr)(httpsession.New(second)(h)) },
		"Rewrite":      httpsession.Rewrite(inPath),
		"Rewrite, New": func(h http.Handler) http.Handler { return httpsession.Rewrite(inPath)(httpsession.New(inPath)(h)) },
	}
}

// TestUploadsAreRemoved: net/http removes the files of a form when the handler
// has returned, if it finds them in the request that it made.
func TestUploadsAreRemoved(t *testing.T) {
	for name, wrap := range copiers(t) {
		for _, panics := range []bool{false, true} {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			files := func() int {
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Error(err)
				}
				return len(entries)
			}
			h := wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if err := r.ParseMultipartForm(1); err != nil || files() != 1 {
					t.Errorf("%s: %d files, %v", name, files(), err)
				}
				if panics {
					panic(http.ErrAbortHandler)
				}
			}))
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { _ = recover() }() // as middlewares do
				h.ServeHTTP(w, r)
			}))
			body, contentType := upload(t)
			res, err := srv.Client().Post(srv.URL, contentType, body)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			srv.Close() // which waits for what is done after the reply
			if n := files(); n != 0 {
				t.Errorf("%s, panics %v: %d files stay", name, panics, n)
			}
		}
	}
}

// TestRequestOutside: middlewares outside find in their request what they would
// find without this one.
func TestRequestOutside(t *testing.T) {
	for name, wrap := range copiers(t) {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /items/{id}", func(_ http.ResponseWriter, r *http.Request) {
			if got := r.PostFormValue("a"); got != "b" {
				t.Errorf("%s: the form has %q", name, got)
			}
		})
		r := httptest.NewRequest("POST", "/items/7", bytes.NewReader([]byte("a=b")))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		wrap(mux).ServeHTTP(httptest.NewRecorder(), r)
		if r.Pattern != "POST /items/{id}" || r.PostForm.Get("a") != "b" {
			t.Errorf("%s: outside the route is %q and the form %v", name, r.Pattern, r.PostForm)
		}
	}
}
