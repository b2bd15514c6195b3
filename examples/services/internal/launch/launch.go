// Package launch runs all services of this example on one machine: each in a
// process of its own, on 127.0.0.1, with databases of their own where the
// machine has them. Nothing that it has started outlives it.
package launch

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
	"github.com/sessionstate/sessionstate/examples/services/internal/storefront"
)

// Options say what to run.
type Options struct {
	Program string   // what runs a service that is named in its first argument
	Addr    string   // where the gateway listens
	Environ []string // as os.Environ
	Stdout  io.Writer
}

// WithParent is the environment variable that tells a service to end when its
// standard input does: that is how it is ended, and how it notices that this
// process is gone, however it went.
const WithParent = "SERVICES_WITH_PARENT"

// Inherited is the environment variable that tells a service to take its
// requests from the listener that it finds in its third file, and not to make
// one for its address: see listen.
const Inherited = "SERVICES_INHERITED"

// InheritedFile is that file.
const InheritedFile = 3

// readyTime is how long all services may take until they are ready.
const readyTime = time.Minute

// Variables returns the environment variables that are the services' own. Each
// service gets those that it needs: the shop has no business with the key that
// account signs with.
func Variables() []string {
	return []string{
		"ADDR", "PUBLIC_URL", "SHOP_URL", "ACCOUNT_URL", "GATEWAY_URL", "SHOP_STORE", "ACCOUNT_STORE",
		"ACCOUNT_SIGNING_KEY", "ACCOUNT_PUBLIC_KEYS", "SHOP_SESSION_KEYS", "SHOP_LAB_DELAY", WithParent, Inherited,
	}
}

// Keys are the services' keys, as their environment has them.
type Keys struct{ Signing, Public, Session string }

// NewKeys makes keys.
func NewKeys() (Keys, error) {
	k := Keys{Signing: handover.NewSeed(), Session: base64.StdEncoding.EncodeToString(storefront.NewKey())}
	signer, err := handover.NewSigner(k.Signing)
	if err != nil {
		return Keys{}, err
	}
	k.Public = signer.PublicKey()
	return k, nil
}

// Run runs the services until ctx ends or one of them cannot be kept running.
func Run(ctx context.Context, o Options) (err error) {
	l := &launcher{out: &output{w: o.Stdout}, getenv: lookup(o.Environ)}
	defer func() { err = errors.Join(err, l.stop()) }()
	if err := l.databases(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	list, public, err := l.plan(o)
	if err != nil {
		return err
	}
	failed := make(chan error, len(list))
	for _, sv := range list {
		l.start(o.Program, sv, failed)
	}
	ready, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	go func() { // ends with ready
		defer cancel()
		for _, sv := range list {
			if sv.await(ready) != nil {
				return
			}
		}
		l.report(public)
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	case <-ready.Done():
	}
	if !l.reported.Load() && ctx.Err() == nil {
		return fmt.Errorf("the services are not ready after %v: their logs are above", readyTime)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// plan returns the services in the order in which they start, and the address
// that browsers take.
func (l *launcher) plan(o Options) (list []*service, public string, err error) {
	var addresses [3]string
	var files [3]*os.File
	for i, addr := range []string{o.Addr, "127.0.0.1:0", "127.0.0.1:0"} {
		if addresses[i], files[i], err = l.listen(addr); err != nil {
			return nil, "", err
		}
	}
	gateway, account, shop := addresses[0], addresses[1], addresses[2]
	public = cmp.Or(l.getenv("PUBLIC_URL"), (&url.URL{Scheme: "http", Host: gateway}).String())

	made, err := NewKeys()
	if err != nil {
		return nil, "", err
	}
	signing, keys := l.getenv("ACCOUNT_SIGNING_KEY"), l.getenv("ACCOUNT_PUBLIC_KEYS")
	switch {
	case signing == "":
		signing, keys = made.Signing, made.Public
	case keys == "":
		signer, err := handover.NewSigner(signing)
		if err != nil {
			return nil, "", err
		}
		keys = signer.PublicKey()
	}
	base := slices.DeleteFunc(slices.Clone(o.Environ), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(Variables(), name)
	})
	with := func(addr string, more ...string) []string {
		return slices.Concat(base, []string{WithParent + "=1", Inherited + "=1", "ADDR=" + addr, "PUBLIC_URL=" + public, "ACCOUNT_PUBLIC_KEYS=" + keys}, more)
	}
	return []*service{
		{name: site.Account, addr: account, listener: files[1], env: with(account,
			"ACCOUNT_STORE="+l.accountStore, "ACCOUNT_SIGNING_KEY="+signing, "SHOP_URL=http://"+shop, "GATEWAY_URL=http://"+gateway)},
		{name: site.Shop, addr: shop, listener: files[2], env: with(shop,
			"SHOP_STORE="+l.shopStore, "SHOP_SESSION_KEYS="+cmp.Or(l.getenv("SHOP_SESSION_KEYS"), made.Session),
			"SHOP_LAB_DELAY="+l.getenv("SHOP_LAB_DELAY"), "ACCOUNT_URL=http://"+account)},
		{name: site.Gateway, addr: gateway, listener: files[0], env: with(gateway, "SHOP_URL=http://"+shop, "ACCOUNT_URL=http://"+account)},
	}, public, nil
}

// listen takes an address for a service, which gets the listener when it is
// started. So nobody else has the address first, be it another program that
// was told by the system, as this one, that its port was free; and while the
// service is started again its requests wait.
func (l *launcher) listen(addr string) (address string, file *os.File, err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, fmt.Errorf("-addr: %w", err)
	}
	made, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", nil, fmt.Errorf("%s is in use by another program: choose another address with -addr", addr)
	}
	if err != nil {
		return "", nil, fmt.Errorf("cannot listen: %w", err)
	}
	defer made.Close() // the file stays
	tcp, ok := made.(*net.TCPListener)
	if !ok {
		return "", nil, fmt.Errorf("cannot listen: %T has no file", made)
	}
	if file, err = tcp.File(); err != nil {
		return "", nil, fmt.Errorf("cannot listen: %w", err)
	}
	l.listeners = append(l.listeners, file)
	_, port, err := net.SplitHostPort(tcp.Addr().String())
	return net.JoinHostPort(host, port), file, err
}

// await waits until the service says that it is ready.
func (sv *service) await(ctx context.Context) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+sv.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(r); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// report says what runs, and once more what does not.
func (l *launcher) report(public string) {
	l.reported.Store(true)
	for _, line := range l.warnings {
		l.out.say("%s", line)
	}
	l.out.say("%s/ (Ctrl-C ends all)", strings.TrimSuffix(public, "/"))
}

// lookup is os.Getenv for an environment.
func lookup(environ []string) func(string) string {
	return func(name string) string {
		for _, line := range slices.Backward(environ) {
			if value, found := strings.CutPrefix(line, name+"="); found {
				return value
			}
		}
		return ""
	}
}
