package cosmosstore

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
)

// Open connects to an account, sees to it that the container is there and is
// what it has to be, and returns a Store on it. It repeats what fails for up to
// MaxRetryWait, within ctx. Close the Store when it is not used any more.
//
// What cannot work without a change of cfg or of the account is an error that
// says so; an account that cannot be reached wraps session.ErrUnavailable.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, failed("open", err)
	}
	endpoint, key, err := cfg.account()
	if err != nil {
		return nil, failed("open", err)
	}
	closeIdle := func() {}
	if cfg.Transport == nil {
		own := cfg.transport()
		cfg.Transport, closeIdle = own, own.CloseIdleConnections
	}
	connect := func() (*azcosmos.Client, error) {
		o := cfg.clientOptions()
		if cfg.Credential != nil {
			return azcosmos.NewClient(endpoint, cfg.Credential, o)
		}
		credential, err := azcosmos.NewKeyCredential(key)
		if err != nil {
			return nil, checkKey(key)
		}
		return azcosmos.NewClientWithKey(endpoint, credential, o)
	}
	if cfg.Schema == SchemaDefault {
		cfg.Schema = SchemaCreate
		if cfg.Credential != nil {
			cfg.Schema = SchemaVerify
		}
	}
	start, wait := time.Now(), 50*time.Millisecond
	for {
		s, err := within(ctx, func() (*Store, error) { return open(ctx, cfg, connect) })
		if err == nil {
			s.closeIdle = closeIdle
			return s, nil
		}
		closeIdle()
		// A client remembers for minutes that it could not reach its account:
		// each attempt takes a new one.
		if !errors.Is(err, session.ErrUnavailable) || !passing(err) || ctx.Err() != nil || time.Since(start)+wait > cfg.MaxRetryWait {
			return nil, failed("open", err)
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
			wait = min(2*wait, time.Second)
		case <-ctx.Done():
			return nil, failed("open", err)
		}
	}
}

// passing says whether a failure may mend by itself.
func passing(err error) bool {
	var answer *answerError
	if !errors.As(err, &answer) {
		return true
	}
	return answer.status >= 500 || answer.status == http.StatusTooManyRequests || answer.status == http.StatusRequestTimeout
}

// within makes one attempt, and gives it up when ctx ends. The SDK does not: it
// asks for the account without its caller's context.
func within(ctx context.Context, attempt func() (*Store, error)) (*Store, error) {
	type result struct {
		s   *Store
		err error
	}
	opened := make(chan result)
	go func() { // until the attempt ends, which the client's timeout sees to
		s, err := attempt()
		select {
		case opened <- result{s, err}:
		case <-ctx.Done(): // nobody waits for it any more
			if err == nil && s.client != nil {
				s.client.Close()
			}
		}
	}()
	select {
	case r := <-opened:
		return r.s, r.err
	case <-ctx.Done():
		return nil, unavailable(context.Cause(ctx))
	}
}

// open makes one attempt.
func open(ctx context.Context, cfg Config, connect func() (*azcosmos.Client, error)) (*Store, error) {
	client, err := connect()
	if err != nil {
		return nil, redacted(err)
	}
	container, err := client.NewContainer(cfg.Database, cfg.Container)
	if err != nil {
		client.Close()
		return nil, redacted(err)
	}
	s := newStore(container, cfg)
	s.client = client
	if err := s.prepare(ctx, client); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// New returns a Store on a container whose client is the caller's. The
// container has to be there: New checks it, as Open does, and makes nothing.
//
// It takes no longer than ctx, though the client may go on for a while.
//
// The client's own retries are off for the Store's requests: a Store repeats what
// needs it, and knows what it has repeated. A client that could not reach its
// account remembers that for minutes: after an error, make a new one.
func New(ctx context.Context, container *azcosmos.ContainerClient, cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err == nil && container == nil {
		err = errors.New("container is nil")
	}
	if err != nil {
		return nil, failed("new", err)
	}
	cfg.Schema = SchemaVerify
	s, err := within(ctx, func() (*Store, error) {
		s := newStore(container, cfg)
		return s, s.prepare(ctx, nil)
	})
	if err != nil {
		return nil, failed("new", err)
	}
	return s, nil
}

func newStore(container *azcosmos.ContainerClient, cfg Config) *Store {
	s := &Store{cfg: cfg, container: container, clock: newClock(), most: MaxData}
	s.property, s.partitions = cfg.partitioning()
	s.consistency, _ = cfg.consistency() // was checked
	return s
}

// Close closes what Open has opened; a container that was given to New stays
// the caller's. No other method may be called any more.
func (s *Store) Close() {
	if s.client != nil {
		s.client.Close()
		s.closeIdle()
	}
}

// transport returns a transport as the settings say.
func (cfg Config) transport() *http.Transport {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: min(cfg.RequestTimeout, 5*time.Second), KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   cfg.RequestTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxConnsPerHost:       max(0, cmp.Or(cfg.MaxConnections, defaultConnections)),
	}
	t.MaxIdleConnsPerHost = cmp.Or(t.MaxConnsPerHost, defaultConnections)
	return t
}

// clientOptions returns how the SDK is to work: over this Store's transport,
// without retries of its own, which would hide whether a write took effect.
func (cfg Config) clientOptions() *azcosmos.ClientOptions {
	return &azcosmos.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Retry: noRetries,
			// The timeout is for what the SDK asks without its caller's
			// context; a Store's requests end by theirs.
			Transport: transport{&http.Client{Transport: cfg.Transport, Timeout: cfg.RequestTimeout + time.Second}},
			Telemetry: policy.TelemetryOptions{ApplicationID: "sessionstate"},
		},
		PreferredRegions: cfg.PreferredRegions,
	}
}

// transport tells the SDK of a broken exchange in a way that it does not
// recognize. What it does recognize it repeats by itself, a second later. The
// failure to make a connection is left to it: it goes to another region then.
type transport struct{ client *http.Client }

func (t transport) Do(req *http.Request) (*http.Response, error) {
	resp, err := t.client.Do(req)
	if err != nil && !notSent(err) {
		return nil, &brokenError{err}
	}
	return resp, err
}
