package cosmosstore_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// anyKey opens servers that ask for a key and do not look at it.
const anyKey = "c2Vzc2lvbnN0YXRl"

// account returns the settings that reach the server of the tests: that of
// SESSION_TEST_COSMOS, which is a connection string, or the endpoint of a
// server that takes any key.
func account(t testing.TB) cosmosstore.Config {
	t.Helper()
	value := os.Getenv("SESSION_TEST_COSMOS")
	switch {
	case value == "" && os.Getenv("SESSION_TEST_REQUIRE") == "1":
		t.Fatal("SESSION_TEST_COSMOS is not set: start the servers with go run ./internal/servers -- go test …")
	case value == "":
		t.Skip("SESSION_TEST_COSMOS is not set: start the servers with go run ./internal/servers -- go test …")
	case strings.Contains(value, "="):
		return cosmosstore.Config{ConnectionString: value, Database: database}
	}
	return cosmosstore.Config{Endpoint: value, Key: anyKey, Database: database}
}

const database = "sessionstate-test"

// fresh returns the settings for a container that does not exist yet and is
// deleted after the test.
func fresh(t testing.TB) cosmosstore.Config {
	t.Helper()
	cfg := account(t)
	cfg.Container = "test-" + strings.ToLower(rand.Text())
	t.Cleanup(func() { dropContainer(t, cfg) })
	return cfg
}

func dropContainer(t testing.TB, cfg cosmosstore.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, _ = containerClient(t, cfg).Delete(ctx, nil) // it may be gone by intention
}

// opens returns what opens the tests' server.
func opens(cfg cosmosstore.Config) (endpoint, key string) {
	endpoint, key = cfg.Endpoint, cfg.Key
	if cfg.ConnectionString != "" {
		for part := range strings.SplitSeq(cfg.ConnectionString, ";") {
			name, value, _ := strings.Cut(part, "=")
			switch strings.ToLower(name) {
			case "accountendpoint":
				endpoint = value
			case "accountkey":
				key = value
			}
		}
	}
	return endpoint, key
}

// client returns the SDK's client of the tests' server.
func client(t testing.TB, cfg cosmosstore.Config) *azcosmos.Client {
	t.Helper()
	endpoint, key := opens(cfg)
	credential, err := azcosmos.NewKeyCredential(key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := azcosmos.NewClientWithKey(endpoint, credential, &azcosmos.ClientOptions{ClientOptions: azcore.ClientOptions{
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Transport: http.DefaultClient,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func containerClient(t testing.TB, cfg cosmosstore.Config) *azcosmos.ContainerClient {
	t.Helper()
	c, err := client(t, cfg).NewContainer(cfg.Database, cfg.Container)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open returns a Store that is closed after the test.
func open(t testing.TB, cfg cosmosstore.Config) *cosmosstore.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := cosmosstore.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
