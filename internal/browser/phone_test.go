package main

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestShop_OnAPhone: nothing is wider than the screen or sticks out of its card.
// The pages are the same in all examples.
func TestShop_OnAPhone(t *testing.T) {
	b := chromium(t)
	binary, err := build(t.Context(), examples[0], t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v := visit(t, b, opened(t, binary, "127.0.0.1").url)
	_, err = step(v.tab, "making the screen small", chromedp.EmulateViewport(360, 640))
	v.must(err)
	fits := func(path string) {
		t.Helper()
		wide, err := run[[]string](v.tab, `[...document.querySelectorAll("body *")].filter((e) => {
			const card = e.parentElement.closest(".card, section");
			const edge = card ? card.getBoundingClientRect().right - parseFloat(getComputedStyle(card).paddingRight) : innerWidth;
			return e.getBoundingClientRect().right > edge + 1;
		}).map((e) => e.outerHTML.slice(0, 100))`)
		v.must(err)
		for _, e := range wide {
			t.Errorf("%s: too wide: %s", path, e)
		}
	}

	v.logsIn("Ada with the very long name of forty let")
	for _, sku := range []string{"plant", "plant", "notebook", "lamp"} {
		v.clicks("button[value=" + sku + "]")
	}
	fits("/")
	for _, path := range []string{"/cart", "/login", "/nothing", "/lab"} {
		_, err := v.tab.visit(path)
		v.must(err)
		fits(path)
	}
	v.content("status of 404")
	v.must(v.runLab("readonly"))
	fits("/lab, afterwards")
	v.content("status of 403")
}
