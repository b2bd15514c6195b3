package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
)

// front is a proxy in front of a shop, as it has one in production.
type front struct {
	*httptest.Server
	logins atomic.Int32  // login forms that have come
	logged chan struct{} // a value when the shop has answered one of them
	pass   chan struct{} // closed: the answers go on to the browser
}

// proxy opens a proxy until the test ends. It makes visible what a slow network
// does to a login: the shop has answered, and the browser does not know.
func proxy(t *testing.T, sh *shop, serve func(*httptest.Server)) *front {
	t.Helper()
	to, err := url.Parse(sh.url)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{logged: make(chan struct{}, 10), pass: make(chan struct{})}
	f.Server = httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
			r.Out.Host = r.In.Host // CrossOriginProtection compares it with Origin
			if r.In.Method == http.MethodPost && r.In.URL.Path == "/login" {
				f.logins.Add(1)
			}
		},
		ModifyResponse: func(res *http.Response) error {
			if res.Request.Method != http.MethodPost || res.Request.URL.Path != "/login" {
				return nil
			}
			f.logged <- struct{}{}
			select {
			case <-f.pass:
				return nil
			case <-res.Request.Context().Done(): // the browser has lost interest
				return context.Cause(res.Request.Context())
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // of browsers that doubt the certificate
	serve(f.Server)
	t.Cleanup(f.Close)
	return f
}

// sendsTwice fills in the login form and clicks twice, the second time when the
// shop has answered the first and the browser does not know yet. sent is how
// often the form is sent then.
func (v *visitor) sendsTwice(f *front, sent int32) {
	v.t.Helper()
	v.gets("/")
	v.gets("/login")
	v.must(v.fill("#name", "Ada"))
	at, err := run[[]float64](v.tab, `(() => {
		const button = document.querySelector("main button").getBoundingClientRect();
		return [button.x + button.width / 2, button.y + button.height / 2];
	})()`)
	v.must(err)
	click := chromedp.MouseClickXY(at[0], at[1]) // Click would wait for the page
	logged := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		select {
		case <-f.logged:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	steps := []chromedp.Action[chromedp.Void]{click, logged, click}
	for range sent - 1 {
		steps = append(steps, logged)
	}
	_, err = step(v.tab, "clicking twice", chromedp.Steps(steps...))
	v.must(err)
	close(f.pass)
	v.must(v.until(`document.readyState === "complete" && document.querySelector("form.card") === null`))
	if n := f.logins.Load(); n != sent {
		v.t.Errorf("the form was sent %d times, want %d", n, sent)
	}
}

func sentTwice(t *testing.T, b *browser, sh *shop) {
	f := proxy(t, sh, (*httptest.Server).Start)
	v := visit(t, b, f.URL)
	v.sendsTwice(f, 1)
	v.sees("Welcome, Ada.")
}

// sentTwiceWithoutScript: nobody keeps the browser from sending the form again.
// It drops the answer to the first one, and the new cookie with it; the old one
// is refused, and the page says why. See Config.RenewGrace.
func sentTwiceWithoutScript(t *testing.T, b *browser, sh *shop) {
	f := proxy(t, sh, (*httptest.Server).Start)
	v := visit(t, b, f.URL)
	if _, err := chromedp.Call(v.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	v.sendsTwice(f, 2)
	v.sees("You have logged in meanwhile.")
	v.seesNot("Ada")
	v.content("status of 409")
}

// behindTLS: the shop itself speaks plain http to the proxy, and the browser
// gets a Secure cookie.
func behindTLS(t *testing.T, b *browser, binary string) {
	f := proxy(t, opened(t, binary, "0.0.0.0"), (*httptest.Server).StartTLS)
	close(f.pass)
	v := visit(t, b, f.URL)
	// The certificate is one of the test's own.
	if _, err := chromedp.Call(v.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
		t.Fatal(err)
	}
	v.gets("/")
	v.hasCookie(true)
	first := v.id()
	v.logsIn("Ada")
	v.hasCookie(true)
	if v.id() == first {
		t.Error("the login has not changed the ID")
	}
	v.clicks(".who button")
	if v.cookie() != nil {
		t.Error("the browser has a cookie of the shop after the logout")
	}
}
