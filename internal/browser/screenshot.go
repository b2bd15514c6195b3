package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// view is what a picture shows, and how.
type view struct {
	page  string
	width int64
	dark  bool
}

// screenshot fills a cart, logs in, runs the ten updates, and writes a picture
// of a page to a file.
func screenshot(ctx context.Context, file string, v view) error {
	folder, err := os.MkdirTemp("", "browser-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	binary, err := build(ctx, examples[0], folder)
	if err != nil {
		return err
	}
	sh, err := start(ctx, binary, "127.0.0.1", 200*time.Millisecond) // the default
	if err != nil {
		return err
	}
	defer func() { _ = sh.stop() }() // the picture is made by then
	path, err := find()
	if err != nil {
		return err
	}
	b, err := open(ctx, path, patience)
	if err != nil {
		return err
	}
	defer b.close()
	tb, err := b.visitor(sh.url)
	if err != nil {
		return err
	}
	defer tb.close()

	png, err := picture(tb, v)
	if err = errors.Join(err, complaint(tb.heard())); err != nil {
		return err
	}
	return os.WriteFile(file, png, 0o644)
}

func picture(tb *tab, v view) (png []byte, err error) {
	scheme := "light"
	if v.dark {
		scheme = "dark"
	}
	if _, err := step(tb, "setting up the view", chromedp.Steps(
		chromedp.EmulateViewport(v.width, 640),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{
					{Name: "prefers-color-scheme", Value: scheme},
					{Name: "prefers-reduced-motion", Value: "reduce"},
				},
			})
			return err
		}),
	)); err != nil {
		return nil, err
	}
	if _, err := tb.visit("/"); err != nil {
		return nil, err
	}
	for _, sku := range []string{"mug", "mug", "plant"} {
		if _, err := tb.follow("button[value=" + sku + "]"); err != nil {
			return nil, err
		}
	}
	if _, err := tb.visit("/login"); err != nil {
		return nil, err
	}
	if err := tb.fill("#name", "Ada"); err != nil {
		return nil, err
	}
	if _, err := tb.follow("main button"); err != nil {
		return nil, err
	}
	if v.page == "/lab" {
		if _, err := tb.visit("/lab"); err != nil {
			return nil, err
		}
		if err := tb.runLab("exclusive"); err != nil {
			return nil, err
		}
	} else if v.page != "/" { // where the login has led
		if _, err := tb.visit(v.page); err != nil {
			return nil, err
		}
	}
	return step(tb, "taking the picture", chromedp.FullScreenshot(100)) // 100: as PNG
}

// runLab has the lab's page send its ten requests in a mode, to the verdict.
func (tb *tab) runLab(mode string) error {
	if _, err := step(tb, "running the lab", chromedp.Steps(
		chromedp.Click(chromedp.CSS("label[for="+mode+"]")),
		chromedp.Click(chromedp.CSS("#go")),
	)); err != nil {
		return err
	}
	return tb.until(`!document.getElementById("go").disabled`)
}

// complaint makes an error of what a tab has heard.
func complaint(heard []string) error {
	var errs []error
	for _, c := range heard {
		errs = append(errs, fmt.Errorf("the page: %s", c))
	}
	return errors.Join(errs...)
}
