package session

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// URI carries the ID in the path, as in "/(S(id))/page", for clients that keep
// no cookies. Whoever sees such a URL has the session: it is in the browser's
// history, in the logs of every server and proxy on the way, and in what users
// send each other. Choose it only where there is no other way, and see
// docs/security.md for what that asks of the application; above all, to call
// Session.Renew at every login.
//
// The adapter's Rewrite must stand in front of the router. It takes the ID off
// the path, so that routes, handlers and what logs behind it never see it; it
// puts it into the Location of redirects within this site; and it sets
// "Referrer-Policy: same-origin" unless the handler says otherwise. Pages keep
// their links inside by writing them relative, or with Session.URL.
//
// A request that acquires a session to change it, or one that OnStart is to
// start, and has no ID of a live session, is answered with a redirect (M23):
// the session is stored, empty, under a new ID, Acquire returns ErrRedirect,
// and the adapter's Fail sends the client to the same URL with that ID. An ID
// that the store does not know is never taken over (M11).
type URI struct{}

func (URI) checked() (IDSource, error)                   { return URI{}, nil }
func (URI) read(Exchange) string                         { return "" } // see PathRequest
func (URI) write(ex Exchange, _ string, _ time.Duration) { keepFromCaches(ex, "") }
func (URI) clear(Exchange)                               {}

// AutoDetect carries the ID in a cookie if the client keeps cookies, and in the
// path, as URI does, if it does not. All that is said there of URI goes for
// those clients too.
//
// A client that brings no cookie of this site when its session is to be
// started is sent once around, with a cookie that says nothing: to "/(S())/page"
// and, if the cookie has come along, back to "/page", where it gets its session
// in a cookie as with Cookie; else on to "/(S(id))/page". The cookie is named
// like the session's with "-test" behind, lasts until the browser ends, and
// spares the client the same another time. From a client that brings either
// cookie no ID in a path is believed, so that nobody can plant one there.
type AutoDetect struct {
	// Cookie is the cookie for clients that keep cookies. Its Path must be
	// "/". Default: Cookie{}.
	Cookie Cookie
}

func (a AutoDetect) checked() (IDSource, error) {
	c, err := a.Cookie.checked()
	if err != nil {
		return nil, fmt.Errorf("AutoDetect.%w", err)
	}
	a.Cookie = c.(Cookie)
	if a.Cookie.Path != "/" {
		return nil, fmt.Errorf("AutoDetect.Cookie.Path is %q: must be \"/\", or the cookie does not come along with an ID in the path", a.Cookie.Path)
	}
	return a, nil
}

func (AutoDetect) read(Exchange) string                  { return "" } // see PathRequest
func (AutoDetect) write(Exchange, string, time.Duration) {}
func (AutoDetect) clear(Exchange)                        {}

// test is the cookie that shows whether a client keeps cookies. It is no
// secret. Strict would keep it from coming along when another site has sent
// the client here.
func (a AutoDetect) test() Cookie {
	c := a.Cookie
	c.Name += "-test"
	if c.SameSite == http.SameSiteStrictMode {
		c.SameSite = http.SameSiteLaxMode
	}
	return c
}

// ErrRedirect means that the ID is carried in the path, and the client must
// first be sent to the URL that has it (M23). Answer with the adapter's Fail, as every error
// of Acquire; its reply has the status of HTTPStatus, and the Location that the
// adapter's Rewrite adds.
var ErrRedirect = errors.New("session: the client must first be sent to the URL with its ID: answer with the adapter's Fail")

// redirectError is ErrRedirect for a request.
type redirectError struct{ status int }

func (redirectError) Error() string { return ErrRedirect.Error() }
func (redirectError) Unwrap() error { return ErrRedirect }

// errNotRewritten is for the developer who has forgotten Rewrite.
var errNotRewritten = errors.New("session: acquire: Config.ID carries IDs in paths, and this request has not passed Rewrite for this Manager: put the adapter's Rewrite in front of the router, for one Manager only")

// checkPaths refuses what contradicts IDs in paths.
func (cfg *Config) checkPaths() error {
	if carriesInPath(cfg.ID) && cfg.AdoptExpiredID {
		return fmt.Errorf("session: Config.AdoptExpiredID is set and Config.ID is %T: with a link, anybody could choose the ID of somebody else's session: leave one of them", cfg.ID)
	}
	return nil
}

func carriesInPath(id IDSource) bool {
	switch id.(type) {
	case URI, AutoDetect:
		return true
	}
	return false
}

// URL returns the path with the session's ID in it, if the client carries it in
// the path, for links and forms in replies (URI, AutoDetect); in every other
// case it returns the path as it is, so that pages can use it for all links.
// After Renew it has the new ID already; after Abandon, and for a session that
// is not stored, it has none.
//
// The path begins with one slash, and may have a query and a fragment. For
// whatever else there is, absolute URLs above all, URL returns it as it is: no
// ID goes to another site. It may be called after the release, as ID may.
// html/template escapes the parentheses in the path, which means the same.
func (s *Session) URL(path string) string {
	if s == nil {
		return path
	}
	p := s.rq.path()
	if p == nil || !isLocalPath(path) {
		return path
	}
	s.mu.Lock()
	id := s.id
	if s.abandoned || !s.stored {
		id = ""
	}
	renew := s.renew
	s.mu.Unlock()
	return p.link(path, id, renew)
}
