package cosmosstore

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConfig_Defaults(t *testing.T) {
	cfg, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Database != "sessionstate" || cfg.Container != "sessions" || cfg.PartitionKeyPath != "/id" || cfg.PartitionCount != "*" ||
		cfg.RequestTimeout != 5*time.Second || cfg.MaxRetryAttempts != 9 || cfg.MaxRetryWait != 10*time.Second {
		t.Errorf("the defaults are %+v", cfg)
	}
	if cfg, err = (Config{PartitionKeyPath: "/p", MaxRetryAttempts: -1}).withDefaults(); err != nil || cfg.PartitionCount != "10" || cfg.MaxRetryAttempts != 0 {
		t.Errorf("%+v, %v", cfg, err)
	}
	cfg, _ = Config{PreferredRegions: []string{"East US; North Europe", "", "East US", "West US;"}}.withDefaults()
	if want := []string{"East US", "North Europe", "West US"}; !slices.Equal(cfg.PreferredRegions, want) {
		t.Errorf("the regions are %q, want %q", cfg.PreferredRegions, want)
	}
}

// TestConfig_Refused: what cannot be honoured is refused by the name of its
// field, with what helps.
func TestConfig_Refused(t *testing.T) {
	const endpoint, key = "https://account.example/", "c2VjcmV0"
	account := Config{Endpoint: endpoint, Key: key}
	with := func(change func(*Config)) Config {
		cfg := account
		change(&cfg)
		return cfg
	}
	for _, c := range []struct {
		says string
		cfg  Config
	}{
		{"ConnectionMode", with(func(c *Config) { c.ConnectionMode = "Direct" })},
		{"ConnectionProtocol", with(func(c *Config) { c.ConnectionProtocol = "Tcp" })},
		{"ConsistencyLevel", with(func(c *Config) { c.ConsistencyLevel = "Eventual" })},
		{"ConsistencyLevel", with(func(c *Config) { c.ConsistencyLevel = "ConsistentPrefix" })},
		{"ConsistencyLevel", with(func(c *Config) { c.ConsistencyLevel = "sometimes" })},
		{"PartitionCount", with(func(c *Config) { c.PartitionCount = "10" })},
		{"PartitionCount", with(func(c *Config) { c.PartitionKeyPath, c.PartitionCount = "/p", "0" })},
		{"PartitionCount", with(func(c *Config) { c.PartitionKeyPath, c.PartitionCount = "/p", "ten" })},
		{"PartitionKeyPath", with(func(c *Config) { c.PartitionKeyPath = "p" })},
		{"PartitionKeyPath", with(func(c *Config) { c.PartitionKeyPath = "/a/b" })},
		{"PartitionKeyPath", with(func(c *Config) { c.PartitionKeyPath = "/body" })},
		{"PartitionKeyPath", with(func(c *Config) { c.PartitionKeyPath = "/_etag" })},
		{"PartitionKeyPath", with(func(c *Config) { c.PartitionKeyPath = "/State" })}, // JSON is read without regard to case
		{"RequestTimeout", with(func(c *Config) { c.RequestTimeout = -1 })},
		{"MaxRetryWait", with(func(c *Config) { c.MaxRetryWait = -1 })},
		{"OfferThroughput", with(func(c *Config) { c.OfferThroughput = 100 })},
		{"OfferThroughput", with(func(c *Config) { c.OfferThroughput = -1 })},
		{"Database", with(func(c *Config) { c.Database = "a/b" })},
		{"Container", with(func(c *Config) { c.Container = `a"b` })},
		{"Schema", with(func(c *Config) { c.Schema = 9 })},
		{"MaxConnections", with(func(c *Config) { c.Transport, c.MaxConnections = http.DefaultTransport, 7 })},
		{"Endpoint", Config{Key: key}},
		{"Endpoint", Config{Endpoint: "account.example", Key: key}},
		{"Endpoint", Config{Endpoint: "ftp://account.example", Key: key}},
		{"Endpoint", Config{Endpoint: "https://user:password@account.example", Key: key}},
		{"Key", Config{Endpoint: endpoint}},
		{"base64", Config{Endpoint: endpoint, Key: "no base64!"}},
		{"ConnectionString", Config{ConnectionString: "AccountEndpoint=" + endpoint + ";AccountKey=" + key, Key: key}},
		{"AccountKey", Config{ConnectionString: "AccountEndpoint=" + endpoint}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := Open(ctx, c.cfg)
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want it to speak of %s", err, c.says)
			continue
		}
		for _, secret := range []string{key, "password", "no base64!", endpoint} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v says %q", err, secret)
			}
		}
	}
}

func TestParseConnectionString(t *testing.T) {
	const endpoint, key = "https://account.example:443/", "c2VjcmV0IGtleQ=="
	for _, s := range []string{
		"AccountEndpoint=" + endpoint + ";AccountKey=" + key + ";",
		"AccountEndpoint=" + endpoint + ";AccountKey=" + key,
		"AccountKey=" + key + ";AccountEndpoint=" + endpoint,
		" accountendpoint = " + endpoint + " ;; ACCOUNTKEY = " + key + " ; ",
	} {
		if e, k, err := parseConnectionString(s); err != nil || e != endpoint || k != key {
			t.Errorf("%q gives %q, %q, %v", s, e, k, err)
		}
	}
	for _, s := range []string{
		"", ";", "nonsense", "AccountEndpoint=;AccountKey=" + key, "AccountEndpoint=" + endpoint, "AccountKey=" + key,
		"AccountEndpoint=" + endpoint + ";AccountKey=" + key + ";AccountKey=" + key,
		"AccountEndpoint=" + endpoint + ";AccountKey=" + key + ";Database=secret",
		"AccountEndpoint=" + endpoint + ";AccountKey=not base64",
	} {
		_, _, err := parseConnectionString(s)
		if err == nil {
			t.Errorf("%q is taken", s)
		} else if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), endpoint) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// FuzzParseConnectionString: whatever it is given, the parser neither panics nor
// tells it, and what it takes it has understood.
func FuzzParseConnectionString(f *testing.F) {
	for _, s := range []string{
		"AccountEndpoint=https://a.example/;AccountKey=c2VjcmV0;", "AccountKey=c2VjcmV0", "AccountEndpoint", "=;=", ";AccountKey==;;",
		"AccountEndpoint=a;AccountKey=\x00", "accountkey=c2VjcmV0;ACCOUNTENDPOINT=x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		endpoint, key, err := parseConnectionString(s)
		if err == nil {
			if endpoint == "" || key == "" || checkKey(key) != nil || !strings.Contains(s, endpoint) || !strings.Contains(s, key) {
				t.Errorf("%q gives %q, %q", s, endpoint, key)
			}
			return
		}
		for part := range strings.SplitSeq(s, ";") {
			if _, value, _ := strings.Cut(part, "="); len(value) > 12 && strings.Contains(err.Error(), value) {
				t.Errorf("the error quotes a value: %v", err)
			}
		}
	})
}
