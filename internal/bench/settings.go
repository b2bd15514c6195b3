package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// settingsFramework compares this project's library with itself: what its
// settings cost. The sessions have the text so many times.
func settingsFramework(times int) framework {
	long := strings.Repeat(text, times)
	with := func(name string, config session.Config) contender {
		return contender{name: name, open: func(see *seen) (client, func() error, error) {
			mgr, closer, err := open(memstore.New(), config)
			if err != nil {
				return nil, nil, err
			}
			l := sessionstateWith(httpsession.Acquire, long)
			return newHTTPClient(httpsession.New(mgr)(plainHandler(l.routes(see)))), closer, nil
		}}
	}
	keys := [][]byte{signingKey}
	return framework{
		name: fmt.Sprintf("net/http, sessions of %d bytes", len(long)), settings: true,
		bare: func() client {
			return newHTTPClient(plainHandler(library[*http.Request]{}.routes(new(seen))))
		},
		ours: with("as it comes", session.Config{}),
		peers: []contender{
			with("Observer", session.Config{Observer: new(counter)}),
			with("Compress", session.Config{Compress: true}),
			with("EncryptionKeys", session.Config{EncryptionKeys: keys}),
			with("Compress and EncryptionKeys", session.Config{Compress: true, EncryptionKeys: keys}),
		},
	}
}

// counter is an Observer that does next to nothing.
type counter struct{ events atomic.Int64 }

func (c *counter) Observe(context.Context, session.Event) { c.events.Add(1) }

// plainHandler is net/http without a router of its own.
func plainHandler(routes map[string]func(*http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if do := routes[r.URL.Path]; do != nil {
			do(r)
			w.Write(ok)
			return
		}
		http.NotFound(w, r)
	})
}
