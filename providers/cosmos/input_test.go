package cosmosstore_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// wantError reports an error that is not of a kind, does not say what it should,
// or says what it must not.
func wantError(t *testing.T, err, kind error, says string, never ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", says)
		return
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%v\nis not %v", err, kind)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%v\ndoes not say %q", err, says)
	}
	for _, secret := range append(never, "://", anyKey) {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%v\nsays %q", err, secret)
		}
	}
}

// roundTrip makes a function a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func deadPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestOpen_Unreachable(t *testing.T) {
	t.Parallel()
	start := time.Now()
	_, err := cosmosstore.Open(t.Context(), cosmosstore.Config{
		Endpoint: "http://" + deadPort(t) + "/", Key: anyKey,
		RequestTimeout: 100 * time.Millisecond, MaxRetryWait: 300 * time.Millisecond, MaxRetryAttempts: -1,
	})
	wantError(t, err, session.ErrUnavailable, "connection refused")
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestOpen_HangingEnds: an endpoint that accepts and never answers does not keep
// Open longer than its context, though the SDK would.
func TestOpen_HangingEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = cosmosstore.Open(ctx, cosmosstore.Config{
		Endpoint: "http://" + l.Addr().String() + "/", Key: anyKey, RequestTimeout: 5 * time.Second,
	})
	wantError(t, err, session.ErrUnavailable, "deadline exceeded")
	if took := time.Since(start); took > 1500*time.Millisecond { // at the SDK it takes until RequestTimeout
		t.Errorf("it took %v", took)
	}
}

// TestOpen_RecoversFromFailedFirstAttempt: the SDK remembers for minutes that it
// could not reach its account.
func TestOpen_RecoversFromFailedFirstAttempt(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	failures := 0
	base := http.DefaultTransport
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/" || req.URL.Path == "" {
			if failures++; failures <= 3 {
				return nil, errReset
			}
		}
		return base.RoundTrip(req)
	})
	s := open(t, cfg)
	if err := s.Ping(t.Context()); err != nil || failures < 4 {
		t.Errorf("Ping after %d attempts: %v", failures, err)
	}
}

// TestOutage_WorksAgain: the service goes away, and comes back.
func TestOutage_WorksAgain(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]faultKind{"connections break": dead, "connections are refused": refused, "it fails": failBefore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := fresh(t)
			cfg.RequestTimeout, cfg.MaxRetryAttempts = 500*time.Millisecond, 1
			s, n := behind(t, cfg)
			key := newKey()
			if err := s.Create(t.Context(), key, record("content"), nobody, 0); err != nil {
				t.Fatal(err)
			}
			n.on(func(int, *http.Request) fault { return fault{kind: kind} })
			_, err := s.Load(t.Context(), key, false)
			wantError(t, err, session.ErrUnavailable, "load", hex.EncodeToString(key[:]))
			wantError(t, s.Ping(t.Context()), session.ErrUnavailable, "ping")
			wantError(t, s.Touch(t.Context(), key), session.ErrUnavailable, "touch")
			n.on(nil)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			got, err := s.Load(ctx, key, false)
			for err != nil && ctx.Err() == nil {
				got, err = s.Load(ctx, key, false)
			}
			if err != nil || string(got.Data) != "content" {
				t.Errorf("when it is back: %q, %v", got.Data, err)
			}
		})
	}
}

// answering returns a Store whose service gives one answer to all that is asked
// of documents.
func answering(t *testing.T, status int, header ...string) *cosmosstore.Store {
	t.Helper()
	cfg := fresh(t)
	cfg.MaxRetryAttempts, cfg.RequestTimeout = -1, 2*time.Second
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if strings.Contains(req.URL.Path, "/docs") {
			return answered(req, status, header...), nil
		}
		return http.DefaultTransport.RoundTrip(req)
	})
	return open(t, cfg)
}

