package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
	"github.com/sessionstate/sessionstate/internal/servers/process/processtest"
)

// TestServices_Processes has all scenarios in processes of their own, as users
// start them.
func TestServices_Processes(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		scenarios(t, start(t, "memory", "memory"))
	})
	t.Run("PostgreSQL and Cosmos DB", func(t *testing.T) {
		t.Parallel()
		shopStore, accountStore := shoptest.Schema(t, server(t, "SESSION_TEST_POSTGRES")), "cosmos://"+server(t, "SESSION_TEST_COSMOS")
		w := start(t, shopStore, accountStore)
		scenarios(t, w)
		t.Run("processes die", func(t *testing.T) { deaths(t, w) })
	})
}

// deaths: a service that is killed is started again, and has forgotten nothing
// that is in a database.
func deaths(t *testing.T, w *world) {
	b := w.browser(t)
	b.want(b.logsIn("/shop/", "", w.user("Ada 20")), http.StatusOK)
	b.want(b.logsIn("/", "", w.user("Ada 20")), http.StatusOK)
	b.want(b.post("/shop/cart/add", "sku", "plant"), http.StatusSeeOther)
	for _, service := range []string{site.Shop, site.Account} {
		w.kill(t, service)
		b.want(b.get("/shop/cart"), http.StatusOK, w.user("Ada 20"), "House plant")
		for _, home := range []string{"/shop/", "/", "/account/"} {
			if !b.knows(home, w.user("Ada 20")) {
				t.Errorf("after the death of %s, %s does not know the user", service, home)
			}
		}
	}
	w.kill(t, site.Gateway) // in memory, as its page says
	if b.knows("/", w.user("Ada 20")) {
		t.Error("the gateway knows what only its memory knew")
	}
	if !b.knows("/shop/", w.user("Ada 20")) {
		t.Error("the death of the gateway has logged the user out of the shop")
	}
	b.want(b.logsIn("/", "", w.user("Ada 20")), http.StatusOK, ">"+w.user("Ada 20")+"<")

	// The shop is down when the user logs out; the word reaches it later.
	if err := syscall.Kill(w.processes.pid(site.Shop), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := w.processes.pid(site.Shop)
	r := b.post("/account/logout-everywhere")
	if err := syscall.Kill(stopped, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.want(b.follow(r, ""), http.StatusOK, "The service shop does not answer")
	until(t, "the shop has heard of the logout", func() bool { return !b.knows("/shop/", w.user("Ada 20")) })
}

// TestServices_End: Ctrl-C ends all that was started, and so does the death of
// the program.
func TestServices_End(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"Ctrl-C": syscall.SIGINT, "SIGKILL": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			w := start(t, "memory", "memory")
			var pids []int
			for _, service := range []string{site.Gateway, site.Account, site.Shop} {
				pids = append(pids, w.processes.pid(service))
			}
			if err := w.processes.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			for range w.processes.lines { // until all have closed their standard output
			}
			err := w.processes.cmd.Wait()
			if (err == nil) != (sig == syscall.SIGINT) {
				t.Errorf("the program's end: %v", err)
			}
			for _, pid := range pids {
				processtest.Gone(t, pid)
			}
		})
	}
}

// TestServices_Fallback: where there are no databases, that is said loudly, and
// the services run.
func TestServices_Fallback(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	p := launched(t, command(t, "PATH="+empty, "SESSION_TEST_POSTGRES_BIN="+empty, "SHOP_STORE=", "ACCOUNT_STORE="))
	var said []string
	for len(said) == 0 || !readyLine.MatchString(said[len(said)-1]) {
		said = append(said, p.line(t))
	}
	all := strings.Join(said, "\n")
	for _, text := range []string{
		"PostgreSQL CANNOT BE STARTED", "a Cosmos DB server CANNOT BE STARTED",
		"the shop has its sessions IN MEMORY", "account has its sessions IN MEMORY", "SHOP_STORE=postgres://", "ACCOUNT_STORE='cosmos://",
	} {
		if !strings.Contains(all, text) {
			t.Errorf("it does not say %q", text)
		}
	}
	if strings.Count(all, "IN MEMORY") != 4 {
		t.Error("it does not say again, at its end, what is in memory")
	}
	w := &world{url: readyLine.FindStringSubmatch(said[len(said)-1])[1], suffix: rand.Text()}
	b := w.browser(t)
	b.want(b.logsIn("/shop/", "", w.user("Ada 30")), http.StatusOK, w.user("Ada 30"))
}

// TestServices_Databases: what it starts itself ends with it.
func TestServices_Databases(t *testing.T) {
	t.Parallel()
	server(t, "SESSION_TEST_POSTGRES") // where tests have servers, the program finds them too
	server(t, "SESSION_TEST_COSMOS")
	p := launched(t, command(t, "SHOP_STORE=", "ACCOUNT_STORE="))
	var line, all string
	for !readyLine.MatchString(line) {
		line = p.line(t)
		all += line + "\n"
	}
	if !strings.Contains(all, "PostgreSQL runs") || !strings.Contains(all, "a Cosmos DB server runs") {
		t.Fatal("it has not started both databases")
	}
	w := &world{url: readyLine.FindStringSubmatch(line)[1], suffix: rand.Text()}
	b := w.browser(t)
	b.want(b.logsIn("/shop/", "", w.user("Ada 31")), http.StatusOK, w.user("Ada 31"))
}

// TestRun_SaysWhatIsWrong: a service that is set up wrongly says all of it, and no
// value, which may be a key or a password.
func TestRun_SaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  map[string]string
		says []string
	}{
		{[]string{"shop"}, nil, []string{
			"ADDR: must be set", "SHOP_STORE: must be set", "SHOP_SESSION_KEYS: must be set", "ACCOUNT_PUBLIC_KEYS: must be set",
			"ACCOUNT_URL: must be", "PUBLIC_URL: must be",
		}},
		{[]string{"account"}, map[string]string{"ACCOUNT_SIGNING_KEY": "hunter2", "GATEWAY_URL": "hunter2"}, []string{
			"ACCOUNT_SIGNING_KEY: handover: the signing key must be 32 bytes", "GATEWAY_URL: must be a URL",
		}},
		{[]string{"gateway"}, map[string]string{"PUBLIC_URL": "http://shop.example"}, []string{"put TLS in front"}},
		{[]string{"nothing"}, nil, []string{"usage:"}},
		{[]string{"-x"}, nil, []string{"usage:"}},
	} {
		var stdout, stderr strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		code := run(ctx, c.args, func(name string) string { return c.env[name] }, strings.NewReader(""), &stdout, &stderr)
		cancel()
		if code != exitUsage {
			t.Errorf("%q: exit code %d, want %d", c.args, code, exitUsage)
		}
		for _, text := range c.says {
			if !strings.Contains(stderr.String(), text) {
				t.Errorf("%q does not say %q:\n%s", c.args, text, &stderr)
			}
		}
		if strings.Contains(stderr.String(), "hunter2") {
			t.Errorf("%q repeats a value:\n%s", c.args, &stderr)
		}
	}
	if os.Getenv("ADDR") != "" {
		t.Error("the test's own environment counts")
	}
}
