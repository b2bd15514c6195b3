package cosmosstore

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

// Config says where the sessions are and how the service is spoken to. The zero
// value of a field is its default; a value that cannot be honoured is an error
// of New and Open that says why, and never ignored.
type Config struct {
	// Endpoint is the account's URI, as in
	// "https://account.documents.azure.com:443/". New ignores it and the three
	// that follow: its client has them.
	Endpoint string

	// Key is one of the account's keys. Databases and containers that are
	// missing are made with it.
	Key string

	// ConnectionString has Endpoint and Key in one:
	// "AccountEndpoint=https://…;AccountKey=…;". Its order, spaces around
	// names and values, and a last semicolon do not matter; a part with
	// another name is an error.
	ConnectionString string

	// Credential is for Microsoft Entra ID, in place of a Key. With it the
	// database and the container have to exist: the service lets no identity
	// make them.
	Credential azcore.TokenCredential

	// Database and Container name the container. Defaults: "sessionstate",
	// "sessions". New ignores them.
	Database, Container string

	// Schema says what Open does where database or container are missing.
	// Default: SchemaCreate with a Key, SchemaVerify with a Credential.
	Schema SchemaMode

	// OfferThroughput is the throughput, in request units per second, of a
	// container that Open makes; at least 400. Default: 0, that of the
	// database or, in a serverless account, none.
	OfferThroughput int

	// PartitionKeyPath is the container's partition key: "/id", the default,
	// or one property. Where it is another than "/id", PartitionCount says
	// what the property holds.
	PartitionKeyPath string

	// PartitionCount is "*", the whole id, so that every session is a logical
	// partition of its own, or a number N: the first character of the id modulo
	// N, of which with our ids there are 16 at most. With N a logical
	// partition's limits, 20 GB and 10,000 request units per second, become
	// those of an Nth of all sessions. Default: "*" with "/id", else "10".
	PartitionCount string

	// RequestTimeout bounds each request to the service; how long an operation
	// takes with its retries is bounded by its context. Default: 5 s.
	RequestTimeout time.Duration

	// MaxConnections bounds the connections to each of the account's hosts.
	// Default: 50. Negative: no bound. New ignores it.
	MaxConnections int

	// MaxRetryAttempts is how often a request is repeated that was throttled
	// or whose answer was lost. Default: 9. Negative: never.
	MaxRetryAttempts int

	// MaxRetryWait bounds the time that an operation waits between its
	// retries, all in all. Default: 10 s.
	MaxRetryWait time.Duration

	// PreferredRegions are the account's regions to read from, the first that
	// is available; each may be several, separated by semicolons. Default: the
	// region that is written to. New ignores it.
	PreferredRegions []string

	// ConnectionMode is "Gateway", the default: the SDK for Go has no other.
	ConnectionMode string

	// ConnectionProtocol is "Https", the default: the SDK for Go has no other.
	ConnectionProtocol string

	// ConsistencyLevel relaxes the account's consistency for reads: "Strong",
	// "BoundedStaleness" or "Session". Weaker ones are refused: a request
	// would not see what the one before it has stored. Default: the account's.
	ConsistencyLevel string

	// AllowMultiRegionWrites admits an account that is written to in several
	// regions. There the lock does not hold: of two requests that write in
	// different regions both succeed, and the service merges what they wrote.
	AllowMultiRegionWrites bool

	// Transport makes the requests, in place of an http.Transport of the
	// Store's own. With it MaxConnections has to be left to its default. New
	// ignores it.
	Transport http.RoundTripper

	// Logger gets what Open finds worth telling, and an account that becomes one
	// of several write regions. Default: slog.Default().
	Logger *slog.Logger
}

// SchemaMode says what Open does where database or container are missing.
type SchemaMode uint8

// What Open does.
const (
	SchemaDefault SchemaMode = iota // SchemaCreate with a Key, SchemaVerify with a Credential
	SchemaCreate                    // make them
	SchemaVerify                    // say what is missing, and how to make it
)

