package cosmosstore_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// fault is what becomes of an exchange with the service.
type fault struct {
	kind  faultKind
	delay time.Duration // first
}

type faultKind uint8

const (
	none       faultKind = iota
	cutBefore            // the connection breaks before the service gets the request
	cutAfter             // and after: the answer is lost
	failBefore           // 503, and the service did nothing
	failAfter            // 503, and it did what it was asked for
	timeoutHit           // 408, the same
	throttle             // 429 with x-ms-retry-after-ms
	retryWith            // 449
	refused              // no connection is made
	dead                 // the process has crashed: nothing is sent any more
)

// exchange is a request and how it was answered.
type exchange struct {
	method string
	path   string
	status int // 0: broken
	charge float64
}

// network is a transport that breaks exchanges by a rule and keeps account of
// them. It is safe for concurrent use.
type network struct {
	base http.RoundTripper

	mu       sync.Mutex
	rule     func(n int, req *http.Request) fault // n counts from 1; called under mu
	seen     []exchange
	n        int
	inFlight int
	most     int // that were under way at once
}

func newNetwork(t testing.TB) *network {
	base := &http.Transport{MaxIdleConnsPerHost: 50}
	t.Cleanup(base.CloseIdleConnections)
	return &network{base: base}
}

// on sets the rule, and begins a new account.
func (n *network) on(rule func(n int, req *http.Request) fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rule, n.seen, n.n, n.most = rule, nil, 0, 0
}

// exchanges returns the account so far.
func (n *network) exchanges() []exchange {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]exchange(nil), n.seen...)
}

func (n *network) begin(req *http.Request) (f fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.n++
	n.inFlight++
	n.most = max(n.most, n.inFlight)
	if n.rule != nil {
		f = n.rule(n.n, req)
	}
	return f
}

func (n *network) end(e exchange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inFlight--
	n.seen = append(n.seen, e)
}

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

func (n *network) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	e := exchange{method: req.Method, path: req.URL.Path}
	f := n.begin(req)
	defer func() {
		if resp != nil {
			e.status = resp.StatusCode
			e.charge, _ = strconv.ParseFloat(resp.Header.Get("x-ms-request-charge"), 64)
		}
		n.end(e)
	}()
	if f.delay > 0 {
		select {
		case <-time.After(f.delay):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	switch f.kind {
	case cutBefore, dead:
		return nil, errReset
	case refused:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case failBefore:
		return answered(req, http.StatusServiceUnavailable), nil
	case throttle:
		return answered(req, http.StatusTooManyRequests, "x-ms-retry-after-ms", "3"), nil
	case retryWith:
		return answered(req, 449), nil
	}
	resp, err = n.base.RoundTrip(req)
	if err != nil || f.kind == none {
		return resp, err
	}
	_, _ = io.Copy(io.Discard, resp.Body) // the service is done with it
	resp.Body.Close()
	switch f.kind {
	case cutAfter:
		return nil, errReset
	case timeoutHit:
		return answered(req, http.StatusRequestTimeout), nil
	}
	return answered(req, http.StatusServiceUnavailable), nil
}

// answered is an answer of the service to req.
func answered(req *http.Request, status int, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status,
		Status:     http.StatusText(status),
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     make(http.Header),
		Body:       io.NopCloser(strings.NewReader("{}")),
		Request:    req,
	}
	resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// rewritten replaces the body of an answer.
func rewritten(resp *http.Response, change func(body string) string) *http.Response {
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	text := []byte(change(string(body)))
	resp.Body = io.NopCloser(bytes.NewReader(text))
	resp.ContentLength = int64(len(text))
	resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return resp
}

// behind returns a Store behind a network of its own, on the container of cfg.
func behind(t testing.TB, cfg cosmosstore.Config) (*cosmosstore.Store, *network) {
	t.Helper()
	n := newNetwork(t)
	cfg.Transport = n
	return open(t, cfg), n
}
