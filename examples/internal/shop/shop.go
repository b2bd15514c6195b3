package shop

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// What the shop keeps in a session: a name and a type for each, said once.
var (
	userKey   = session.NewKey[string]("user")
	cartKey   = session.NewKey[Cart]("cart")
	visitsKey = session.NewKey[int]("visits")
	flashKey  = session.NewKey[string]("flash") // shown once, on the next page
	countKey  = session.NewKey[int]("count")    // the lab's
)

// Config configures a Shop.
type Config struct {
	// Delay is how long one update in the lab works while it has the session.
	// Default: 200 milliseconds.
	Delay time.Duration

	// Pause is that work. It ends early, with the reason, when ctx does.
	// Default: it waits.
	Pause func(ctx context.Context, d time.Duration) error

	// Base is the path below which the shop has its pages, without a slash at
	// its end. Its static files stay at /static/. Default: "", the whole site.
	Base string

	// LoginElsewhere says that the shop does not log visitors in itself: a POST
	// to its /login begins what ends with Welcome. Default: Login does it.
	LoginElsewhere bool

	// Logger gets what an operator should know. Default: slog.Default().
	Logger *slog.Logger
}

// Shop answers for all visitors. It is safe for concurrent use: what belongs to
// one visitor is in that visitor's session.
type Shop struct {
	cfg      Config
	products []Product
	pages    map[string]*template.Template
}

// Form gives the value that the request's form or address has under a name, or
// "". Every framework has such a function.
type Form func(name string) string

// Action is one thing that a Shop does for a visitor: most of its methods. The
// session has been acquired in the mode that the method's comment says. The
// Result is what to answer. An error is for the adapter's Fail.
type Action func(s *session.Session, form Form) (Result, error)

// Result is what to answer. A framework's part writes it as it is.
type Result struct {
	Status int
	Header map[string]string
	Body   []byte
}

//go:embed templates
var templates embed.FS

//go:embed static
var static embed.FS

// New opens a shop.
func New(cfg Config) (*Shop, error) {
	cfg.Delay = cmp.Or(cfg.Delay, 200*time.Millisecond)
	if cfg.Delay < 0 {
		return nil, fmt.Errorf("shop: Config.Delay is %v: must not be negative", cfg.Delay)
	}
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	sh := &Shop{cfg: cfg, products: catalog(), pages: map[string]*template.Template{}}
	for _, name := range []string{"products", "cart", "login", "lab", "error"} {
		page, err := template.ParseFS(templates, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("shop: %w", err)
		}
		sh.pages[name] = page
	}
	return sh, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Static returns the files that belong under /static/. They need no session.
func (*Shop) Static() fs.FS {
	files, err := fs.Sub(static, "static")
	if err != nil {
		return static // cannot be: the folder is embedded
	}
	return files
}

// SecurityHeaders returns the headers that every reply of the shop must have.
func SecurityHeaders() map[string]string {
	return map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Referrer-Policy":            "same-origin",
		"X-Content-Type-Options":     "nosniff",
	}
}

// Error returns the page that tells a visitor what an error means for them, be it
// the session's or a StatusError, and logs what an operator should know. It is
// for the adapter's ErrorHandler, and for the framework's own if it has one.
func (sh *Shop) Error(err error) Result {
	if refused := StatusError(0); errors.As(err, &refused) {
		return sh.Problem(int(refused), refused.text())
	}
	status := session.HTTPStatus(err)
	if status >= 500 {
		sh.cfg.Logger.Error("shop: a request failed", "status", status, "error", err)
	}
	text := wentWrong
	switch {
	case errors.Is(err, session.ErrRenewed):
		// Nearly always the browser has the new cookie by now. If the reply that
		// brought it got lost, the old one is a stranger's after RenewGrace.
		text = "You have logged in meanwhile. Please try again; if this page comes back, then in a minute."
	case status == http.StatusTooManyRequests:
		text = "Too many requests of yours are waiting already. Please try again in a moment."
	case status == http.StatusServiceUnavailable:
		text = "The shop is busy, and nothing was saved. Please try again in a moment."
	case status == http.StatusConflict:
		text = "Another of your requests came first, and nothing was saved. Please try again."
	case status == http.StatusRequestEntityTooLarge:
		text = "That is more than a session holds."
	}
	res := sh.Problem(status, text)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		res.Header["Retry-After"] = session.RetryAfter
	}
	return res
}

// Problem returns an error page with a sentence for the visitor.
func (sh *Shop) Problem(status int, text string) Result {
	res, err := sh.render(status, "error", page{Title: http.StatusText(status), Data: text})
	if err != nil { // cannot be: the template takes any text
		return Result{Status: status, Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}, Body: []byte(text)}
	}
	return res
}

// page is what the layout needs; Data is for the page inside it.
type page struct {
	Title  string
	Here   string // which entry of the navigation this is; "" on error pages, which know no session
	User   string
	InCart int
	Flash  string
	Data   any

	Base           string // these two are the Config's
	LoginElsewhere bool
}

// visitor fills in what the layout shows of the session.
func visitor(s *session.Session, p page) (page, error) {
	var err error
	if p.User, err = userKey.Get(s); err != nil {
		return p, err
	}
	cart, err := cartKey.Get(s)
	if err != nil {
		return p, err
	}
	p.InCart = cart.Count()
	return p, nil
}

// render renders a page. It does so into memory: a template that fails half-way
// must not leave half a page with status 200.
func (sh *Shop) render(status int, name string, p page) (Result, error) {
	p.Base, p.LoginElsewhere = sh.cfg.Base, sh.cfg.LoginElsewhere
	var body bytes.Buffer
	if err := sh.pages[name].ExecuteTemplate(&body, "layout", p); err != nil {
		return Result{}, fmt.Errorf("shop: %w", err)
	}
	return Result{
		Status: status,
		Header: map[string]string{
			"Content-Type":  "text/html; charset=utf-8",
			"Cache-Control": "no-store", // pages are their visitor's, also after the logout
		},
		Body: body.Bytes(),
	}, nil
}

// answer returns v as JSON.
func answer(status int, v any) (Result, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Result{}, fmt.Errorf("shop: %w", err)
	}
	return Result{
		Status: status,
		Header: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"},
		Body:   body,
	}, nil
}

// redirect answers a POST: the browser gets the next page by GET, so that
// loading it again does nothing twice.
func (sh *Shop) redirect(to string) Result {
	return Result{Status: http.StatusSeeOther, Header: map[string]string{"Location": sh.cfg.Base + to, "Cache-Control": "no-store"}}
}