// The defaults of Config.
const (
	defaultDatabase       = "sessionstate"
	defaultContainer      = "sessions"
	defaultRequestTimeout = 5 * time.Second
	defaultConnections    = 50
	defaultRetries        = 9
	defaultRetryWait      = 10 * time.Second
	idPath                = "/id"
	wholeID               = "*"
	defaultPartitions     = "10"
)

// withDefaults returns a copy of cfg that is complete, or what is wrong with it.
func (cfg Config) withDefaults() (Config, error) {
	cfg.Database = cmp.Or(cfg.Database, defaultDatabase)
	cfg.Container = cmp.Or(cfg.Container, defaultContainer)
	cfg.RequestTimeout = cmp.Or(cfg.RequestTimeout, defaultRequestTimeout)
	cfg.MaxRetryAttempts = max(0, cmp.Or(cfg.MaxRetryAttempts, defaultRetries))
	cfg.MaxRetryWait = cmp.Or(cfg.MaxRetryWait, defaultRetryWait)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	cfg.PartitionKeyPath = cmp.Or(cfg.PartitionKeyPath, idPath)
	if cfg.PartitionCount == "" {
		cfg.PartitionCount = defaultPartitions
		if cfg.PartitionKeyPath == idPath {
			cfg.PartitionCount = wholeID
		}
	}
	cfg.PreferredRegions = regions(cfg.PreferredRegions)
	return cfg, errors.Join(
		cfg.checkNames(),
		cfg.checkPartition(),
		cfg.checkTransport(),
		cfg.checkConsistency(),
		positive("RequestTimeout", cfg.RequestTimeout),
		positive("MaxRetryWait", cfg.MaxRetryWait),
	)
}

func positive(field string, d time.Duration) error {
	if d > 0 {
		return nil
	}
	return fmt.Errorf("%s is %v: give it more than 0, or leave it out", field, d)
}

