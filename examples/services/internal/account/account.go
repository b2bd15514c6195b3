// Package account is the service that knows who users are: on Fiber, with its
// sessions in Azure Cosmos DB. The others take its signed word for it, and it
// tells them when a login ends.
package account

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// Config says what a Service needs.
type Config struct {
	Store   session.Store // with an OwnerIndex
	Signer  *handover.Signer
	Keys    handover.Keys       // the Signer's public one at least
	Parties map[string]*url.URL // where each party answers services
	Secure  bool                // browsers come by https
	Logger  *slog.Logger
}

// Service is account.
type Service struct {
	App      *fiber.App
	Sessions *session.Manager

	cfg    Config
	pages  *site.Pages
	client *http.Client
}

// A login's life. Sessions of other services never outlive the login that they
// came from, so it is longer than the 20 minutes after which each of these ends
// when it is not used.
const (
	idleTimeout     = 2 * time.Hour
	absoluteTimeout = 12 * time.Hour
	maxDevices      = 10 // of one user; then the oldest login ends
)

// userKey is who is logged in.
var userKey = session.NewKey[string]("user")

// New returns the service account.
func New(cfg Config) (*Service, error) {
	pages, err := site.NewPages(site.Account, cfg.Logger)
	if err != nil {
		return nil, err
	}
	sv := &Service{cfg: cfg, pages: pages, client: &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	sv.Sessions, err = session.New(cfg.Store, session.Config{
		Namespace:           site.Account,
		ID:                  site.Cookie(site.Account, cfg.Secure),
		IdleTimeout:         idleTimeout,
		AbsoluteTimeout:     absoluteTimeout,
		MaxSessionsPerOwner: maxDevices,
		OnEnd:               sv.ended,
		Logger:              cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	sv.App = sv.routes()
	return sv, nil
}

// loginOf names a login to the other services: the hash under which stores know
// its session. It opens nothing, and stays the same as long as the session is
// not renewed, which it is at the login only.
func loginOf(key session.StoreKey) string { return hex.EncodeToString(key[:]) }

// ended is told of every session that has ended here, whichever way: logged out,
// revoked, expired. Until the parties have been told too it fails, and is told
// again, by another process if this one dies: a logout is not forgotten.
func (sv *Service) ended(ctx context.Context, e session.Ended) error {
	if e.Owner == "" {
		return nil // nobody was logged in
	}
	_, err := sv.tell(ctx, []string{loginOf(e.Key)})
	return err
}
