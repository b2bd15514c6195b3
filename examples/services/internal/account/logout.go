package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// home shows where the user is logged in.
func (sv *Service) home(c *fiber.Ctx, s *session.Session, _ shop.Form) (shop.Result, error) {
	user := s.Owner()
	if user == "" {
		return site.Redirect(loginPath), nil
	}
	infos, err := sv.Sessions.SessionsOf(c.UserContext(), user)
	if err != nil {
		return shop.Result{}, err
	}
	page := site.AccountPage{User: user}
	for _, info := range infos {
		page.Devices = append(page.Devices, site.Device{
			Login: loginOf(info.Key), Since: info.Created, Here: info.Key == s.StoreKey(),
		})
	}
	return sv.pages.Account(page)
}

// endDevice logs the user out in another browser.
func (sv *Service) endDevice(c *fiber.Ctx, s *session.Session, form shop.Form) (shop.Result, error) {
	user, ctx := s.Owner(), c.UserContext()
	if user == "" {
		return site.Redirect(loginPath), nil
	}
	infos, err := sv.Sessions.SessionsOf(ctx, user)
	if err != nil {
		return shop.Result{}, err
	}
	// Only what is in the user's own list: the form could name anybody's.
	i := slices.IndexFunc(infos, func(info session.Info) bool { return loginOf(info.Key) == form("login") })
	if i < 0 {
		return sv.pages.Problem(http.StatusNotFound, "You are not logged in there."), nil
	}
	if err := sv.Sessions.Revoke(ctx, infos[i].Key); err != nil {
		return shop.Result{}, err
	}
	sv.tellNow(ctx, infos[i:i+1])
	return site.Redirect(site.AccountHome), nil
}

// logout ends this browser's login, here and wherever it was handed over to.
func (sv *Service) logout(c *fiber.Ctx, s *session.Session, _ shop.Form) (shop.Result, error) {
	if s.Owner() == "" {
		return site.Redirect(loginPath), nil
	}
	ctx := c.UserContext()
	// At once, and not at the end of this request: a party that asks after it
	// is told must be told that the login has ended.
	if err := sv.Sessions.Revoke(ctx, s.StoreKey()); err != nil {
		return shop.Result{}, err
	}
	return sv.left(ctx, s, []session.Info{{Key: s.StoreKey()}})
}

// logoutEverywhere ends all logins of the user.
func (sv *Service) logoutEverywhere(c *fiber.Ctx, s *session.Session, _ shop.Form) (shop.Result, error) {
	user, ctx := s.Owner(), c.UserContext()
	if user == "" {
		return site.Redirect(loginPath), nil
	}
	infos, err := sv.Sessions.SessionsOf(ctx, user)
	if err != nil {
		return shop.Result{}, err
	}
	if _, err := sv.Sessions.RevokeOwner(ctx, user); err != nil {
		return shop.Result{}, err
	}
	return sv.left(ctx, s, infos)
}

// left tells the parties, takes the cookie away, and sends the visitor to the
// page that says so.
func (sv *Service) left(ctx context.Context, s *session.Session, logins []session.Info) (shop.Result, error) {
	untold := sv.tellNow(ctx, logins)
	if err := s.Abandon(); err != nil {
		return shop.Result{}, err
	}
	return site.Redirect(loginPath + "?" + url.Values{"left": {"1"}, "untold": untold}.Encode()), nil
}

// tellNow tells the parties while the visitor waits, so that the page that says
// so is true. Who could not be told is told again by ended.
func (sv *Service) tellNow(ctx context.Context, logins []session.Info) (untold []string) {
	names := make([]string, len(logins))
	for i, info := range logins {
		names[i] = loginOf(info.Key)
	}
	untold, err := sv.tell(ctx, names)
	if err != nil {
		sv.cfg.Logger.Warn("a logout is still to be told", "parties", strings.Join(untold, ", "), "error", err)
	}
	return untold
}

// tell tells all parties at once that logins have ended, and returns those that
// could not be told.
func (sv *Service) tell(ctx context.Context, logins []string) (untold []string, err error) {
	var mu sync.Mutex // guards the results
	var wg sync.WaitGroup
	for party := range sv.cfg.Parties {
		wg.Go(func() {
			if failed := sv.tellParty(ctx, party, logins); failed != nil {
				mu.Lock()
				defer mu.Unlock()
				untold, err = append(untold, party), errors.Join(err, failed)
			}
		})
	}
	wg.Wait()
	slices.Sort(untold)
	return untold, err
}

func (sv *Service) tellParty(ctx context.Context, party string, logins []string) error {
	message, err := sv.cfg.Signer.Logout(handover.Logout{Party: party, Logins: logins}, time.Now())
	if err != nil {
		return err
	}
	to := sv.cfg.Parties[party].JoinPath("/backchannel/logout").String()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(message))
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	res, err := sv.client.Do(r)
	if err != nil {
		return fmt.Errorf("account: tell %s of a logout: %w", party, err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("account: tell %s of a logout: status %d", party, res.StatusCode)
	}
	return nil
}
