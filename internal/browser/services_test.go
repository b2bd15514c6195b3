package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"testing"
	"time"
)

// TestServices has visitors with a real browser in the example of three services
// with one login.
func TestServices(t *testing.T) {
	b := chromium(t)
	binary, err := build(t.Context(), "services", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	site := services(t, binary)

	v := visit(t, b, site)
	v.gets("/shop/")
	v.sees("Your first visit", "Log in")
	v.clicks("button[value=mug]")
	v.sees("Mug is in your cart.")

	// By the shop's button to account, and back to the page it was clicked on.
	v.gets("/shop/cart")
	v.clicks(".who button")
	v.sees("Then you go on to the shop.")
	v.must(v.fill("input[name=name]", "Ada"))
	v.clicks("main button")
	v.sees("Your cart", "Mug", "Ada", "Log out")
	v.reads(".count", "1 in it")

	// The gateway asks account, and account asks for nothing.
	v.gets("/")
	v.sees("The gateway does not know you.")
	v.clicks("main button")
	v.reads("#user", "Ada")
	v.hasCookies("account", "gateway", "shop")
	if n, err := run[int](v.tab, "cookieStore.getAll().then((all) => all.length)"); err != nil || n != 0 {
		t.Errorf("scripts of the page can read %d cookies, %v", n, err)
	}

	v.gets("/shop/lab")
	v.runsTen("exclusive", 0)

	w := visit(t, b, site)
	w.gets("/account/")
	w.must(w.fill("input[name=name]", "Ada"))
	w.clicks("main button")
	w.sees("Your account", "This browser", "Another browser", "Log out there")
	w.clicks("#everywhere")
	w.sees("You are logged out, and your sessions are gone from the servers.")
	w.hasCookies()

	v.gets("/shop/cart")
	v.sees("It is empty.", "Log in")
	v.seesNot("Ada", "Mug")
	v.gets("/")
	v.sees("The gateway does not know you.")
	v.gets("/account/")
	v.sees("Your name")
	v.back()
	v.seesNot("Ada")
}

// hasCookies fails if the browser has cookies of other services, or they are not
// as they were configured.
func (v *visitor) hasCookies(names ...string) {
	v.t.Helper()
	cookies, err := v.cookies()
	v.must(err)
	var got []string
	for _, c := range cookies {
		got = append(got, c.Name)
		if !c.HTTPOnly || c.Path != "/" || c.Domain != "127.0.0.1" || !c.Session {
			v.t.Errorf("the cookie %s has HttpOnly %t, is for %s%s, ends with the browser %t", c.Name, c.HTTPOnly, c.Domain, c.Path, c.Session)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, names) {
		v.t.Errorf("the browser has cookies of %q, want %q", got, names)
	}
}

// services runs the example on free ports, in memory, until the test ends, and
// returns its address.
func services(t *testing.T, binary string) string {
	t.Helper()
	ctx, kill := context.WithTimeout(context.Background(), limit)
	cmd := exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "SHOP_STORE=memory", "ACCOUNT_STORE=memory", "SHOP_LAB_DELAY="+labDelay.String())
	cmd.Stderr = t.Output()
	cmd.WaitDelay = time.Second
	withUs(cmd)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, ready, ended := make(chan error, 1), make(chan string, 1), make(chan error, 1)
	line := regexp.MustCompile(`^services \| (http://\S+)/ \(Ctrl-C`)
	go func() { // ends with the program
		runtime.LockOSThread() // for withUs
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if m := line.FindStringSubmatch(lines.Text()); m != nil {
				ready <- m[1]
			}
		}
		close(ready)
		ended <- cmd.Wait()
	}()
	if err := <-started; err != nil {
		kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer kill()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			kill()
		}
		if err := <-ended; err != nil {
			t.Error("the services' end:", err)
		}
	})
	site := <-ready // closed at the latest when ctx ends
	if site == "" {
		t.Fatal("the services do not say their address")
	}
	return site
}
