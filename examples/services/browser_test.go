package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// browser is a visitor's: it keeps cookies, and follows redirects when it is
// told to. What it cannot do ends the test.
type browser struct {
	t      *testing.T
	url    string
	client *http.Client
}

func (w *world) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 50}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, w.url, &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type reply struct {
	status   int
	location string
	header   http.Header
	body     string
}

func (b *browser) do(method, path string, form url.Values, header ...string) reply {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", b.url)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	location := res.Header.Get("Location")
	if location != "" && (!strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//")) {
		b.t.Errorf("%s %s leads elsewhere: %s", method, path, location)
	}
	return reply{res.StatusCode, location, res.Header, string(body)}
}

func (b *browser) get(path string) reply { b.t.Helper(); return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, form ...string) reply {
	b.t.Helper()
	return b.do(http.MethodPost, path, values(form...))
}

func values(form ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(form); i += 2 {
		v.Set(form[i], form[i+1])
	}
	return v
}

// follow follows redirects to the page at their end, or to stop.
func (b *browser) follow(r reply, stop string) reply {
	b.t.Helper()
	for range 10 {
		if r.status != http.StatusSeeOther || stop != "" && strings.HasPrefix(r.location, stop) {
			return r
		}
		r = b.get(r.location)
	}
	b.t.Fatal("the redirects do not end")
	return reply{}
}

// logsIn logs in at a party, with the form if account asks for it, and returns
// the page at the end.
func (b *browser) logsIn(home, to, name string) reply {
	b.t.Helper()
	return b.follow(b.toFinish(home, to, name), "")
}

// toFinish is logsIn up to where the browser has the token, and does not bring
// it to the party.
func (b *browser) toFinish(home, to, name string) reply {
	b.t.Helper()
	r := b.follow(b.post(home+"login", "to", to), home+"login/finish")
	if r.status == http.StatusOK {
		r = b.follow(b.fills(r, "name", name), home+"login/finish")
	}
	if !strings.HasPrefix(r.location, home+"login/finish?") {
		b.t.Fatalf("the login ends with status %d, %q:\n%s", r.status, r.location, r.body)
	}
	return r
}

// fills sends account's form with what is hidden in it.
func (b *browser) fills(page reply, form ...string) reply {
	b.t.Helper()
	for _, name := range []string{"for", "state"} {
		_, after, found := strings.Cut(page.body, `name="`+name+`" value="`)
		if !found {
			b.t.Fatalf("there is no %s in the form:\n%s", name, page.body)
		}
		value, _, _ := strings.Cut(after, `"`)
		form = append(form, name, value)
	}
	return b.post("/account/login", form...)
}

// knows reports whether a service shows somebody's name.
func (b *browser) knows(home, name string) bool {
	b.t.Helper()
	r := b.get(map[string]string{"/shop/": "/shop/cart"}[home])
	if home != "/shop/" {
		r = b.get(home)
	}
	if r.status == http.StatusSeeOther && strings.HasPrefix(r.location, "/account/login") {
		return false
	}
	if r.status != http.StatusOK {
		b.t.Fatalf("%s has status %d:\n%s", home, r.status, r.body)
	}
	return strings.Contains(r.body, ">"+name+"<")
}

// cookie returns the ID that the browser has of a service. It is for comparison:
// no message may contain it.
func (b *browser) cookie(service string) string {
	b.t.Helper()
	u, err := url.Parse(b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == service {
			return c.Value
		}
	}
	return ""
}

func (b *browser) want(r reply, status int, texts ...string) {
	b.t.Helper()
	if r.status != status {
		b.t.Fatalf("status %d, want %d:\n%s", r.status, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			b.t.Fatalf("the page does not say %q:\n%s", text, r.body)
		}
	}
}

// rawPost posts to a path that is sent as it is, and returns the status.
func rawPost(t *testing.T, site, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = path // goes into the request line unchanged
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}
