package httpsession

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	session "github.com/sessionstate/sessionstate/core"
)

// Rewrite returns the middleware that takes session IDs out of paths, for a
// Manager whose Config.ID is session.URI or session.AutoDetect; for others it
// does nothing at no cost. It must stand in front of the router, and of
// whatever logs requests; New goes inside of it as ever:
//
//	http.ListenAndServe(addr, httpsession.Rewrite(sessions)(httpsession.New(sessions)(mux)))
//
// Below it URL and RequestURI of a request, and its Referer, have no ID. On
// their way out, redirects to paths of this site get the client's ID, and
// replies a Referrer-Policy. It is for one Manager per request, and for paths as
// the client sees them: http.StripPrefix goes inside.
func Rewrite(mgr *session.Manager) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if !mgr.InPath() {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			pw, r := BeginPath(mgr, w, r)
			if pw == nil {
				next.ServeHTTP(w, r)
				return
			}
			defer pw.HandBack()
			next.ServeHTTP(pw, r)
			pw.End()
		})
	}
}

// BeginPath is Rewrite for one request: the router must get the writer and the
// request that it returns, and End and HandBack are called when it has returned.
// The writer is nil if there is nothing to do. It is for adapters of frameworks
// whose handlers are not http.Handlers.
func BeginPath(mgr *session.Manager, w http.ResponseWriter, r *http.Request) (*PathWriter, *http.Request) {
	pw := &PathWriter{base: w, req: r}
	target := r.URL.EscapedPath()
	if r.URL.ForceQuery || r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	path, ctx := mgr.BeginPath(r.Context(), (*pathExchange)(pw), r.Method, r.Host, target)
	if path == nil {
		return nil, r
	}
	pw.path = path
	below := r.WithContext(ctx)
	pw.below = below
	if path.Rewritten() {
		below.URL = withPath(r.URL, path.Path())
		below.RequestURI = below.URL.RequestURI()
	}
	if from := r.Header.Get("Referer"); from != "" {
		if clean := path.Referer(from); clean != from {
			below.Header = maps.Clone(r.Header)
			below.Header["Referer"] = []string{clean}
		}
	}
	return pw, below
}

// withPath returns a copy of u with another path. Routers look at both forms
// of it.
func withPath(u *url.URL, escaped string) *url.URL {
	c := *u
	c.Path, c.RawPath = escaped, ""
	if path, err := url.PathUnescape(escaped); err == nil { // it came from a URL
		c.Path = path
		if c.EscapedPath() != escaped {
			c.RawPath = escaped
		}
	}
	return &c
}

// PathWriter completes the headers of a reply just before they go out. It has
// the optional methods of every http.ResponseWriter; those that the writer
// below lacks do nothing or return http.ErrNotSupported.
type PathWriter struct {
	base  http.ResponseWriter
	req   *http.Request // as it came
	below *http.Request // as the router got it
	path  *session.PathRequest
	begun atomic.Bool
}

func (w *PathWriter) begin(status int) {
	if !w.begun.Swap(true) {
		w.path.BeforeReply(status)
	}
}

// End is for a reply to which nothing was written: what goes out then is a 200.
func (w *PathWriter) End() { w.begin(http.StatusOK) }

// HandBack gives the request as it came the form that was read of the one that
// the router got, and the route. Without that net/http would not remove the files
// of a multipart form. It is called however the router has ended.
func (w *PathWriter) HandBack() { handBack(w.req, w.below) }

// Header returns the header map of the writer below.
func (w *PathWriter) Header() http.Header { return w.base.Header() }

// Unwrap returns the writer below, for http.ResponseController.
func (w *PathWriter) Unwrap() http.ResponseWriter { return w.base }

// WriteHeader begins the reply with this status; informational ones but 101
// pass.
func (w *PathWriter) WriteHeader(code int) {
	if !informational(code) {
		w.begin(code)
	}
	w.base.WriteHeader(code)
}

// Write writes a part of the body.
func (w *PathWriter) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.base.Write(p)
}

// WriteString is Write for a string.
func (w *PathWriter) WriteString(s string) (int, error) {
	w.begin(http.StatusOK)
	return io.WriteString(w.base, s)
}

// ReadFrom writes what src has left, by the writer below if that can: so
// sendfile is used where there is one.
func (w *PathWriter) ReadFrom(src io.Reader) (int64, error) {
	w.begin(http.StatusOK)
	return io.Copy(w.base, src)
}

// Flush is FlushError without a result.
func (w *PathWriter) Flush() { _ = w.FlushError() }

// FlushError sends what there is of the reply.
func (w *PathWriter) FlushError() error {
	if flushes(w.base) {
		w.begin(http.StatusOK)
	}
	return http.NewResponseController(w.base).Flush()
}

// Hijack takes the connection over. The headers that the reply would have are
// in Header then.
func (w *PathWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.req.ProtoMajor > 1 || !hijacks(w.base) { // see Writer.Hijack
		return nil, nil, http.ErrNotSupported
	}
	w.begin(http.StatusSwitchingProtocols)
	return http.NewResponseController(w.base).Hijack()
}

// Push asks the writer below to push a resource (HTTP/2).
func (w *PathWriter) Push(target string, opts *http.PushOptions) error {
	for below := w.base; below != nil; below = unwrap(below) {
		if p, ok := below.(http.Pusher); ok {
			return p.Push(target, opts)
		}
	}
	return http.ErrNotSupported
}

// CloseNotify is that of the writer below, which some frameworks take for
// granted. The channel says nothing if there is none.
func (w *PathWriter) CloseNotify() <-chan bool {
	for below := w.base; below != nil; below = unwrap(below) {
		if n, ok := below.(interface{ CloseNotify() <-chan bool }); ok {
			return n.CloseNotify()
		}
	}
	return nil
}

// pathExchange is the request, as it came, and its reply, as the core sees them.
type pathExchange PathWriter

func (e *pathExchange) RequestHeader(name string) []string { return e.req.Header.Values(name) }
func (e *pathExchange) ReplyHeader(name string) []string   { return e.base.Header().Values(name) }
func (e *pathExchange) Secure() bool                       { return e.req.TLS != nil }

func (e *pathExchange) SetReplyHeader(name string, values ...string) {
	name = http.CanonicalHeaderKey(name)
	if len(values) == 0 {
		delete(e.base.Header(), name)
		return
	}
	e.base.Header()[name] = values
}
