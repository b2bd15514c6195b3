package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
)

// TestM1_TwoProcessesBehindAProxy has shops in two processes, on two frameworks
// and one database, count one user's overlapping updates.
func TestM1_TwoProcessesBehindAProxy(t *testing.T) {
	shoptest.RunBehindProxy(t, []string{"../chi", "../gin"}, func(urls []string) http.Handler {
		proxy, err := roundRobin(urls)
		if err != nil {
			t.Fatal(err)
		}
		return proxy
	})
}

func TestRoundRobinTakesTurns(t *testing.T) {
	var asked [3]int
	var targets []string
	for i := range asked {
		target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked[i]++
			if r.Host != "shop.example" {
				t.Errorf("the Host is %q, not the one that the client named", r.Host)
			}
		}))
		defer target.Close()
		targets = append(targets, target.URL)
	}
	proxy, err := roundRobin(targets)
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		r := httptest.NewRequest("GET", "http://shop.example/", nil)
		proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
	if asked != [3]int{2, 2, 2} {
		t.Errorf("of six requests the three targets got %v", asked)
	}
}

func TestRoundRobinSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		targets []string
		says    string
	}{
		{nil, "no URL"},
		{[]string{"http://127.0.0.1:1", "127.0.0.1:2"}, `"127.0.0.1:2" is not a URL`},
		{[]string{"/shop"}, `"/shop" is not a URL`},
	} {
		if _, err := roundRobin(c.targets); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: got %v, want an error with %s", c.targets, err, c.says)
		}
	}
}
