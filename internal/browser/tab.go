package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a step may take before it has failed.
const patience = 30 * time.Second

// tab is one tab of a browser, on one site.
type tab struct {
	ctx   context.Context // chromedp's
	site  string          // its origin
	close func()

	mu         sync.Mutex
	complaints []string // under mu
}

// visitor opens a tab for somebody who has not been there: without cookies.
func (b *browser) visitor(site string) (*tab, error) {
	return newTab(b.ctx, site, chromedp.WithNewBrowserContext())
}

// another opens a second tab of the same visitor.
func (tb *tab) another() (*tab, error) { return newTab(tb.ctx, tb.site) }

func newTab(ctx context.Context, site string, opts ...chromedp.ContextOption) (*tab, error) {
	tb := &tab{site: site}
	ctx, cancel := chromedp.NewContext(ctx, append(opts, chromedp.WithListener(tb.watch))...)
	tb.ctx, tb.close = ctx, cancel
	late := time.AfterFunc(patience, cancel) // as in open
	_, err := chromedp.Call(ctx, audits.Enable, cdp.Empty{})
	if err != nil || !late.Stop() {
		cancel()
		return nil, fmt.Errorf("a new tab: %w", errors.Join(err, context.Cause(ctx)))
	}
	return tb, nil
}

// watch notes what no page may do: complain in the console, throw, offend
// against its own Content-Security-Policy or whatever else the browser finds
// fault with, ask anybody but its site for something, open a dialog.
func (tb *tab) watch(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		switch e.Type {
		case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert:
			tb.complain("console.%s: %s", e.Type, arguments(e.Args))
		}
	case *runtime.EventExceptionThrown:
		d := e.ExceptionDetails
		tb.complain("%s: %s (%s:%d)", d.Text, arguments([]*runtime.RemoteObject{d.Exception}), d.URL, d.LineNumber+1)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			tb.complain("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		tb.complain("%s: %s", e.Issue.Code, issue(e.Issue.Details))
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, tb.site+"/") {
			tb.complain("external request: %s", url)
		}
	case *network.EventLoadingFailed:
		if !e.Canceled {
			tb.complain("request failed: %s %s", e.Type, e.ErrorText)
		}
	case *page.EventJavascriptDialogOpening:
		tb.complain("dialog: %s", e.Message)
	}
}

func arguments(args []*runtime.RemoteObject) string {
	var texts []string
	for _, a := range args {
		if a != nil {
			texts = append(texts, cmp.Or(a.Description, string(a.Value)))
		}
	}
	return strings.Join(texts, " ")
}

// issue says what can be said of the kinds of issue that a small site can
// have; the code says the rest.
func issue(d *audits.InspectorIssueDetails) string {
	switch {
	case d == nil:
		return ""
	case d.ContentSecurityPolicyIssueDetails != nil:
		return d.ContentSecurityPolicyIssueDetails.ViolatedDirective
	case d.GenericIssueDetails != nil:
		return string(d.GenericIssueDetails.ErrorType)
	case d.CookieIssueDetails != nil:
		return fmt.Sprint(d.CookieIssueDetails.CookieExclusionReasons, d.CookieIssueDetails.CookieWarningReasons)
	}
	return ""
}

func (tb *tab) complain(format string, args ...any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.complaints = append(tb.complaints, fmt.Sprintf(format, args...))
}

// heard returns the complaints since the last call.
func (tb *tab) heard() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	c := tb.complaints
	tb.complaints = nil
	return c
}

// step does something in the tab, within patience.
func step[T any](tb *tab, what string, do chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, do)
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return v, err
}

// load does what makes the tab load a page, and returns the page's status.
func (tb *tab) load(what string, do chromedp.Action[chromedp.Void]) (status int64, err error) {
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	res, err := chromedp.RunResponse(ctx, do)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return res.Status, nil
}

// visit loads a page of the site.
func (tb *tab) visit(path string) (status int64, err error) {
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	res, err := chromedp.Run(ctx, chromedp.NavigateResponse(tb.site+path))
	if err != nil {
		return 0, fmt.Errorf("visiting %s: %w", path, err)
	}
	return res.Status, nil
}

// follow clicks on something that loads a page.
func (tb *tab) follow(selector string) (status int64, err error) {
	return tb.load("clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// fill types into a field.
func (tb *tab) fill(selector, text string) error {
	_, err := step(tb, "filling in "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
	return err
}

// text returns the text of the first element that the selector finds.
func (tb *tab) text(selector string) (string, error) {
	return run[string](tb, fmt.Sprintf(`document.querySelector(%q).textContent.replace(/\s+/g, " ").trim()`, selector))
}

// until waits until a JavaScript expression is true, whichever pages come and go
// meanwhile.
func (tb *tab) until(expression string) error {
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if yes && err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", expression, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// run evaluates a JavaScript expression and waits for its promise.
func run[T any](tb *tab, expression string) (T, error) {
	return step(tb, "evaluating "+expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// cookies returns what the browser keeps for the site.
func (tb *tab) cookies() ([]*network.Cookie, error) {
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	res, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{tb.site + "/"}})
	if err != nil {
		return nil, fmt.Errorf("reading the cookies: %w", err)
	}
	return res.Cookies, nil
}
