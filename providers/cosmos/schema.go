package cosmosstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
)

// indexed are the paths that queries filter by. No other is indexed: a document
// that is written several times a minute would pay for each.
var indexed = []string{"/body/owner/?", "/report/?"}

// headerManyWriters is on requests to an account with several write regions.
const headerManyWriters = "x-ms-cosmos-allow-tentative-writes"

// errNotSeenYet is about the time until a container that was made is known in the
// region that is read from.
var errNotSeenYet = errors.New("the container was made and is not to be found yet")

// prepare sees to it that the container is there and is what it has to be. With
// a client it may make what is missing.
func (s *Store) prepare(ctx context.Context, client *azcosmos.Client) error {
	a := s.begin(ctx, "prepare")
	if client != nil {
		a.retries = s.cfg.MaxRetryAttempts // Open tries again, with another client
	}
	if client != nil && s.cfg.Schema == SchemaCreate {
		if err := a.createDatabase(client); err != nil {
			return err
		}
	}
	properties, err := a.readContainer()
	if notThere(err) && client != nil && s.cfg.Schema == SchemaCreate {
		if err := a.createContainer(client); err != nil {
			return s.unmade(err)
		}
		if properties, err = a.readContainer(); notThere(err) {
			return unavailable(errNotSeenYet) // Open tries again
		}
	}
	if notThere(err) {
		return s.missing()
	}
	if err != nil {
		return err
	}
	if err := s.check(properties); err != nil {
		return err
	}
	if err := a.checkConsistency(); err != nil {
		return err
	}
	s.prepared.Store(true)
	return nil
}

// checkConsistency sees to it that the account has the level that reads ask for.
func (a *attempt) checkConsistency() error {
	if a.s.consistency == nil {
		return nil
	}
	_, err := a.read("ping")
	var answer *answerError
	switch {
	case err == nil, errors.Is(err, errAbsent), errors.Is(err, session.ErrCorrupt):
		return nil
	case errors.As(err, &answer) && answer.status == http.StatusBadRequest:
		return fmt.Errorf("ConsistencyLevel is %q, which the service refuses: it can only relax the account's; leave it out, or change the account's", *a.s.consistency)
	}
	return err
}

// notThere says whether a database or container was not found, which the
// service says in two ways.
func notThere(err error) bool {
	var answer *answerError
	return errors.Is(err, errAbsent) || errors.As(err, &answer) && answer.status == http.StatusNotFound
}

// createDatabase makes the database if it is missing.
func (a *attempt) createDatabase(client *azcosmos.Client) error {
	db, err := client.NewDatabase(a.s.cfg.Database)
	if err != nil {
		return redacted(err)
	}
	_, err = a.ask(func(ctx context.Context) (answer, error) {
		r, err := db.Read(ctx, nil)
		return answer{response: r.RawResponse}, err
	})
	if !notThere(err) {
		return err
	}
	_, err = a.ask(func(ctx context.Context) (answer, error) {
		r, err := client.CreateDatabase(ctx, azcosmos.DatabaseProperties{ID: a.s.cfg.Database}, nil)
		return answer{response: r.RawResponse}, err
	})
	if err != nil && !errors.Is(err, errPresent) { // another process may start at this moment
		return a.s.unmade(err)
	}
	return nil
}

func (a *attempt) readContainer() (*azcosmos.ContainerProperties, error) {
	var properties *azcosmos.ContainerProperties
	got, err := a.ask(func(ctx context.Context) (answer, error) {
		r, err := a.s.container.Read(ctx, nil)
		properties = r.ContainerProperties
		return answer{response: r.RawResponse}, err
	})
	if err != nil {
		return nil, err
	}
	if !a.s.cfg.AllowMultiRegionWrites && manyWriters(got.response.Request) {
		return nil, errors.New("the account is written to in several regions, where the lock does not hold: make it one of a single write region, or set AllowMultiRegionWrites if you can do without")
	}
	return properties, nil
}

// manyWriters says whether the account that a request went to is written to in
// several regions, of which the SDK learns every few minutes.
func manyWriters(request *http.Request) bool {
	return request != nil && request.Header.Get(headerManyWriters) == "true"
}

// watchWriters tells once that the account has become such a one since the
// start. To refuse all requests from then on would do more harm.
func (s *Store) watchWriters(request *http.Request) {
	if s.prepared.Load() && !s.cfg.AllowMultiRegionWrites && manyWriters(request) && s.warned.CompareAndSwap(false, true) {
		s.cfg.Logger.Error("cosmosstore: the account is now written to in several regions, where the lock does not hold, and changes of sessions can be lost: make it one of a single write region")
	}
}

