package cosmosstore_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

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

// TestNew_HangingEnds: the same of New, whose client is the caller's.
func TestNew_HangingEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	transport := &http.Transport{DisableKeepAlives: true}
	credential, err := azcosmos.NewKeyCredential(anyKey)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azcosmos.NewClientWithKey("http://"+l.Addr().String()+"/", credential, &azcosmos.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: transport, Timeout: 5 * time.Second}},
	})
	if err != nil {
		t.Fatal(err)
	}
	container, err := client.NewContainer("database", "container")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = cosmosstore.New(ctx, container, cosmosstore.Config{})
	wantError(t, err, session.ErrUnavailable, "deadline exceeded")
	if took := time.Since(start); took > 1500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// TestClose_LeavesNoConnection: neither do attempts of Open that failed.
func TestClose_LeavesNoConnection(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	endpoint, key := opens(cfg)
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	var mu sync.Mutex
	opened, closed, attempts := 0, 0, 0
	all := make(chan struct{}, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		attempts++
		fails := attempts == 1
		mu.Unlock()
		if fails {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch state {
		case http.StateNew:
			opened++
		case http.StateClosed:
			if closed++; closed == opened {
				all <- struct{}{}
			}
		}
	}
	server.Start()
	defer server.Close()
	cfg.ConnectionString, cfg.Endpoint, cfg.Key = "", server.URL+"/", key
	s, err := cosmosstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for {
		select {
		case <-all:
			mu.Lock()
			left := opened - closed
			mu.Unlock()
			if left == 0 {
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a Store that is closed keeps connections")
		}
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

// severalWriters makes the account one that is written to in several regions.
func severalWriters(req *http.Request) (*http.Response, error) {
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
	cfg.Transport = roundTrip(severalWriters)
	_, err := cosmosstore.Open(t.Context(), cfg)
	wantError(t, err, nil, "AllowMultiRegionWrites")
	cfg.AllowMultiRegionWrites = true
	if err := open(t, cfg).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestManyWriteRegions_AreNoticed: an account that becomes one of several write
// regions while the process runs.
func TestManyWriteRegions_AreNoticed(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	changed := false
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if changed { // as the SDK does when it has noticed
			req.Header.Set("x-ms-cosmos-allow-tentative-writes", "true")
		}
		return http.DefaultTransport.RoundTrip(req)
	})
	s := open(t, cfg)
	key := newKey()
	if err := s.Create(t.Context(), key, record("content"), nobody, 0); err != nil || log.Len() > 0 {
		t.Fatalf("%v, %s", err, &log)
	}
	changed = true
	for range 3 {
		if _, err := s.Load(t.Context(), key, false); err != nil {
			t.Error(err)
		}
	}
	if text := log.String(); strings.Count(text, "several regions") != 1 || strings.Contains(text, idOf(key)) || strings.Contains(text, "://") {
		t.Errorf("the log says %q", text)
	}
}

// TestOpen_MadeAndNotSeenYet: a container that was made a moment ago is not known
// yet in the region that is read from.
func TestOpen_MadeAndNotSeenYet(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	var mu sync.Mutex
	made, hidden := false, 3
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(req.URL.Path, "/colls/"+cfg.Container) && made && hidden > 0 {
			hidden--
			return answered(req, http.StatusNotFound, "x-ms-substatus", "1003"), nil
		}
		made = made || req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/colls")
		return http.DefaultTransport.RoundTrip(req)
	})
	s := open(t, cfg)
	if err := s.Create(t.Context(), newKey(), record("content"), nobody, 0); err != nil || hidden > 0 {
		t.Errorf("%v; the container was hidden %d times less than it should", err, hidden)
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
				s.Close()
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
	endpoint, key := opens(cfg)
	credential, err := azcosmos.NewKeyCredential(key)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := azcosmos.NewClientWithKey(endpoint, credential, &azcosmos.ClientOptions{
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