// TestAnswers_AreToldAndRedacted: what the service refuses is an error of the
// right kind that tells what to do, and nobody's secret.
func TestAnswers_AreToldAndRedacted(t *testing.T) {
	t.Parallel()
	key := newKey()
	id := hex.EncodeToString(key[:])
	for _, c := range []struct {
		status int
		header []string
		kind   error
		says   string
	}{
		{400, nil, session.ErrUnavailable, "400 Bad Request"},
		{401, nil, session.ErrUnavailable, "is the key right"},
		{403, nil, session.ErrUnavailable, "firewall"},
		{403, []string{"x-ms-substatus", "1014"}, session.ErrUnavailable, "partition is full"},
		{403, []string{"x-ms-substatus", "3"}, session.ErrUnavailable, "deadline exceeded"}, // the SDK tries that again each second
		{404, []string{"x-ms-substatus", "1003"}, session.ErrUnavailable, "container still exist"},
		{404, []string{"x-ms-substatus", "1002"}, session.ErrUnavailable, "sub-status 1002"},
		{408, nil, session.ErrUnavailable, "408"},
		{410, nil, session.ErrUnavailable, "410"},
		{413, nil, session.ErrTooLarge, "too large"},
		{429, []string{"x-ms-retry-after-ms", "5"}, session.ErrUnavailable, "more throughput"},
		{449, []string{"x-ms-activity-id", "f370e9eb"}, session.ErrUnavailable, "activity f370e9eb"},
		{500, nil, session.ErrUnavailable, "500"},
		{503, nil, session.ErrUnavailable, "503"},
	} {
		t.Run(strings.Join(append(c.header, http.StatusText(c.status), c.says), " "), func(t *testing.T) {
			t.Parallel()
			s := answering(t, c.status, c.header...)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := s.Create(ctx, key, record("secret content"), nobody, 0)
			wantError(t, err, c.kind, c.says, id, "secret content")
		})
	}
}

func TestOpen_WrongKey(t *testing.T) {
	t.Parallel()
	asked := 0
	_, err := cosmosstore.Open(t.Context(), cosmosstore.Config{
		Endpoint: "https://account.example/", Key: anyKey,
		Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			asked++
			return answered(req, http.StatusUnauthorized), nil
		}),
	})
	wantError(t, err, session.ErrUnavailable, "is the key right", "account.example")
	if asked > 1 {
		t.Errorf("a key that is wrong was tried %d times", asked)
	}
}

