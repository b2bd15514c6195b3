// A proxy that gives each request to the next of several processes, to see that
// it does not matter which one gets it when their sessions are in one database:
// PostgreSQL here; README.md says how to take Cosmos DB. From the repository's
// root:
//
//	export SESSION_STORE=postgres://user:password@localhost/database
//	go run ./examples/chi -addr 127.0.0.1:8081 &
//	go run ./examples/gin -addr 127.0.0.1:8082 &
//	go run ./examples/roundrobin http://127.0.0.1:8081 http://127.0.0.1:8082
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: roundrobin [-addr address] URL URL...")
		flag.PrintDefaults()
	}
	flag.Parse()
	proxy, err := roundRobin(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "roundrobin:", err)
		flag.Usage()
		os.Exit(2)
	}
	fmt.Printf("roundrobin: http://%s/ (Ctrl-C ends it)\n", *addr)
	log.Fatal(http.ListenAndServe(*addr, proxy))
}

// roundRobin returns a handler that passes requests on to the targets in turn.
func roundRobin(targets []string) (http.Handler, error) {
	if len(targets) == 0 {
		return nil, errors.New("no URL to pass requests on to")
	}
	urls := make([]*url.URL, len(targets))
	for i, target := range targets {
		u, err := url.Parse(target)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("%q is not a URL such as http://127.0.0.1:8081", target)
		}
		urls[i] = u
	}
	var turn atomic.Uint64
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(urls[turn.Add(1)%uint64(len(urls))])
		r.Out.Host = r.In.Host // the shops compare it with a form's Origin
		r.SetXForwarded()
	}}, nil
}
