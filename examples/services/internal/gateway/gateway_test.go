package gateway

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
)

// opened returns a gateway in front of one handler for both services.
func opened(t *testing.T, secure bool, service http.Handler) *httptest.Server {
	t.Helper()
	behind := httptest.NewServer(service)
	t.Cleanup(behind.Close)
	u, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := handover.NewSigner(handover.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := handover.ParseKeys(signer.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	sv, err := New(Config{
		Store: memstore.New(), Keys: keys, Account: u, Shop: u, Secure: secure, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sv.Handler)
	t.Cleanup(func() {
		server.Close()
		if err := sv.Sessions.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return server
}

// TestProxy_Cookies: a service gets its own cookie and sets its own cookie.
func TestProxy_Cookies(t *testing.T) {
	for prefix, secure := range map[string]bool{"": false, "__Host-": true} {
		gateway := opened(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"shop", "account", "gateway", "other"} {
				w.Header().Add("Set-Cookie", prefix+name+"=planted; Path=/")
			}
			io.WriteString(w, strings.Join(r.Header.Values("Cookie"), ";"))
		}))
		for _, name := range []string{"shop", "account"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.URL+"/"+name+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", prefix+"shop=1; "+prefix+"account=2; "+prefix+"gateway=3; other=4; shop2=5; x"+prefix+"shop=6")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			want := map[string]string{"shop": prefix + "shop=1", "account": prefix + "account=2"}[name]
			if err != nil || string(body) != want {
				t.Errorf("%s gets %q, %v, want %q", name, body, err, want)
			}
			if set := res.Header.Values("Set-Cookie"); len(set) != 1 || set[0] != prefix+name+"=planted; Path=/" {
				t.Errorf("%s has set %q", name, set)
			}
		}
	}
}

// TestProxy_Headers: a service's own word about safety does not count, and it is
// told which host the browser has asked, and not what the browser claims about
// who asks.
func TestProxy_Headers(t *testing.T) {
	gateway := opened(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src *")
		io.WriteString(w, r.Host+" "+r.Header.Get("X-Forwarded-For")+" "+r.Header.Get("Forwarded"))
	}))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.URL+"/shop/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "shop.example"
	r.Header.Set("X-Forwarded-For", "10.1.1.1")
	r.Header.Set("Forwarded", "for=10.1.1.1")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "shop.example 127.0.0.1 " {
		t.Errorf("the service sees %q, %v", body, err)
	}
	for name, want := range shop.SecurityHeaders() {
		if got := res.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// TestProxy_NoService: the visitor is told, and what is the gateway's works.
func TestProxy_NoService(t *testing.T) {
	gateway := opened(t, false, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for path, want := range map[string]int{
		"/shop/": http.StatusBadGateway, "/account/": http.StatusBadGateway, "/": http.StatusOK, "/static/style.css": http.StatusOK,
		"/nowhere": http.StatusNotFound, "/static/../static/style.css": http.StatusBadRequest, "/readyz": http.StatusOK,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = path
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, want)
		}
		if res.Header.Get("Content-Security-Policy") == "" || len(res.Cookies()) > 0 {
			t.Errorf("%s: headers %v", path, res.Header)
		}
	}
}
