package httpsession_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

var (
	_ http.Flusher    = (*httpsession.PathWriter)(nil)
	_ http.Hijacker   = (*httpsession.PathWriter)(nil)
	_ http.Pusher     = (*httpsession.PathWriter)(nil)
	_ io.ReaderFrom   = (*httpsession.PathWriter)(nil)
	_ io.StringWriter = (*httpsession.PathWriter)(nil)
)

const givenID = "given-out-to-nobody-here"

func inPath(cfg *session.Config) { cfg.ID = session.URI{} }

// rewritten serves one request whose URL is target.
func rewritten(t testing.TB, mgr *session.Manager, w http.ResponseWriter, target string, next http.HandlerFunc, header ...string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	httpsession.Rewrite(mgr)(next).ServeHTTP(w, r)
}

func TestA11_NothingBehindRewriteSeesTheID(t *testing.T) {
	mgr := newManager(t, newStore(), inPath)
	const prefix = "/(S(" + givenID + "))"
	for target, want := range map[string]struct{ path, raw, uri string }{
		"/plain?a=b":                             {"/plain", "", "/plain?a=b"},
		prefix:                                   {"/", "", "/"},
		prefix + "/a/b?c=d":                      {"/a/b", "", "/a/b?c=d"},
		prefix + "/a?":                           {"/a", "", "/a?"},
		prefix + "/a%20b":                        {"/a b", "", "/a%20b"},
		prefix + "/a%2Fb":                        {"/a/b", "/a%2Fb", "/a%2Fb"},
		prefix + "/a(b)":                         {"/a(b)", "/a(b)", "/a(b)"},
		"/%28S%28" + givenID + "%29%29/a":        {"/a", "", "/a"},
		prefix + "//evil.com":                    {"/evil.com", "", "/evil.com"},
		prefix + prefix + "/a":                   {"/a", "", "/a"},
		"/(S(not-an-id))/a":                      {"/a", "", "/a"},
		"http://example.com" + prefix + "/a?b=c": {"/a", "", "/a?b=c"},
	} {
		rewritten(t, mgr, httptest.NewRecorder(), target, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path != want.path || r.URL.RawPath != want.raw || r.RequestURI != want.uri {
				t.Errorf("%s: the router sees Path %q, RawPath %q, RequestURI %q, want %q", target, r.URL.Path, r.URL.RawPath, r.RequestURI, want)
			}
			if from := r.Header.Get("Referer"); from != "https://example.com/from?x=1" {
				t.Errorf("the Referer is %q", from)
			}
			if got := fmt.Sprint(r.URL, r.RequestURI, r.Header); strings.Contains(got, givenID) {
				t.Errorf("the ID is in %s", got)
			}
		}, "Referer", "https://example.com"+prefix+"/from?x=1")
	}
	// The request as it came is an outer middleware's, and stays as it is.
	outer := httptest.NewRequest(http.MethodGet, prefix+"/a", nil)
	outer.Header.Set("Referer", "https://example.com"+prefix+"/")
	before := fmt.Sprint(outer.URL, outer.RequestURI, outer.Header)
	httpsession.Rewrite(mgr)(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), outer)
	if after := fmt.Sprint(outer.URL, outer.RequestURI, outer.Header); after != before {
		t.Error("the request of who is outside has changed")
	}
}

func TestA11_RewriteIsNothingForCookies(t *testing.T) {
	mgr := newManager(t, newStore())
	next := &http.ServeMux{}
	if got := httpsession.Rewrite(mgr)(next); got != http.Handler(next) {
		t.Errorf("Rewrite puts a %T in front of the router", got)
	}
}

func TestA11_HeadersAreCompletedHoweverTheyAreSent(t *testing.T) {
	mgr := newManager(t, newStore(), inPath)
	for name, reply := range map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"write":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") },
		"bytes":   func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")) },
		"copy":    func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, io.LimitReader(endless{}, 10)) },
		"flush":   func(w http.ResponseWriter, _ *http.Request) { http.NewResponseController(w).Flush() },
		"103":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(200) },
		"twice": func(w http.ResponseWriter, r *http.Request) {
			httpsession.Rewrite(mgr)(http.NotFoundHandler()).ServeHTTP(w, r)
		},
	} {
		client, base := newPathSite(t, mgr, reply)
		res, err := client.Get(base)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Values("Referrer-Policy"); len(got) != 1 || got[0] != "same-origin" {
			t.Errorf("%s: Referrer-Policy %q", name, got)
		}
	}
	w := httptest.NewRecorder()
	rewritten(t, mgr, w, "/", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Referrer-Policy", "no-referrer") })
	if got := w.Result().Header.Values("Referrer-Policy"); len(got) != 1 || got[0] != "no-referrer" {
		t.Errorf("the handler's own Referrer-Policy became %q", got)
	}
}

