// Package storefront is the shop's service: the shop of the other examples, on
// Gin, below /shop/, whose visitors log in at account.
package storefront

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// Config says what a Service needs.
type Config struct {
	Store   session.Store
	Keys    [][]byte      // encrypt the sessions: carts and names are nobody else's business
	Account handover.Keys // account's public keys
	URL     *url.URL      // account's, for services
	Secure  bool          // browsers come by https
	Shop    shop.Config
	Logger  *slog.Logger
}

// Service is the shop.
type Service struct {
	Handler  http.Handler
	Sessions *session.Manager

	shop  *shop.Shop
	party *handover.Party
	log   *slog.Logger
}

// NewKey returns a key for Config.Keys.
func NewKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// New returns the shop's service.
func New(cfg Config) (*Service, error) {
	cfg.Shop.Base, cfg.Shop.LoginElsewhere, cfg.Shop.Logger = "/shop", true, cfg.Logger
	sh, err := shop.New(cfg.Shop)
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(cfg.Store, session.Config{
		Namespace:      site.Shop,
		ID:             site.Cookie(site.Shop, cfg.Secure),
		EncryptionKeys: cfg.Keys,
		Logger:         cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	s := &Service{
		Sessions: sessions,
		shop:     sh,
		party:    handover.NewParty(site.Shop, site.ShopHome, cfg.Account, cfg.URL),
		log:      cfg.Logger,
	}
	s.Handler = s.routes()
	return s, nil
}

func (sv *Service) routes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.HandleMethodNotAllowed = true
	sameOrigin := http.NewCrossOriginProtection()
	r.Use(
		gin.CustomRecovery(func(c *gin.Context, reason any) { // outside the sessions
			if !c.Writer.Written() {
				sv.refuse(c, fmt.Errorf("panic: %v", reason))
			}
		}),
		func(c *gin.Context) {
			for name, value := range shop.SecurityHeaders() {
				c.Header(name, value)
			}
			if sameOrigin.Check(c.Request) != nil {
				sv.refuse(c, shop.ErrOtherSite)
			}
		},
		ginsession.New(sv.Sessions, ginsession.Options{ErrorHandler: sv.refuse}),
	)
	r.NoRoute(func(c *gin.Context) { sv.refuse(c, shop.ErrNotFound) })
	r.NoMethod(func(c *gin.Context) { sv.refuse(c, shop.StatusError(http.StatusMethodNotAllowed)) })

	// Not below /shop/, so that the gateway does not pass it on; signed
	// nevertheless, because networks change.
	r.POST("/backchannel/logout", gin.WrapH(sv.party.LogoutHandler(sv.Sessions, sv.log)))
	r.GET("/readyz", func(c *gin.Context) {
		if sv.Sessions.Ping(c.Request.Context()) != nil {
			c.Status(http.StatusServiceUnavailable)
		}
	})

	sh, at := sv.shop, r.Group("/shop")
	at.GET("/", sv.acquire(sh.Products)) // Exclusive, the default
	at.POST("/cart/add", sv.acquire(sh.AddToCart))
	at.POST("/cart/remove", sv.acquire(sh.RemoveFromCart))
	at.POST("/order", sv.acquire(sh.Order))
	at.GET("/cart", sv.acquire(sh.Cart, session.ReadOnly)) // waits for the writer under way, and for no other reader
	at.POST("/login", sv.acquire(sv.login))
	at.GET("/login/finish", sv.finish)
	at.POST("/logout", sv.acquire(sh.Logout, session.Snapshot)) // waits for nobody
	at.GET("/lab", sv.acquire(sh.Lab))
	at.POST("/lab/reset", sv.acquire(sh.LabReset))
	at.POST("/lab/update", sv.lab(sh.LabUpdate)) // in the mode that the visitor chooses
	at.GET("/lab/count", sv.lab(sh.LabCount))
	return r
}

// login begins a login. It is a POST, so that no other site can begin one.
func (sv *Service) login(s *session.Session, form shop.Form) (shop.Result, error) {
	to, err := sv.party.Begin(s, form("to"))
	if err != nil {
		return shop.Result{}, err
	}
	return site.Redirect(to), nil
}

// finish takes the visitor back from account. The session goes on, cart and
// all, under a new ID. Its owner is the login at account that it came from:
// when that ends, this session does.
func (sv *Service) finish(c *gin.Context) {
	token := c.Query("token")
	claims, err := sv.party.Open(token)
	if err != nil {
		ginsession.Fail(c, err)
		return
	}
	s, err := ginsession.Acquire(c) // Exclusive: a token is used once
	if err != nil {
		ginsession.Fail(c, err)
		return
	}
	to, err := sv.party.Finish(c.Request.Context(), s, token, claims, func(user, login string) error {
		return sv.shop.Welcome(s, user, login)
	})
	if err != nil {
		ginsession.Fail(c, err)
		return
	}
	write(c, site.Redirect(to))
}

// acquire makes a handler that reads the form, acquires the session and does an
// action with it.
func (sv *Service) acquire(do shop.Action, mode ...session.Mode) gin.HandlerFunc {
	return func(c *gin.Context) {
		form, err := shop.ReadForm(c.Writer, c.Request)
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		s, err := ginsession.Acquire(c, mode...)
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		reply(c, s, form, do)
	}
}

func (sv *Service) lab(do func(*session.Session, shop.Form, time.Duration) (shop.Result, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		form, err := shop.ReadForm(c.Writer, c.Request)
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		mode, err := shop.ParseMode(form("mode"))
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		asked := time.Now()
		s, err := ginsession.Acquire(c, mode)
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		waited := time.Since(asked)
		reply(c, s, form, func(s *session.Session, form shop.Form) (shop.Result, error) { return do(s, form, waited) })
	}
}

func reply(c *gin.Context, s *session.Session, form shop.Form, do shop.Action) {
	res, err := do(s, form)
	if err != nil {
		ginsession.Fail(c, err)
		return
	}
	write(c, res)
}

// refuse answers with the page of an error.
func (sv *Service) refuse(c *gin.Context, err error) {
	c.Abort()
	if status, text, ok := site.Explain(err); ok {
		sv.log.Warn("a hand-over was refused", "status", status, "error", err)
		write(c, sv.shop.Problem(status, text))
		return
	}
	write(c, sv.shop.Error(err))
}

func write(c *gin.Context, res shop.Result) {
	for name, value := range res.Header {
		c.Header(name, value)
	}
	c.Data(res.Status, res.Header["Content-Type"], res.Body)
}
