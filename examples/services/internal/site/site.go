// Package site is what the services of this example have in common: their names,
// their cookies, and the looks of the pages that are not the shop's.
package site

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
)

// The services.
const (
	Gateway = "gateway"
	Account = "account"
	Shop    = "shop"
)

// The paths at which each of them has its pages. The gateway passes on what is
// below the other two.
const (
	GatewayHome = "/"
	AccountHome = "/account/"
	ShopHome    = "/shop/"
)

// Finish is where each party takes the browser back from account. These are the
// only places to which account sends anybody with a login.
func Finish(party string) (path string, ok bool) {
	switch party {
	case Gateway:
		return GatewayHome + "login/finish", true
	case Shop:
		return ShopHome + "login/finish", true
	}
	return "", false
}

// Parties are the services that take account's word.
func Parties() []string { return []string{Gateway, Shop} }

// Cookie is a service's own cookie. Each has another name, by which the gateway
// tells them apart: no service gets to see another's.
func Cookie(service string, secure bool) session.Cookie {
	if secure {
		return session.Cookie{Name: "__Host-" + service}
	}
	return session.Cookie{Name: service, Insecure: true} // http on this machine
}

//go:embed templates
var templates embed.FS

// Pages makes the pages of the gateway and of account.
type Pages struct {
	service string
	log     *slog.Logger
	pages   map[string]*template.Template
}

// NewPages returns the pages of a service.
func NewPages(service string, log *slog.Logger) (*Pages, error) {
	p := &Pages{service: service, log: log, pages: map[string]*template.Template{}}
	for _, name := range []string{"front", "account", "login", "problem"} {
		t, err := template.ParseFS(templates, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("site: %w", err)
		}
		p.pages[name] = t
	}
	return p, nil
}

// Front is the gateway's page.
type Front struct{ User string }

// AccountPage is account's page.
type AccountPage struct {
	User    string
	Devices []Device
}

// Device is one place where a user is logged in.
type Device struct {
	Login string
	Since time.Time
	Here  bool // it is this browser
}

// LoginPage is account's form. For and State are those of a hand-over that it
// interrupts.
type LoginPage struct {
	For, State    string
	Name, Problem string
	Left          bool
	Untold        []string // parties that could not be told of the logout yet
}

// Front makes the gateway's page.
func (p *Pages) Front(data Front) (shop.Result, error) {
	return p.render(http.StatusOK, "front", "Welcome", data.User, data)
}

// Account makes account's page.
func (p *Pages) Account(data AccountPage) (shop.Result, error) {
	return p.render(http.StatusOK, "account", "Your account", data.User, data)
}

// Login makes account's form.
func (p *Pages) Login(status int, data LoginPage) (shop.Result, error) {
	return p.render(status, "login", "Log in", "", data)
}

// Redirect answers a POST, or sends the browser to another service.
func Redirect(to string) shop.Result {
	return shop.Result{Status: http.StatusSeeOther, Header: map[string]string{"Location": to, "Cache-Control": "no-store"}}
}

// Explain returns the status and the sentence that tell a visitor what became of
// a hand-over; ok is false if err is about something else.
func Explain(err error) (status int, text string, ok bool) {
	switch {
	case errors.Is(err, handover.ErrRefused):
		return http.StatusForbidden, "That login was not begun in this browser, was used already, or took too long. Please log in again.", true
	case errors.Is(err, handover.ErrWay):
		return http.StatusBadRequest, "That would lead away from here.", true
	case errors.Is(err, handover.ErrUnconfirmed):
		return http.StatusServiceUnavailable, "The account service does not answer, so you are not logged in. Please try again in a moment.", true
	}
	return 0, "", false
}

// Error makes the page of an error, and logs what an operator should know.
func (p *Pages) Error(err error) shop.Result {
	status, text, ok := Explain(err)
	if refused := shop.StatusError(0); errors.As(err, &refused) {
		status, text = int(refused), http.StatusText(int(refused))+"."
	} else if !ok {
		status, text = session.HTTPStatus(err), "That did not work, and nothing was saved. Please try again in a moment."
	}
	switch {
	case status >= http.StatusInternalServerError:
		p.log.Error("a request failed", "status", status, "error", err)
	case ok:
		p.log.Warn("a hand-over was refused", "status", status, "error", err)
	}
	return p.Problem(status, text)
}

// Problem makes a page with a sentence for the visitor.
func (p *Pages) Problem(status int, text string) shop.Result {
	res, err := p.render(status, "problem", http.StatusText(status), "", text)
	if err != nil { // cannot be: the template takes any text
		res = shop.Result{Status: status, Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}, Body: []byte(text)}
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		res.Header["Retry-After"] = session.RetryAfter
	}
	return res
}

func (p *Pages) render(status int, name, title, user string, data any) (shop.Result, error) {
	var body bytes.Buffer
	err := p.pages[name].ExecuteTemplate(&body, "layout", struct {
		Title, Service, User string
		Data                 any
	}{title, p.service, user, data})
	if err != nil {
		return shop.Result{}, fmt.Errorf("site: %w", err)
	}
	return shop.Result{
		Status: status,
		Header: map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"},
		Body:   body.Bytes(),
	}, nil
}
