// Package gateway is the one service that browsers talk to: on chi, with its
// sessions in memory. It serves the front page, and passes on what belongs to
// the others.
package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// Config says what a Service needs.
type Config struct {
	Store   session.Store
	Keys    handover.Keys // account's public keys
	Account *url.URL      // where the services are
	Shop    *url.URL
	Secure  bool // browsers come by https
	Logger  *slog.Logger
}

// Service is the gateway.
type Service struct {
	Handler  http.Handler
	Sessions *session.Manager

	cfg   Config
	pages *site.Pages
	party *handover.Party
}

// userKey is who is logged in.
var userKey = session.NewKey[string]("user")

// New returns the gateway.
func New(cfg Config) (*Service, error) {
	pages, err := site.NewPages(site.Gateway, cfg.Logger)
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(cfg.Store, session.Config{
		Namespace: site.Gateway,
		ID:        site.Cookie(site.Gateway, cfg.Secure),
		Logger:    cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	sv := &Service{
		Sessions: sessions,
		cfg:      cfg,
		pages:    pages,
		party:    handover.NewParty(site.Gateway, site.GatewayHome, cfg.Keys, cfg.Account),
	}
	sv.Handler = sv.routes()
	return sv, nil
}

func (sv *Service) routes() http.Handler {
	refuse := func(err error) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { write(w, sv.pages.Error(err)) }
	}
	// A form of another site ends here, whatever the services do about it.
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(refuse(shop.ErrOtherSite))

	r := chi.NewRouter()
	r.Use(middleware.Recoverer, secure, plainPath(refuse(shop.ErrForm)), sameOrigin.Handler)
	r.NotFound(refuse(shop.ErrNotFound))
	r.Post("/backchannel/logout", sv.party.LogoutHandler(sv.Sessions, sv.cfg.Logger).ServeHTTP)
	r.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if sv.Sessions.Ping(r.Context()) != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	static := http.StripPrefix("/static/", http.FileServerFS((*shop.Shop)(nil).Static()))
	r.Method("GET", "/static/*", static)
	r.Method("HEAD", "/static/*", static)

	// What is passed on is outside of the gateway's sessions: were one acquired
	// here, a visitor's requests to all services would wait for one another.
	for _, service := range []struct {
		name, home string
		url        *url.URL
	}{{site.Shop, site.ShopHome, sv.cfg.Shop}, {site.Account, site.AccountHome, sv.cfg.Account}} {
		r.Handle(service.home+"*", sv.proxy(service.name, service.url))
		r.Handle(service.home[:len(service.home)-1], http.RedirectHandler(service.home, http.StatusSeeOther))
	}

	r.Group(func(r chi.Router) {
		r.Use(chisession.New(sv.Sessions, chisession.Options{
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { write(w, sv.pages.Error(err)) },
		}))
		r.Get("/", sv.acquire(sv.front, session.ReadOnly))
		r.Post("/login", sv.acquire(sv.login)) // Exclusive, the default
		r.Get("/login/finish", sv.finish)
		r.Post("/logout", sv.acquire(sv.logout, session.Snapshot)) // waits for nobody
	})
	return r
}

// front is the front page. ReadOnly: a visitor who only looks gets no session.
func (sv *Service) front(s *session.Session, _ shop.Form) (shop.Result, error) {
	user, err := userKey.Get(s)
	if err != nil {
		return shop.Result{}, err
	}
	return sv.pages.Front(site.Front{User: user})
}

func (sv *Service) login(s *session.Session, form shop.Form) (shop.Result, error) {
	to, err := sv.party.Begin(s, form("to"))
	if err != nil {
		return shop.Result{}, err
	}
	return site.Redirect(to), nil
}

// finish takes the visitor back from account: the same two calls as in the shop.
func (sv *Service) finish(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	claims, err := sv.party.Open(token)
	if err != nil {
		chisession.Fail(w, r, err)
		return
	}
	s, err := chisession.Acquire(r) // Exclusive: a token is used once
	if err != nil {
		chisession.Fail(w, r, err)
		return
	}
	to, err := sv.party.Finish(r.Context(), s, token, claims, func(user, login string) error {
		return errors.Join(s.Renew(), s.SetOwner(login), userKey.Set(s, user))
	})
	if err != nil {
		chisession.Fail(w, r, err)
		return
	}
	write(w, site.Redirect(to))
}

// logout ends the gateway's session and no other.
func (sv *Service) logout(s *session.Session, _ shop.Form) (shop.Result, error) {
	if err := s.Abandon(); err != nil {
		return shop.Result{}, err
	}
	return site.Redirect(site.GatewayHome), nil
}

func (sv *Service) acquire(do shop.Action, mode ...session.Mode) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, err := shop.ReadForm(w, r)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		s, err := chisession.Acquire(r, mode...)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		res, err := do(s, form)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		write(w, res)
	}
}

// secure adds the headers that every reply has.
func secure(next http.Handler) http.Handler {
	headers := shop.SecurityHeaders()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

func write(w http.ResponseWriter, res shop.Result) {
	for name, value := range res.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(res.Status)
	w.Write(res.Body)
}
