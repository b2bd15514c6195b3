package main

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// onAPhone: nothing is wider than the screen or sticks out of its card.
func onAPhone(t *testing.T, b *browser, sh *shop) {
	v := visit(t, b, sh.url)
	_, err := step(v.tab, "making the screen small", chromedp.EmulateViewport(360, 640))
	v.must(err)
	fits := func(path string) {
		t.Helper()
		wide, err := run[[]string](v.tab, `[...document.querySelectorAll("body *")].filter((e) => {
			if (e.closest(".track")) {
				return false; // which cuts its bars off
			}
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
