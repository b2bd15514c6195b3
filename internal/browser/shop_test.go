package main

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
)

// TestShop has visitors with a real browser in each example. They share one
// browser, and none of them has been to the shop before.
func TestShop(t *testing.T) {
	b := chromium(t)
	for _, example := range examples {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			binary, err := build(t.Context(), example, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			sh := opened(t, binary, "127.0.0.1")
			for _, walk := range []struct {
				name string
				walk func(*testing.T, *browser, *shop)
			}{
				{"from the first visit to the logout", visits},
				{"ten updates at once", updates},
				{"two tabs", twoTabs},
				{"a login sent twice", sentTwice},
				{"a login sent twice without JavaScript", sentTwiceWithoutScript},
			} {
				t.Run(walk.name, func(t *testing.T) { walk.walk(t, b, sh) })
			}
			if example == examples[0] { // the pages are the same in all of them
				t.Run("on a phone", func(t *testing.T) { onAPhone(t, b, sh) })
			}
			t.Run("behind TLS", func(t *testing.T) { behindTLS(t, b, binary) })
		})
	}
}

func visits(t *testing.T, b *browser, sh *shop) {
	v := visit(t, b, sh.url)
	v.gets("/")
	v.sees("Your first visit", "Log in")
	v.hasCookie(false)
	first := v.id()
	if n, err := run[int](v.tab, "cookieStore.getAll().then((all) => all.length)"); err != nil || n != 0 {
		t.Errorf("scripts of the page can read %d cookies, %v", n, err)
	}
	v.reloads()
	v.sees("Visit 2 in this session.")

	// A form is answered by a redirect: to reload the page buys nothing twice.
	v.clicks("button[value=mug]")
	v.sees("Mug is in your cart.")
	v.reads(".count", "1 in it")
	v.reloads()
	v.seesNot("Mug is in your cart.")
	v.reads(".count", "1 in it")
	if v.id() != first {
		t.Error("the ID has changed without a login")
	}

	v.logsIn("Ada")
	v.reads(".count", "1 in it")
	v.hasCookie(false)
	second := v.id()
	if second == first {
		t.Error("the login has not changed the ID")
	}
	v.gets("/cart")
	v.sees("Ada", "Mug", "€12.00")

	v.clicks(".who button")
	v.sees("You are logged out", "Log in")
	if v.cookie() != nil {
		t.Error("the browser has a cookie of the shop after the logout")
	}

	// What the browser has kept of the pages before must not come back.
	v.back()
	v.sees("Your cart", "It is empty.")
	v.seesNot("Ada", "Mug", "Log out")
	v.back()
	v.sees("Your first visit", "Log in")
	v.seesNot("Ada", "Welcome", "Log out")
	if third := v.id(); third == first || third == second {
		t.Error("an ID from before the logout is in use again")
	}
}

// hasCookie fails if the session's cookie is not as it was configured.
func (v *visitor) hasCookie(secure bool) {
	v.t.Helper()
	c := v.cookie()
	if c == nil {
		v.t.Fatal("the browser has no cookie of the shop")
	}
	if c.Name != "session" || c.Path != "/" || c.Domain != "127.0.0.1" {
		v.t.Errorf("the cookie is %q for %s%s", c.Name, c.Domain, c.Path)
	}
	if !c.HTTPOnly || c.Secure != secure || c.SameSite != network.CookieSameSiteLax || !c.Session || c.PartitionKey != nil {
		v.t.Errorf("the cookie has HttpOnly %t, Secure %t (want %t), SameSite %q, ends with the browser %t, partition %v",
			c.HTTPOnly, c.Secure, secure, c.SameSite, c.Session, c.PartitionKey)
	}
}

var longestWait = regexp.MustCompile(`longest wait was (\d+) ms`)

func updates(t *testing.T, b *browser, sh *shop) {
	v := visit(t, b, sh.url)
	v.gets("/lab")
	v.runsTen("exclusive", 0)
	verdict, err := v.text("#verdict")
	v.must(err)
	ms, err := strconv.Atoi(longestWait.FindStringSubmatch(verdict + " longest wait was 0 ms")[1])
	if wait := time.Duration(ms) * time.Millisecond; err != nil || wait < labDelay {
		t.Errorf("no update waited for another, so they did not overlap: %q", verdict)
	}
	v.runsTen("concurrent", 10)
	v.reloads()
	v.reads("#after", "20") // as the server says

	for i, mode := range []string{"readonly", "snapshot"} {
		v.must(v.runLab(mode))
		v.sees("A change in this mode is refused with")
		v.reads("#after", strconv.Itoa(21+i)) // by the one update that the reads met
		v.content("status of 403")            // the refusal
	}

	v.clicks("button[form=reset]")
	v.reads("#after", "0")
}

func (v *visitor) runsTen(mode string, before int) {
	v.t.Helper()
	v.must(v.runLab(mode))
	v.reads("#before", strconv.Itoa(before))
	v.sees("All ten counted.")
	v.reads("#after", strconv.Itoa(before+10))
	if n, err := run[int](v.tab, `document.querySelectorAll("#rows li:not(.failed) .held").length`); err != nil || n != 10 {
		v.t.Errorf("the chart has %d updates, %v, want 10", n, err)
	}
}

func twoTabs(t *testing.T, b *browser, sh *shop) {
	v := visit(t, b, sh.url)
	v.logsIn("Ada")
	w := v.another()
	w.gets("/")
	w.sees("Ada", "Visit 2 in this session.")

	both := func(do func(*visitor) error) {
		t.Helper()
		other := make(chan error, 1)
		go func() { other <- do(w) }() // ends with the step's patience
		err := do(v)
		w.must(<-other)
		v.must(err)
	}
	for range 2 {
		both(func(v *visitor) error { _, err := v.follow("button[value=pencil]"); return err })
	}
	v.gets("/cart")
	v.sees("4 × €1.80")
	v.gets("/lab")
	w.gets("/lab")
	both(func(v *visitor) error { return v.runLab("exclusive") })
	w.reloads()
	w.reads("#after", "20")

	v.clicks(".who button")
	w.gets("/cart")
	w.sees("Log in", "It is empty.")
	if w.cookie() != nil {
		t.Error("the other tab has a cookie of the shop after the logout")
	}
}
