package cosmosstore_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// counting is an account with one container in which there is nothing, slow to
// say so, that counts its connections.
type counting struct {
	*httptest.Server
	mu           sync.Mutex
	now, highest int
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	c := new(counting)
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := []any{map[string]any{"name": "here", "databaseAccountEndpoint": c.URL + "/"}}
		path := func(p string) map[string]any { return map[string]any{"path": p} }
		var body map[string]any
		switch {
		case r.URL.Path == "/" || r.URL.Path == "":
			body = map[string]any{"id": "account", "writableLocations": place, "readableLocations": place,
				"userConsistencyPolicy": map[string]any{"defaultConsistencyLevel": "Session"}}
		case strings.Contains(r.URL.Path, "/docs"):
			select { // so that requests meet
			case <-time.After(50 * time.Millisecond):
			case <-r.Context().Done():
			}
			w.WriteHeader(http.StatusNotFound)
			return
		case strings.Contains(r.URL.Path, "/colls/"):
			body = map[string]any{"id": "sessions", "defaultTtl": -1,
				"partitionKey": map[string]any{"paths": []string{"/id"}, "kind": "Hash"},
				"indexingPolicy": map[string]any{"indexingMode": "consistent", "automatic": true,
					"includedPaths": []any{path("/body/owner/?"), path("/report/?")}, "excludedPaths": []any{path("/*")}}}
		default:
			body = map[string]any{"id": "database"}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	}))
	c.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch state {
		case http.StateNew:
			c.now++
			c.highest = max(c.highest, c.now)
		case http.StateClosed:
			c.now--
		}
	}
	c.Start()
	return c
}

// most says how many connections there were at once.
func (c *counting) most() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.highest
}
