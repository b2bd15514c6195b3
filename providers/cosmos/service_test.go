package cosmosstore_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"sync"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

var visits = session.NewKey[int]("visits")

// node is one process of a service, with a Store of its own.
func node(t *testing.T, cfg cosmosstore.Config) string {
	t.Helper()
	mgr, err := session.New(open(t, cfg), session.Config{ID: session.Cookie{Insecure: true}, RequestQueueLimit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(httpsession.New(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mode := session.Exclusive
		switch r.URL.Path {
		case "/concurrent":
			mode = session.Concurrent
		case "/read":
			mode = session.ReadOnly
		}
		s, err := httpsession.Acquire(r, mode)
		if err == nil {
			switch r.URL.Path {
			case "/login":
				err = s.Renew()
			case "/logout":
				err = s.Abandon()
			}
		}
		if err == nil && mode != session.ReadOnly && r.URL.Path != "/logout" {
			err = visits.Update(s, func(n int) int { return n + 1 })
		}
		if err != nil {
			httpsession.Fail(w, r, err)
			return
		}
		n, _ := visits.Get(s)
		fmt.Fprint(w, n)
	})))
	t.Cleanup(func() {
		server.Close()
		_ = mgr.Close(context.Background())
	})
	return server.URL
}

// TestM1_EveryVisitCountsOverTwoProcesses: the requests of one client, at two
// processes at once, Exclusive and Concurrent, lose no change; a login in
// between renews the session, and a logout ends it everywhere.
func TestM1_EveryVisitCountsOverTwoProcesses(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	nodes := []string{node(t, cfg), node(t, cfg)}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar} // both are 127.0.0.1, so a cookie is for both
	get := func(url string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Error(err)
			return ""
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", url, resp.StatusCode, body)
		}
		return string(body)
	}
	want := func(what, got string, n int) {
		t.Helper()
		if got != fmt.Sprint(n) {
			t.Errorf("%s: %s visits, want %d", what, got, n)
		}
	}
	want("the first", get(nodes[0]+"/"), 1)
	want("at the other process", get(nodes[1]+"/"), 2)
	var wg sync.WaitGroup
	const many = 40
	for i := range many {
		wg.Go(func() { get(nodes[i%2] + []string{"/", "/", "/", "/concurrent"}[i%4]) })
	}
	wg.Wait()
	want("after all", get(nodes[1]+"/read"), 2+many)
	want("the login", get(nodes[0]+"/login"), 3+many)
	want("at the other process", get(nodes[1]+"/read"), 3+many)
	get(nodes[1] + "/logout")
	want("after the logout", get(nodes[0]+"/read"), 0)
}