func (a *attempt) createContainer(client *azcosmos.Client) error {
	db, err := client.NewDatabase(a.s.cfg.Database)
	if err != nil {
		return redacted(err)
	}
	forever := int32(-1) // documents say for themselves when they end
	properties := azcosmos.ContainerProperties{
		ID:                     a.s.cfg.Container,
		PartitionKeyDefinition: azcosmos.PartitionKeyDefinition{Paths: []string{a.s.cfg.PartitionKeyPath}, Version: 2},
		DefaultTimeToLive:      &forever,
		IndexingPolicy: &azcosmos.IndexingPolicy{
			Automatic:     true,
			IndexingMode:  azcosmos.IndexingModeConsistent,
			ExcludedPaths: []azcosmos.ExcludedPath{{Path: "/*"}},
		},
	}
	for _, path := range indexed {
		properties.IndexingPolicy.IncludedPaths = append(properties.IndexingPolicy.IncludedPaths, azcosmos.IncludedPath{Path: path})
	}
	o := &azcosmos.CreateContainerOptions{}
	if a.s.cfg.OfferThroughput > 0 {
		throughput := azcosmos.NewManualThroughputProperties(int32(a.s.cfg.OfferThroughput))
		o.ThroughputProperties = &throughput
	}
	_, err = a.ask(func(ctx context.Context) (answer, error) {
		r, err := db.CreateContainer(ctx, properties, o)
		return answer{response: r.RawResponse}, err
	})
	if errors.Is(err, errPresent) {
		return nil
	}
	return err
}

// check says in what the container is not what it has to be. What it lacks
// cannot be made up for without risk to what is in it.
func (s *Store) check(p *azcosmos.ContainerProperties) error {
	var wrong []error
	if paths := p.PartitionKeyDefinition.Paths; !slices.Equal(paths, []string{s.cfg.PartitionKeyPath}) {
		wrong = append(wrong, fmt.Errorf("its partition key is %s and PartitionKeyPath is %s: change the setting, or use another container, since a partition key stays", strings.Join(paths, ", "), s.cfg.PartitionKeyPath))
	}
	if p.DefaultTimeToLive == nil {
		wrong = append(wrong, errors.New("its time to live is off, so that nothing would ever delete old sessions: set it to -1"))
	}
	if err := checkIndexing(p.IndexingPolicy); err != nil {
		wrong = append(wrong, err)
	}
	if len(wrong) == 0 {
		s.clockWarning()
		return nil
	}
	return fmt.Errorf("the container is not one for sessions: %w; this changes what can be changed:\n%s",
		errors.Join(wrong...), s.command("update"))
}

func checkIndexing(p *azcosmos.IndexingPolicy) error {
	const want = "its indexing policy is not to index anything but " // and the rest
	paths := strings.Join(indexed, " and ")
	if p == nil || !strings.EqualFold(string(p.IndexingMode), string(azcosmos.IndexingModeConsistent)) {
		return errors.New(want + paths + ", consistently")
	}
	included := func(path string) bool {
		return slices.ContainsFunc(p.IncludedPaths, func(i azcosmos.IncludedPath) bool { return i.Path == path })
	}
	everything := !slices.ContainsFunc(p.ExcludedPaths, func(e azcosmos.ExcludedPath) bool { return e.Path == "/*" })
	if everything || included("/*") {
		return errors.New(want + paths + ": each write would pay for every property")
	}
	for _, path := range indexed {
		if !included(path) {
			return errors.New("its indexing policy leaves " + path + " out, by which sessions are found")
		}
	}
	return nil
}

// clockWarning tells of a clock that the service's proves to be wrong: it is
// corrected, but not as well as NTP does it.
func (s *Store) clockWarning() {
	s.clock.mu.Lock()
	ahead := s.clock.ahead
	s.clock.mu.Unlock()
	if ahead.Abs() > time.Second {
		s.cfg.Logger.Warn("cosmosstore: this machine's clock is not the service's: set it by NTP, or leases and expiries are off by up to a second",
			"behind", ahead.Round(time.Millisecond))
	}
}

// missing is the error of a database or container that is not there.
func (s *Store) missing() error {
	return fmt.Errorf("there is no such database or container, and the settings do not let this process make them: make them, for instance by\n%s",
		s.command("create"))
}

// unmade is the error of a database or container that could not be made.
func (s *Store) unmade(err error) error {
	return fmt.Errorf("database or container are missing and could not be made: %w; they can be made by\n%s", err, s.command("create"))
}

// command returns the commands that make the database and container, or bring
// the container to what it has to be.
func (s *Store) command(verb string) string {
	included := make([]string, len(indexed))
	for i, path := range indexed {
		included[i] = `{"path":"` + path + `"}`
	}
	policy := `{"indexingMode":"consistent","includedPaths":[` + strings.Join(included, ",") + `],"excludedPaths":[{"path":"/*"}]}`
	const az = "  az cosmosdb sql "
	const where = " --account-name ACCOUNT --resource-group GROUP"
	var b strings.Builder
	if verb == "create" {
		fmt.Fprintf(&b, "%sdatabase create%s --name %s\n", az, where, s.cfg.Database)
	}
	fmt.Fprintf(&b, "%scontainer %s%s --database-name %s --name %s", az, verb, where, s.cfg.Database, s.cfg.Container)
	if verb == "create" {
		fmt.Fprintf(&b, " --partition-key-path %s", s.cfg.PartitionKeyPath)
	}
	fmt.Fprintf(&b, " --ttl -1 --idx '%s'", policy)
	return b.String()
}