// made returns the settings for a container that was made like that.
func made(t *testing.T, properties azcosmos.ContainerProperties) cosmosstore.Config {
	t.Helper()
	cfg := fresh(t)
	open(t, cosmosstore.Config{ConnectionString: cfg.ConnectionString, Endpoint: cfg.Endpoint, Key: cfg.Key,
		Database: cfg.Database, Container: cfg.Container}) // makes the database
	dropContainer(t, cfg)
	db, err := client(t, cfg).NewDatabase(cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	properties.ID = cfg.Container
	if _, err := db.CreateContainer(t.Context(), properties, nil); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestOpen_WrongContainer(t *testing.T) {
	t.Parallel()
	forever := int32(-1)
	partition := func(path string) azcosmos.PartitionKeyDefinition {
		return azcosmos.PartitionKeyDefinition{Paths: []string{path}}
	}
	indexing := func(included ...string) *azcosmos.IndexingPolicy {
		p := &azcosmos.IndexingPolicy{Automatic: true, IndexingMode: azcosmos.IndexingModeConsistent, ExcludedPaths: []azcosmos.ExcludedPath{{Path: "/*"}}}
		for _, path := range included {
			p.IncludedPaths = append(p.IncludedPaths, azcosmos.IncludedPath{Path: path})
		}
		return p
	}
	right := indexing("/body/owner/?", "/report/?")
	for _, c := range []struct {
		what       string
		properties azcosmos.ContainerProperties
		says       string
	}{
		{"partition key", azcosmos.ContainerProperties{PartitionKeyDefinition: partition("/other"), DefaultTimeToLive: &forever, IndexingPolicy: right}, "its partition key is /other and PartitionKeyPath is /id"},
		{"no time to live", azcosmos.ContainerProperties{PartitionKeyDefinition: partition("/id"), IndexingPolicy: right}, "its time to live is off"},
		{"all is indexed", azcosmos.ContainerProperties{PartitionKeyDefinition: partition("/id"), DefaultTimeToLive: &forever}, "would pay for every property"},
		{"the owner is not indexed", azcosmos.ContainerProperties{PartitionKeyDefinition: partition("/id"), DefaultTimeToLive: &forever, IndexingPolicy: indexing("/report/?")}, "leaves /body/owner/? out"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			cfg := made(t, c.properties)
			_, err := cosmosstore.Open(t.Context(), cfg)
			wantError(t, err, nil, c.says)
			wantError(t, err, nil, "az cosmosdb sql container update")
			if errors.Is(err, session.ErrUnavailable) {
				t.Error("it is no failure that passes")
			}
			_, err = cosmosstore.New(t.Context(), containerClient(t, cfg), cosmosstore.Config{})
			wantError(t, err, nil, c.says)
		})
	}
}

// TestForeignDocument: what another program wrote is left alone, and is the
// error that the Manager knows what to do with.
func TestForeignDocument(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	s := open(t, cfg)
	container := containerClient(t, cfg)
	for what, fields := range map[string]map[string]any{
		"of no form":          {"hello": "secret content"},
		"of a later form":     {"v": 2, "state": "live"},
		"that looks like one": {"v": 1, "state": "live", "life": map[string]any{"expiry": 1 << 52}, "lock": map[string]any{"until": 0}},
	} {
		key := newKey()
		id := hex.EncodeToString(key[:])
		fields["id"] = id
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := container.CreateItem(t.Context(), azcosmos.NewPartitionKeyString(id), data, nil); err != nil {
			t.Fatal(err)
		}
		_, loaded := s.Load(t.Context(), key, false)
		_, acquired := s.Acquire(t.Context(), key, session.NewToken(), lease)
		for op, err := range map[string]error{
			"load": loaded, "acquire": acquired,
			"create": s.Create(t.Context(), key, record("mine"), nobody, 0),
			"save":   s.Save(t.Context(), key, record("mine"), session.NewToken(), session.Commit{}),
			"touch":  s.Touch(t.Context(), key),
		} {
			if err == nil {
				t.Errorf("%s of a document %s succeeds", op, what)
				continue
			}
			wantError(t, err, session.ErrCorrupt, "another program wrote", id, "secret content")
		}
		if err := s.Release(t.Context(), key, session.NewToken()); err != nil {
			t.Errorf("Release: %v", err)
		}
	}
}

// TestContainerDeletedWhileRunning: nobody is logged out by that, and all works
// again when it is back.
func TestContainerDeletedWhileRunning(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	s := open(t, cfg)
	key := newKey()
	if err := s.Create(t.Context(), key, record("content"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	dropContainer(t, cfg)
	_, loaded := s.Load(t.Context(), key, false)
	_, acquired := s.Acquire(t.Context(), key, session.NewToken(), lease)
	_, listed := s.ListOwner(t.Context(), "test", "somebody")
	for op, err := range map[string]error{
		"load": loaded, "acquire": acquired, "list owner": listed, "ping": s.Ping(t.Context()),
		"create": s.Create(t.Context(), newKey(), record("content"), nobody, 0),
		"remove": s.Remove(t.Context(), key, nobody, session.EndDelete),
	} {
		wantError(t, err, session.ErrUnavailable, "container still exist", hex.EncodeToString(key[:]))
		wantError(t, err, nil, op)
	}
	open(t, cfg) // makes it again
	if err := errors.Join(s.Ping(t.Context()), s.Create(t.Context(), key, record("content"), nobody, 0)); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// manyWriters makes the account one that is written to in several regions.
func manyWriters(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || req.URL.Path != "/" && req.URL.Path != "" {
		return resp, err
	}
	return rewritten(resp, func(body string) string {
		var account map[string]any
		if json.Unmarshal([]byte(body), &account) != nil {
			return body
		}
		account["enableMultipleWriteLocations"] = true
		text, _ := json.Marshal(account)
		return string(text)
	}), nil
}

func TestOpen_ManyWriteRegions(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.Transport = roundTrip(manyWriters)
	_, err := cosmosstore.Open(t.Context(), cfg)
	wantError(t, err, nil, "AllowMultiRegionWrites")
	cfg.AllowMultiRegionWrites = true
	if err := open(t, cfg).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// identity is a Credential.
type identity struct{}

func (identity) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token of an identity", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// TestOpen_Credential: an identity makes nothing and is told the commands that
// do; where all is there it works.
func TestOpen_Credential(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	var made []string
	target := client(t, cfg).Endpoint()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	withIdentity := cosmosstore.Config{
		Endpoint: "https://account.example/", Credential: identity{}, Database: cfg.Database, Container: cfg.Container,
		Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost && !strings.Contains(req.URL.Path, "/docs") {
				made = append(made, req.URL.Path)
			}
			req = req.Clone(req.Context())
			req.URL.Scheme, req.URL.Host, req.Host = u.Scheme, u.Host, u.Host
			return http.DefaultTransport.RoundTrip(req)
		}),
	}
	_, err = cosmosstore.Open(t.Context(), withIdentity)
	wantError(t, err, nil, "az cosmosdb sql container create", "token of an identity")
	wantError(t, err, nil, "--partition-key-path /id --ttl -1 --idx")
	if len(made) > 0 {
		t.Errorf("it tried to make something: %v", made)
	}
	open(t, cfg) // makes it
	s := open(t, withIdentity)
	if err := s.Create(t.Context(), newKey(), record("content"), nobody, 0); err != nil {
		t.Error(err)
	}
}

// TestOpen_Together: processes that start at once make one container.
func TestOpen_Together(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	errs := make(chan error)
	for range 8 {
		go func() {
			s, err := cosmosstore.Open(t.Context(), cfg)
			if err == nil {
				err = s.Close()
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestPartitions: a container with another partition key than the id.
func TestPartitions(t *testing.T) {
	t.Parallel()
	for _, count := range []string{"*", "7", ""} {
		cfg := fresh(t)
		cfg.PartitionKeyPath, cfg.PartitionCount = "/shard", count
		s := open(t, cfg)
		key, to, token := newKey(), newKey(), session.NewToken()
		if err := s.Create(t.Context(), key, record("content"), token, lease); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(t.Context(), key, record("moved"), token, session.Commit{MoveTo: to}); err != nil {
			t.Errorf("with PartitionCount %q: %v", count, err)
		}
		got, err := s.Load(t.Context(), to, false)
		if err != nil || string(got.Data) != "moved" {
			t.Errorf("with PartitionCount %q: %q, %v", count, got.Data, err)
		}
		id := hex.EncodeToString(to[:])
		want := map[string]string{"*": id, "7": string('0' + id[0]%7), "": string('0' + id[0]%10)}[count]
		item, err := containerClient(t, cfg).ReadItem(t.Context(), azcosmos.NewPartitionKeyString(want), id, nil)
		if err != nil || !strings.Contains(string(item.Value), `"shard":"`+want+`"`) {
			t.Errorf("with PartitionCount %q there is no document of partition %q: %v", count, want, err != nil)
		}
	}
}

// TestNew: a container whose client is the caller's.
func TestNew(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	_, err := cosmosstore.New(t.Context(), containerClient(t, cfg), cosmosstore.Config{})
	wantError(t, err, nil, "az cosmosdb sql")
	open(t, cfg)
	s, err := cosmosstore.New(t.Context(), containerClient(t, cfg), cosmosstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(t.Context(), newKey(), record("content"), nobody, 0); err != nil {
		t.Error(err)
	}
	if _, err := cosmosstore.New(t.Context(), nil, cosmosstore.Config{}); err == nil {
		t.Error("New without a container succeeds")
	}
}

// TestNew_RepeatsByItselfOnly: a client that repeats what failed, without saying
// so, does not do it for a Store.
func TestNew_RepeatsByItselfOnly(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	open(t, cfg)
	n := newNetwork(t)
	credential, err := azcosmos.NewKeyCredential(anyKey)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := azcosmos.NewClientWithKey(client(t, cfg).Endpoint(), credential, &azcosmos.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: n}}, // and the SDK's retries
	})
	if err != nil {
		t.Fatal(err)
	}
	container, err := theirs.NewContainer(cfg.Database, cfg.Container)
	if err != nil {
		t.Fatal(err)
	}
	s, err := cosmosstore.New(t.Context(), container, cosmosstore.Config{MaxRetryAttempts: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []faultKind{cutAfter, failAfter, timeoutHit, throttle} {
		n.on(func(int, *http.Request) fault { return fault{kind: kind} })
		wantError(t, s.Create(t.Context(), newKey(), record("content"), nobody, 0), session.ErrUnavailable, "create")
		if sent := n.exchanges(); len(sent) != 1 {
			t.Errorf("fault %d: the client sent a write %d times", kind, len(sent))
		}
	}
}
