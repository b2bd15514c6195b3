package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Party is a service that takes account's word for who its visitors are. Do not
// change one that is in use.
type Party struct {
	Name    string // as account knows it
	Home    string // the path at and below which its pages are, with a slash at its end
	Keys    Keys
	Account *url.URL     // where account answers other services, not browsers
	Client  *http.Client // to ask it
	Now     func() time.Time
}

// NewParty returns a Party. It asks account within 10 seconds.
func NewParty(name, home string, keys Keys, account *url.URL) *Party {
	return &Party{
		Name: name, Home: home, Keys: keys, Account: account, Now: time.Now,
		Client: &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// ErrWay says that a visitor wants to come back to where no page of the party is.
var ErrWay = errors.New("handover: the way back leads elsewhere")

// ErrUnconfirmed says that account did not answer: nobody is logged in on the
// word of a message alone.
var ErrUnconfirmed = errors.New("handover: account does not answer")

// Begin begins a login: it returns where to send the browser. to is where the
// visitor wants to be afterwards, "" for the party's home. The session is
// acquired Exclusive.
func (p *Party) Begin(s *session.Session, to string) (location string, err error) {
	if to == "" {
		to = p.Home
	}
	if !LocalPath(to, p.Home) {
		return "", ErrWay
	}
	state, err := begin(s, to, p.Now())
	if err != nil {
		return "", err
	}
	return "/account/handover?" + url.Values{"for": {p.Name}, "state": {state}}.Encode(), nil
}

// Open checks what the browser has brought, all but the state. Call it before
// the session is acquired: nobody has to wait for a forgery.
func (p *Party) Open(token string) (Claims, error) {
	c, err := p.Keys.Handover(token, p.Now())
	if err == nil && c.Party != p.Name {
		err = fmt.Errorf("%w: it is for another party", ErrRefused)
	}
	if err != nil {
		return Claims{}, err
	}
	return c, nil
}

// Finish logs the visitor in and returns where to send the browser. The session
// is acquired Exclusive. welcome renews the session, makes it the login's by
// SetOwner(login), and stores who the user is.
//
// When Finish returns an error the session is as it was, but that the state is
// used; or it is gone, if account says that the login has ended meanwhile or
// says nothing.
func (p *Party) Finish(ctx context.Context, s *session.Session, token string, c Claims, welcome func(user, login string) error) (to string, err error) {
	if to, err = take(s, c.State, p.Now()); err != nil {
		return "", err
	}
	if was := s.Owner(); was != "" && was != c.Login {
		// Another user's, perhaps: what they have left is none of this one's.
		if err := s.Clear(); err != nil {
			return "", err
		}
	}
	if err := welcome(c.User, c.Login); err != nil {
		return "", err
	}
	// First stored, so that a logout from now on finds it, then asked, so
	// that a logout before now is seen. Until the reply nobody knows its new
	// ID: if this process dies in between, nobody is logged in.
	if err := s.Save(ctx); err != nil {
		return "", err
	}
	if err := p.confirm(ctx, token); err != nil {
		return "", errors.Join(err, s.Abandon())
	}
	return to, nil
}

// confirm asks account whether the login that the token is of is alive.
func (p *Party) confirm(ctx context.Context, token string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Account.JoinPath("/backchannel/confirm").String(), strings.NewReader(token))
	if err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	res, err := p.Client.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	res.Body.Close()
	switch res.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusGone, http.StatusForbidden:
		return fmt.Errorf("%w: the login has ended meanwhile", ErrRefused)
	default:
		return fmt.Errorf("%w: status %d", ErrUnconfirmed, res.StatusCode)
	}
}

// LogoutHandler answers account's word that logins have ended: it ends the
// party's sessions that came of them, requests in flight included.
func (p *Party) LogoutHandler(sessions *session.Manager, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		message, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		l, err := p.Keys.logout(string(message), p.Name, p.Now())
		if err != nil {
			log.Warn("a message about a logout", "error", err)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		ended := 0
		for _, login := range l.Logins {
			n, err := sessions.RevokeOwner(r.Context(), login)
			if err != nil {
				log.Error("a login's sessions could not be ended; account will ask again", "error", err)
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			ended += n
		}
		if ended > 0 {
			log.Info("logged out, on account's word", "sessions", ended)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
