package snippet

import (
	"encoding/gob"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func init() { gob.Register(map[string]int{}) }

// change is a service on the day that it changes: first before answers, then
// what carries over.
type change struct {
	t       *testing.T
	url     *url.URL
	faults  *sessiontest.Faults
	changed bool
}

func begin(t *testing.T, before http.Handler, carryOver func(next http.Handler) http.Handler) *change {
	c := &change{t: t, faults: sessiontest.NewFaults(memstore.New())}
	sessions, err := session.New(c.faults.Store, session.Config{
		ID:          session.Cookie{Insecure: true},
		SaveTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	after := httpsession.New(sessions)(carryOver(http.HandlerFunc(show)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.changed {
			after.ServeHTTP(w, r)
		} else {
			before.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	c.url, _ = url.Parse(server.URL)
	return c
}

func show(w http.ResponseWriter, r *http.Request) {
	s, err := httpsession.Acquire(r, session.ReadOnly)
	if err != nil {
		httpsession.Fail(w, r, err)
		return
	}
	user, _ := userKey.Get(s)
	cart, _ := cartKey.Get(s)
	fmt.Fprintf(w, "user %q, tea %d, owner %q", user, cart["tea"], s.Owner())
}

// browser returns a client that has these cookies.
func (c *change) browser(cookies []*http.Cookie) *http.Client {
	jar, _ := cookiejar.New(nil)
	jar.SetCookies(c.url, cookies)
	return &http.Client{Jar: jar}
}

func (c *change) want(client *http.Client, status int, body string) {
	c.t.Helper()
	res, err := client.Get(c.url.String())
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || status == http.StatusOK && string(got) != body {
		c.t.Errorf("%s %s, %v; want %d %s", res.Status, got, err, status, body)
	}
}

const (
	ada      = `user "ada", tea 2, owner "ada"`
	stranger = `user "", tea 0, owner ""`
)

// carries has a client log in before the change, and come again after it. old
// says whether a copy of the old cookie still opens something then.
func (c *change) carries(old bool) {
	c.t.Helper()
	b := c.browser(nil)
	c.want(b, http.StatusOK, "logged in")
	copied := b.Jar.Cookies(c.url)
	c.changed = true

	c.faults.Next(sessiontest.OpAny, -1, sessiontest.Fault{Kind: sessiontest.FailBefore})
	c.want(b, http.StatusServiceUnavailable, "") // and nothing is lost
	c.faults.Reset()
	c.want(b, http.StatusOK, ada)
	c.want(b, http.StatusOK, ada)
	if n := len(b.Jar.Cookies(c.url)); n != 1 {
		c.t.Errorf("it has %d cookies, want the new one", n)
	}
	want := stranger
	if old {
		want = ada
	}
	c.want(c.browser(copied), http.StatusOK, want)
	c.want(c.browser([]*http.Cookie{{Name: "old", Value: "forged"}}), http.StatusOK, stranger)
}
