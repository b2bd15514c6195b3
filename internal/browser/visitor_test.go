package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// limit is how long all tests together may take before the browser and the
// shops are ended.
const limit = 3 * time.Minute

// labDelay is how long one of the lab's updates takes.
const labDelay = 50 * time.Millisecond

// chromium opens the browser that the test's subtests share until it ends.
func chromium(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := find()
	if errors.Is(err, errNone) && os.Getenv("SESSION_TEST_REQUIRE") != "1" {
		t.Skipf("NOT TESTED in a browser: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	b, err := open(ctx, path, patience, more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

// opened opens the shop of an example on a host's address until the test ends.
func opened(t *testing.T, binary, host string) *shop {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	sh, err := start(ctx, binary, host, labDelay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sh.stop(); err != nil {
			t.Error("the shop's end:", err)
		}
	})
	return sh
}

// visitor is somebody who looks at the shop in a tab. What goes wrong ends the
// test.
type visitor struct {
	t *testing.T
	*tab
}

func visit(t *testing.T, b *browser, site string) *visitor {
	t.Helper()
	tb, err := b.visitor(site)
	return attend(t, tb, err)
}

// another is the same visitor in a second tab.
func (v *visitor) another() *visitor {
	v.t.Helper()
	tb, err := v.tab.another()
	return attend(v.t, tb, err)
}

func attend(t *testing.T, tb *tab, err error) *visitor {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, tb}
	t.Cleanup(func() {
		v.content()
		tb.close()
	})
	return v
}

// content fails the test for each complaint of the page, but for those that
// have one of the texts.
func (v *visitor) content(but ...string) {
	v.t.Helper()
	for _, c := range v.heard() {
		if !slices.ContainsFunc(but, func(text string) bool { return strings.Contains(c, text) }) {
			v.t.Error("the page:", c)
		}
	}
}

func (v *visitor) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// gets loads a page and fails if its status is not 200.
func (v *visitor) gets(path string) {
	v.t.Helper()
	status, err := v.tab.visit(path)
	v.loaded(status, err)
}

// clicks does so on something that loads a page.
func (v *visitor) clicks(selector string) {
	v.t.Helper()
	status, err := v.follow(selector)
	v.loaded(status, err)
}

func (v *visitor) loaded(status int64, err error) {
	v.t.Helper()
	v.must(err)
	if status != 200 {
		v.t.Fatalf("the page's status is %d:\n%s", status, v.page())
	}
}

func (v *visitor) reloads() {
	v.t.Helper()
	status, err := v.load("reloading", chromedp.Evaluate[chromedp.Void]("location.reload()"))
	v.loaded(status, err)
}

// back is the browser's button. The page that it leads to may be one that the
// browser has put aside, which does not load.
func (v *visitor) back() {
	v.t.Helper()
	_, err := run[bool](v.tab, "window.left = true")
	v.must(err)
	_, err = run[int](v.tab, "setTimeout(() => history.back())")
	v.must(err)
	v.must(v.until(`!window.left && document.readyState === "complete" && !document.documentElement.hidden`))
}

func (v *visitor) logsIn(name string) {
	v.t.Helper()
	v.gets("/login")
	v.must(v.fill("#name", name))
	v.clicks("main button")
	v.sees("Welcome, "+name+".", "Log out")
}

// page returns the page's text, as the visitor sees it.
func (v *visitor) page() string {
	v.t.Helper()
	text, err := run[string](v.tab, "document.body.innerText")
	v.must(err)
	return text
}

func (v *visitor) sees(texts ...string) {
	v.t.Helper()
	page := v.page()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			v.t.Fatalf("the page does not say %q:\n%s", text, page)
		}
	}
}

func (v *visitor) seesNot(texts ...string) {
	v.t.Helper()
	page := v.page()
	for _, text := range texts {
		if strings.Contains(page, text) {
			v.t.Fatalf("the page says %q:\n%s", text, page)
		}
	}
}

// reads fails if an element does not have the text.
func (v *visitor) reads(selector, want string) {
	v.t.Helper()
	got, err := v.text(selector)
	v.must(err)
	if got != want {
		v.t.Fatalf("%s is %q, want %q", selector, got, want)
	}
}

// cookie returns the one cookie that the visitor has of the shop, or nil.
func (v *visitor) cookie() *network.Cookie {
	v.t.Helper()
	cookies, err := v.cookies()
	v.must(err)
	switch len(cookies) {
	case 0:
		return nil
	case 1:
		return cookies[0]
	}
	v.t.Fatalf("the shop has set %d cookies, want one", len(cookies))
	return nil
}

// id returns the ID that the visitor's browser has. It is for comparison: no
// message may contain it.
func (v *visitor) id() string {
	v.t.Helper()
	if c := v.cookie(); c != nil {
		return c.Value
	}
	v.t.Fatal("the browser has no cookie of the shop")
	return ""
}
