package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/account"
	"github.com/sessionstate/sessionstate/examples/services/internal/gateway"
	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/launch"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
	"github.com/sessionstate/sessionstate/examples/services/internal/storefront"
)

// errSettings says that the environment is not what the service needs.
var errSettings = errors.New("environment")

// settings reads environment variables and remembers what is wrong with them,
// so that all of it is said at once. It never repeats a value.
type settings struct {
	getenv func(string) string
	errs   []error
}

func (s *settings) check(name string, err error) {
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("%w: %s: %w", errSettings, name, err))
	}
}

func (s *settings) required(name string) string {
	value := s.getenv(name)
	if value == "" {
		s.check(name, errors.New("must be set"))
	}
	return value
}

func (s *settings) url(name string) *url.URL {
	u, err := url.Parse(s.required(name))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		s.check(name, errors.New("must be a URL such as http://127.0.0.1:8080"))
		return new(url.URL)
	}
	return u
}

// secure reports whether browsers come by https. They may only do without on
// this machine: cookies must not cross a network in the clear.
func (s *settings) secure() bool {
	u := s.url("PUBLIC_URL")
	host := u.Hostname()
	if u.Scheme == "http" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		s.check("PUBLIC_URL", errors.New("is http and not on this machine: put TLS in front, and say https"))
	}
	return u.Scheme == "https"
}

// sessionKeys reads keys in base64 with commas between them; the first encrypts.
func (s *settings) sessionKeys(name string) (keys [][]byte) {
	for text := range strings.SplitSeq(s.required(name), ",") {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != 32 {
			s.check(name, fmt.Errorf("key %d is not 32 bytes in base64: `services keys` makes one", len(keys)+1))
		}
		keys = append(keys, key)
	}
	return keys
}

func (s *settings) duration(name string) time.Duration {
	d, err := time.ParseDuration(cmp.Or(s.getenv(name), "0"))
	s.check(name, err)
	return d
}

func (s *settings) err() error { return errors.Join(s.errs...) }

// runService runs one service until ctx ends.
func runService(ctx context.Context, name string, getenv func(string) string, stdout io.Writer) error {
	log := slog.New(slog.NewTextHandler(stdout, nil))
	s := &settings{getenv: getenv}
	addr := s.required("ADDR")
	var sv service
	switch name {
	case site.Gateway:
		sv = newGateway(s, log)
	case site.Account:
		sv = newAccount(ctx, s, log)
	case site.Shop:
		sv = newShop(ctx, s, log)
	}
	defer sv.close()
	if err := errors.Join(s.err(), sv.err); err != nil {
		return err
	}
	l, err := listen(ctx, addr, getenv)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer l.Close()
	log.Info("ready", "address", l.Addr().String())
	return serve.Until(ctx, l, sv.server, sv.sessions, func() { log.Info("ending, after the requests that are under way") })
}

// listen listens at addr, or where the program does that has started this one.
func listen(ctx context.Context, addr string, getenv func(string) string) (net.Listener, error) {
	if getenv(launch.Inherited) == "" {
		return new(net.ListenConfig).Listen(ctx, "tcp", addr)
	}
	f := os.NewFile(launch.InheritedFile, "listener")
	defer f.Close() // FileListener copies it
	return net.FileListener(f)
}

// service is one that can be served, or err says why not.
type service struct {
	server     serve.Server
	sessions   *session.Manager
	closeStore func()
	err        error
}

// close closes the store, after the Manager, which serve.Until has closed.
func (sv service) close() {
	if sv.closeStore != nil {
		sv.closeStore()
	}
}

func newGateway(s *settings, log *slog.Logger) service {
	cfg := gateway.Config{
		// In memory: what the gateway keeps is cheap to lose. Its visitors log
		// in again with a click.
		Store:   memstore.New(),
		Keys:    parseKeys(s, "ACCOUNT_PUBLIC_KEYS"),
		Account: s.url("ACCOUNT_URL"),
		Shop:    s.url("SHOP_URL"),
		Secure:  s.secure(),
		Logger:  log,
	}
	if s.err() != nil {
		return service{}
	}
	g, err := gateway.New(cfg)
	if err != nil {
		return service{err: err}
	}
	return service{server: serve.HTTP(g.Handler), sessions: g.Sessions}
}

func newShop(ctx context.Context, s *settings, log *slog.Logger) service {
	cfg := storefront.Config{
		Keys:    s.sessionKeys("SHOP_SESSION_KEYS"),
		Account: parseKeys(s, "ACCOUNT_PUBLIC_KEYS"),
		URL:     s.url("ACCOUNT_URL"),
		Secure:  s.secure(),
		Shop:    shop.Config{Delay: s.duration("SHOP_LAB_DELAY")},
		Logger:  log,
	}
	store, closeStore := s.store(ctx, "SHOP_STORE")
	if s.err() != nil {
		return service{closeStore: closeStore}
	}
	cfg.Store = store
	st, err := storefront.New(cfg)
	if err != nil {
		return service{closeStore: closeStore, err: err}
	}
	return service{server: serve.HTTP(st.Handler), sessions: st.Sessions, closeStore: closeStore}
}

func newAccount(ctx context.Context, s *settings, log *slog.Logger) service {
	signer, err := handover.NewSigner(s.required("ACCOUNT_SIGNING_KEY"))
	s.check("ACCOUNT_SIGNING_KEY", err)
	cfg := account.Config{
		Signer:  signer,
		Keys:    parseKeys(s, "ACCOUNT_PUBLIC_KEYS"),
		Parties: map[string]*url.URL{site.Gateway: s.url("GATEWAY_URL"), site.Shop: s.url("SHOP_URL")},
		Secure:  s.secure(),
		Logger:  log,
	}
	store, closeStore := s.store(ctx, "ACCOUNT_STORE")
	if s.err() != nil {
		return service{closeStore: closeStore}
	}
	cfg.Store = store
	a, err := account.New(cfg)
	if err != nil {
		return service{closeStore: closeStore, err: err}
	}
	return service{server: fiberServer{a.App}, sessions: a.Sessions, closeStore: closeStore}
}

// store opens the store that a variable names. "memory" has to be said: nobody
// gets it by forgetting something.
func (s *settings) store(ctx context.Context, variable string) (session.Store, func()) {
	name := s.required(variable)
	if s.err() != nil {
		return nil, nil
	}
	store, closeStore, err := serve.OpenStore(ctx, variable, name)
	if errors.Is(err, session.ErrUnavailable) || ctx.Err() != nil {
		s.errs = append(s.errs, err) // not the environment's fault
	} else {
		s.check(variable, err)
	}
	return store, closeStore
}

// fiberServer is an app with the names of *http.Server.
type fiberServer struct{ app *fiber.App }

func (s fiberServer) Serve(l net.Listener) error         { return s.app.Listener(l) }
func (s fiberServer) Shutdown(ctx context.Context) error { return s.app.ShutdownWithContext(ctx) }
