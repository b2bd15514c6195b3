package account

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// request is a hand-over that a party asks for. It names no address: where the
// browser goes with it is known here.
type request struct{ party, state string }

// handed returns the request in a form or address; it is empty if there is none.
func handed(form shop.Form) (request, error) {
	r := request{form("for"), form("state")}
	if r == (request{}) {
		return r, nil
	}
	if _, ok := site.Finish(r.party); !ok || len(r.state) < 16 || len(r.state) > 64 {
		return request{}, shop.ErrForm
	}
	return r, nil
}

// path is where the visitor goes on: to the hand-over, if there is one.
func (r request) path(at string) string {
	if r == (request{}) {
		return site.AccountHome
	}
	return at + "?" + url.Values{"for": {r.party}, "state": {r.state}}.Encode()
}

const (
	loginPath    = site.AccountHome + "login"
	handoverPath = site.AccountHome + "handover"
)

// loginPage shows the form. ReadOnly: a visitor who only looks gets no session.
func (sv *Service) loginPage(c *fiber.Ctx, s *session.Session, form shop.Form) (shop.Result, error) {
	asked, err := handed(form)
	if err != nil {
		return shop.Result{}, err
	}
	if s.Owner() != "" {
		return site.Redirect(asked.path(handoverPath)), nil
	}
	page := site.LoginPage{For: asked.party, State: asked.state, Left: form("left") != ""}
	for _, party := range site.Parties() { // and nothing else that the address may say
		for _, untold := range c.Request().URI().QueryArgs().PeekMulti("untold") {
			if string(untold) == party {
				page.Untold = append(page.Untold, party)
			}
		}
	}
	return sv.pages.Login(http.StatusOK, page)
}

// login logs a visitor in, under a new ID.
func (sv *Service) login(_ *fiber.Ctx, s *session.Session, form shop.Form) (shop.Result, error) {
	asked, err := handed(form)
	if err != nil {
		return shop.Result{}, err
	}
	user, problem := authenticate(form)
	if problem != "" {
		return sv.pages.Login(unprocessable, site.LoginPage{For: asked.party, State: asked.state, Name: user, Problem: problem})
	}
	switch s.Owner() {
	case "":
	case user: // the form was sent twice
		return site.Redirect(asked.path(handoverPath)), nil
	default:
		// To change the owner would leave the other services' sessions with
		// the one before.
		return sv.pages.Problem(http.StatusConflict, "You are logged in under another name. Please log out first."), nil
	}
	if err := errors.Join(s.Clear(), s.Renew(), s.SetOwner(user), userKey.Set(s, user)); err != nil {
		return shop.Result{}, err
	}
	return site.Redirect(asked.path(handoverPath)), nil
}

// authenticate finds out who wants to log in. In a service with something to
// protect a password, a passkey or an identity provider does it, attempts are
// counted, and it is done before the session is acquired: a hash that takes its
// time must not hold it.
func authenticate(form shop.Form) (user, problem string) {
	user = strings.TrimSpace(form("name"))
	switch {
	case user == "":
		return user, "Please enter a name."
	case !utf8.ValidString(user) || strings.ContainsFunc(user, unicode.IsControl):
		return "", "Please enter a name of letters, digits and signs."
	case utf8.RuneCountInString(user) > 40:
		return user, "Please enter a name of at most 40 characters."
	}
	return user, ""
}

// handover sends the browser back to a party with account's word, after a login
// if need be. It changes nothing: whoever makes a browser come here gets it
// sent to a party that has begun no login in it.
func (sv *Service) handover(_ *fiber.Ctx, s *session.Session, form shop.Form) (shop.Result, error) {
	asked, err := handed(form)
	if err != nil {
		return shop.Result{}, err
	}
	finish, ok := site.Finish(asked.party)
	if !ok {
		return shop.Result{}, shop.ErrForm
	}
	user, err := userKey.Get(s)
	if err != nil {
		return shop.Result{}, err
	}
	if s.Owner() == "" || user == "" {
		return site.Redirect(asked.path(loginPath)), nil
	}
	token, err := sv.cfg.Signer.Handover(handover.Claims{
		Party: asked.party, User: user, Login: loginOf(s.StoreKey()), State: asked.state,
	}, time.Now())
	if err != nil {
		return shop.Result{}, err
	}
	return site.Redirect(finish + "?" + url.Values{"token": {token}}.Encode()), nil
}

// confirm tells a party whether the login is alive that it has a token of. The
// token says that it asks for a reason; nothing else of it is told.
func (sv *Service) confirm(c *fiber.Ctx) error {
	claims, err := sv.cfg.Keys.Handover(string(c.Body()), time.Now())
	if err != nil {
		return c.SendStatus(fiber.StatusForbidden)
	}
	logins, err := sv.Sessions.SessionsOf(c.UserContext(), claims.User)
	if err != nil {
		return fmt.Errorf("account: confirm: %w", err)
	}
	for _, login := range logins {
		if loginOf(login.Key) == claims.Login {
			return c.SendStatus(fiber.StatusNoContent)
		}
	}
	return c.SendStatus(fiber.StatusGone)
}
