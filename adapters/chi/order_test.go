package chisession_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

var countKey = session.NewKey[int]("count")

// count adds one to the session's counter and answers it, unless "fail" says
// how to fail after that.
func count(w http.ResponseWriter, r *http.Request) {
	s, err := chisession.Acquire(r)
	if err == nil {
		err = countKey.Update(s, func(n int) int { return n + 1 })
	}
	if err != nil {
		chisession.Fail(w, r, err)
		return
	}
	switch r.FormValue("fail") {
	case "panic":
		panic("on purpose")
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
	}
	n, _ := countKey.Get(s)
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, strings.Repeat("#", n)+strings.Repeat(" ", 2048))
}

// TestOrder puts chi's own middlewares on either side of the session's.
func TestOrder(t *testing.T) {
	quiet := middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: nowhere{}, NoColor: true})
	for name, other := range map[string]func(http.Handler) http.Handler{
		"Recoverer": func(h http.Handler) http.Handler { return h }, // it is in every server below
		"Logger":    quiet,
		"Compress":  middleware.Compress(5),
		"Timeout":   middleware.Timeout(time.Minute),
	} {
		for _, side := range []string{"outside", "inside"} {
			t.Run(name+" "+side, func(t *testing.T) {
				t.Parallel()
				mgr := newManager(t, session.Config{})
				r := chi.NewRouter()
				r.Use(silentPanics)
				if side == "outside" {
					r.Use(middleware.Recoverer, other, chisession.New(mgr))
				} else {
					r.Use(chisession.New(mgr), other, middleware.Recoverer)
				}
				r.Get("/", count)
				c := newClient(t, r)
				c.want("/", 200, "#")
				c.want("/", 200, "##")
				c.want("/?fail=panic", 500, "")
				c.want("/?fail=500", 500, "###")
				c.want("/", 200, "###") // what failed did not count
			})
		}
	}
}

// A request that waits for its session leaves the line when Timeout ends its
// context.
func TestOrder_TimeoutEndsTheWait(t *testing.T) {
	for _, side := range []string{"outside", "inside"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			mgr := newManager(t, session.Config{})
			holds, free := make(chan struct{}), make(chan struct{})
			timeout := middleware.Timeout(50 * time.Millisecond)
			r := chi.NewRouter()
			r.With(chisession.New(mgr)).Get("/hold", func(w http.ResponseWriter, r *http.Request) {
				if _, err := chisession.Acquire(r); err != nil {
					t.Error(err)
				}
				close(holds)
				<-free
			})
			chain := r.With(chisession.New(mgr), timeout)
			if side == "outside" {
				chain = r.With(timeout, chisession.New(mgr))
			}
			chain.Get("/", count)
			r.With(chisession.New(mgr)).Get("/start", count)
			c := newClient(t, r)
			c.want("/start", 200, "#")
			held := make(chan struct{})
			go func() {
				defer close(held)
				if _, _, err := c.get("/hold"); err != nil {
					t.Error(err)
				}
			}()
			<-holds
			if status, _, err := c.get("/"); status != http.StatusServiceUnavailable {
				t.Errorf("got status %d (%v), want 503", status, err)
			}
			close(free)
			<-held
			c.want("/start", 200, "##")
		})
	}
}

// Middleware of a group does not see the router's 404; that of the root does.
func TestOrder_NotFound(t *testing.T) {
	mgr := newManager(t, session.Config{})
	r := chi.NewRouter()
	r.Use(chisession.New(mgr))
	r.Get("/", count) // without any route chi runs no middleware
	r.NotFound(count)
	c := newClient(t, r)
	c.want("/nowhere", 200, "#")
	c.want("/nowhere", 200, "##")
}

type client struct {
	t    *testing.T
	http *http.Client
	url  string
}

func newClient(t *testing.T, h http.Handler) *client {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t, &http.Client{Jar: jar, Timeout: 10 * time.Second, Transport: srv.Client().Transport}, srv.URL}
}

// get returns a reply, which may come compressed.
func (c *client) get(path string) (status int, text string, err error) {
	req, err := http.NewRequest("GET", c.url+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	var body io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			return 0, "", err
		}
	}
	b, err := io.ReadAll(body)
	return res.StatusCode, strings.TrimSpace(string(b)), err
}

func (c *client) want(path string, status int, body string) {
	c.t.Helper()
	if gotStatus, got, err := c.get(path); gotStatus != status || got != body || err != nil {
		c.t.Fatalf("%s: got %d %q (%v), want %d %q", path, gotStatus, got, err, status, body)
	}
}

func newManager(t *testing.T, cfg session.Config) *session.Manager {
	cfg.ID = session.Cookie{Insecure: true}
	mgr, err := session.New(memstore.New(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := mgr.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return mgr
}

// silentPanics keeps Recoverer from printing stacks.
func silentPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := (&middleware.DefaultLogFormatter{Logger: nowhere{}, NoColor: true}).NewLogEntry(r)
		next.ServeHTTP(w, middleware.WithLogEntry(r, quietEntry{entry}))
	})
}

type quietEntry struct{ middleware.LogEntry }

func (quietEntry) Panic(any, []byte) {}

type nowhere struct{}

func (nowhere) Print(...any) {}