func TestA11_WhatTheWriterBelowCanIsKept(t *testing.T) {
	mgr := newManager(t, newStore(), inPath)
	rewritten(t, mgr, bare{httptest.NewRecorder()}, "/", func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		_, _, errHijack := rc.Hijack()
		for what, err := range map[string]error{"Flush": rc.Flush(), "Hijack": errHijack, "Push": w.(http.Pusher).Push("/x", nil)} {
			if err == nil {
				t.Errorf("%s works on a writer that cannot do it", what)
			}
		}
		if w.(interface{ CloseNotify() <-chan bool }).CloseNotify() != nil {
			t.Error("CloseNotify from nowhere")
		}
	})
	rec := httptest.NewRecorder()
	below := &pushing{ResponseWriter: rec}
	rewritten(t, mgr, below, "/", func(w http.ResponseWriter, _ *http.Request) {
		src := strings.NewReader("from a reader")
		_, err := io.Copy(w, struct{ io.Reader }{src})
		if _, errString := io.WriteString(w, " and a string"); err != nil || errString != nil {
			t.Error(err, errString)
		}
		if err := w.(http.Pusher).Push("/pushed", nil); err != nil || below.pushed != "/pushed" {
			t.Errorf("Push: %v", err)
		}
	})
	if below.src == nil || below.strung != 1 || rec.Body.String() != "from a reader and a string" {
		t.Errorf("ReadFrom and WriteString of the writer below are not used: %q", rec.Body)
	}
}

// newPathSite starts a server with Rewrite, and returns a client that follows
// redirects, and the server's address.
func newPathSite(t *testing.T, mgr *session.Manager, h http.Handler) (*http.Client, string) {
	t.Helper()
	srv := httptest.NewServer(httpsession.Rewrite(mgr)(h))
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.Timeout = patience
	return client, srv.URL
}

// The router's own redirects, and those of a file server, stay inside.
func TestA11_RedirectsOfOthersStayInside(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "sub", "file.txt"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	mgr := newManager(t, newStore(), inPath)
	mux := http.NewServeMux()
	mux.HandleFunc("/tree/", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/files/", http.StripPrefix("/files", http.FileServer(http.Dir(folder))))
	client, base := newPathSite(t, mgr, httpsession.New(mgr)(mux))
	const prefix = "/(S(" + givenID + "))"
	for from, to := range map[string]string{
		"/tree?a=b": "/tree/?a=b", "/tree/../tree/x": "/tree/x", "/files/sub": "/files/sub/", "/files/sub/file.txt": "/files/sub/file.txt",
	} {
		res, err := client.Get(base + prefix + from)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if got := res.Request.URL.RequestURI(); res.StatusCode != 200 || got != prefix+to {
			t.Errorf("%s: %d at %s", from, res.StatusCode, got)
		}
	}
}

// A body of a client without ID is sent again, and arrives whole.
func TestM23_ABodyIsNotLost(t *testing.T) {
	mgr := newManager(t, newStore(), inPath)
	body := strings.Repeat("0123456789", 20_000)
	var opts httpsession.Options
	opts.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) {
		t.Errorf("the error handler is asked about %v", err)
	}
	client, base := newPathSite(t, mgr, httpsession.New(mgr, opts)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := httpsession.Acquire(r)
		if err != nil {
			httpsession.Fail(w, r, err)
			return
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != body || r.Method != http.MethodPost || r.FormValue("q") != "1" {
			t.Errorf("%s with %d bytes: %v", r.Method, len(got), err)
		}
		if err := note.Set(s, "stored"); err != nil {
			t.Error(err)
		}
	})))
	res, err := client.Post(base+"/post?q=1", "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if path, err := url.PathUnescape(res.Request.URL.Path); err != nil || res.StatusCode != 200 || !strings.HasPrefix(path, "/(S(") || !strings.HasSuffix(path, "))/post") {
		t.Errorf("%d at a path of %d bytes", res.StatusCode, len(path))
	}
}
