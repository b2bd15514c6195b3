package shoptest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

// RunBehindProxy starts the programs in folders, each as a process of its own,
// on one store, and sends ten updates of one session at once through a proxy
// that newProxy puts in front of them: none is lost, whichever process it came
// to. It does so once for each store that processes can share.
func RunBehindProxy(t *testing.T, folders []string, newProxy func(urls []string) http.Handler) {
	for _, s := range shared {
		t.Run(s.name, func(t *testing.T) { behindProxy(t, s.open(t), folders, newProxy) })
	}
}

func behindProxy(t *testing.T, store string, folders []string, newProxy func(urls []string) http.Handler) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	var urls []string
	for _, folder := range folders {
		p := start(ctx, t, compile(t, folder), store, "-delay", "20ms")
		t.Cleanup(func() {
			if err := p.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = p.cmd.Wait() // says that it was killed
		})
		urls = append(urls, p.url)
	}
	front := httptest.NewServer(newProxy(urls))
	defer front.Close()

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience}
	update := func(mode string) shop.LabAnswer {
		res, err := client.PostForm(front.URL+"/lab/update", url.Values{"mode": {mode}})
		if err != nil {
			t.Error(err)
			return shop.LabAnswer{}
		}
		defer res.Body.Close()
		var answer shop.LabAnswer
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("an update: status %d, %v", res.StatusCode, err)
		}
		return answer
	}
	res, err := client.Get(front.URL + "/lab")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if n := update("exclusive").Count; n != 1 {
		t.Fatalf("the first update counted %d", n)
	}
	for _, mode := range []string{"exclusive", "concurrent"} {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { update(mode) })
		}
		wg.Wait()
	}
	if n := update("exclusive").Count; n != 22 {
		t.Errorf("of 22 updates %d counted", n)
	}
}