// regions splits names that are several, and drops what is none.
func regions(given []string) (names []string) {
	for _, g := range given {
		for name := range strings.SplitSeq(g, ";") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// checkNames: the SDK puts the names into JSON and URLs as they are.
func (cfg Config) checkNames() error {
	for _, n := range []struct{ field, value string }{{"Database", cfg.Database}, {"Container", cfg.Container}} {
		if len(n.value) > 255 || strings.ContainsAny(n.value, "/\\?#\"%") || strings.TrimSpace(n.value) != n.value ||
			strings.ContainsFunc(n.value, func(r rune) bool { return r < ' ' }) {
			return fmt.Errorf("%s is %q: the service allows no name of more than 255 characters, with any of / \\ ? # \" %%, or with a space at an end", n.field, n.value)
		}
	}
	if cfg.OfferThroughput != 0 && (cfg.OfferThroughput < 400 || cfg.OfferThroughput > 1_000_000) {
		return fmt.Errorf("OfferThroughput is %d: give 400 to 1000000 request units per second, or 0 for what the database has", cfg.OfferThroughput)
	}
	if cfg.Schema > SchemaVerify {
		return fmt.Errorf("%s is %d: use SchemaCreate or SchemaVerify", "Schema", cfg.Schema)
	}
	return nil
}

// taken are the properties of a document that cannot be the partition key.
var taken = []string{"id", "ttl", "v", "state", "ns", "created", "body", "life", "lock", "writes", "written", "report", "ending", "move"}

func (cfg Config) checkPartition() error {
	property, ok := strings.CutPrefix(cfg.PartitionKeyPath, "/")
	switch {
	case cfg.PartitionKeyPath == idPath && cfg.PartitionCount != wholeID:
		return fmt.Errorf("PartitionCount is %q and PartitionKeyPath \"/id\": an id is the whole of its partition key; leave PartitionCount out", cfg.PartitionCount)
	case cfg.PartitionKeyPath == idPath:
		return nil
	case !ok || property == "" || strings.ContainsAny(property, "/\"'\\") || strings.HasPrefix(property, "_"):
		return fmt.Errorf("PartitionKeyPath is %q: give one property, such as \"/partition\", or \"/id\"", cfg.PartitionKeyPath)
	case slices.ContainsFunc(taken, func(name string) bool { return strings.EqualFold(name, property) }): // as JSON is read
		return fmt.Errorf("PartitionKeyPath is %q, which documents use for something else: give another property, or \"/id\"", cfg.PartitionKeyPath)
	case cfg.PartitionCount == wholeID:
		return nil
	}
	if n, err := strconv.Atoi(cfg.PartitionCount); err != nil || n < 1 {
		return fmt.Errorf("PartitionCount is %q: give \"*\" or a number from 1 on", cfg.PartitionCount)
	}
	return nil
}

// partitioning returns what the checked settings mean for a Store.
func (cfg Config) partitioning() (property string, partitions int) {
	if cfg.PartitionKeyPath != idPath {
		property = cfg.PartitionKeyPath[1:]
	}
	if cfg.PartitionCount != wholeID {
		partitions, _ = strconv.Atoi(cfg.PartitionCount)
	}
	return property, partitions
}

func (cfg Config) checkTransport() error {
	if cfg.ConnectionMode != "" && !strings.EqualFold(cfg.ConnectionMode, "Gateway") {
		return fmt.Errorf("ConnectionMode is %q: the SDK for Go speaks to the gateway only; use \"Gateway\", or leave it out", cfg.ConnectionMode)
	}
	if cfg.ConnectionProtocol != "" && !strings.EqualFold(cfg.ConnectionProtocol, "Https") {
		return fmt.Errorf("ConnectionProtocol is %q: the SDK for Go speaks https only; use \"Https\", or leave it out", cfg.ConnectionProtocol)
	}
	if cfg.Transport != nil && cfg.MaxConnections != 0 {
		return errors.New("MaxConnections is set and so is Transport: bound its connections there")
	}
	return nil
}

func (cfg Config) checkConsistency() error {
	_, err := cfg.consistency()
	return err
}

// consistency returns the level to ask for with reads, or nil.
func (cfg Config) consistency() (*azcosmos.ConsistencyLevel, error) {
	if cfg.ConsistencyLevel == "" {
		return nil, nil
	}
	for _, level := range azcosmos.ConsistencyLevelValues() {
		if !strings.EqualFold(string(level), cfg.ConsistencyLevel) {
			continue
		}
		switch level {
		case azcosmos.ConsistencyLevelStrong, azcosmos.ConsistencyLevelBoundedStaleness, azcosmos.ConsistencyLevelSession:
			return level.ToPtr(), nil
		}
		return nil, fmt.Errorf("ConsistencyLevel is %q: requests would not see what was stored before them; use \"Session\" or a stronger one", cfg.ConsistencyLevel)
	}
	return nil, fmt.Errorf("ConsistencyLevel is %q: use \"Strong\", \"BoundedStaleness\" or \"Session\", or leave it out", cfg.ConsistencyLevel)
}

// account returns the endpoint, and the key unless it is a Credential that
// opens it.
func (cfg Config) account() (endpoint, key string, err error) {
	endpoint, key = cfg.Endpoint, cfg.Key
	if cfg.ConnectionString != "" {
		if endpoint != "" || key != "" {
			return "", "", errors.New("ConnectionString is set and so are Endpoint or Key: give one or the other")
		}
		if endpoint, key, err = parseConnectionString(cfg.ConnectionString); err != nil {
			return "", "", err
		}
	}
	switch {
	case endpoint == "":
		return "", "", errors.New("no Endpoint: give the account's URI, or a ConnectionString")
	case key != "" && cfg.Credential != nil:
		return "", "", errors.New("a key is given and so is Credential: give one or the other")
	case key == "" && cfg.Credential == nil:
		return "", "", errors.New("no Key: give one of the account's keys, a ConnectionString, or a Credential")
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return "", "", errors.New("the Endpoint is no URI of an account: it is like https://account.documents.azure.com:443/")
	}
	if u.Scheme == "http" && cfg.Credential != nil {
		return "", "", errors.New("the Endpoint is a plain http one: a Credential's tokens go out over https only")
	}
	return endpoint, key, nil
}
