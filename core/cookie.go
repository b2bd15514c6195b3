package session

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// IDSource says how clients carry the ID: Cookie, Header, URI or AutoDetect.
type IDSource interface {
	// checked returns the source with its defaults filled in, or what is
	// wrong with it.
	checked() (IDSource, error)
	// read returns the first well-formed ID that the request presents, or "".
	read(ex Exchange) string
	// write makes the reply tell the client its ID. maxAge > 0 is how long
	// the client may keep it when it restarts.
	write(ex Exchange, id string, maxAge time.Duration)
	// clear makes the reply take the ID from the client.
	clear(ex Exchange)
}

// Cookie carries the ID in a cookie. The zero Cookie is the safest that works
// everywhere: HttpOnly, Secure, SameSite=Lax, Path=/, no Domain, gone when the
// browser ends. HttpOnly cannot be switched off.
type Cookie struct {
	// Name is the cookie's name. A name with the prefix __Host- or __Secure-
	// makes browsers enforce what New checks. Default: "session".
	Name string
	// Domain widens the cookie to a domain and all its subdomains. Default:
	// "", this host only.
	Domain string
	// Path narrows the cookie to paths below this one. Default: "/".
	Path string
	// SameSite says whether requests from other sites carry the cookie.
	// Default: http.SameSiteLaxMode.
	SameSite http.SameSite
	// Insecure sends the cookie over plain http as well: for development
	// only.
	Insecure bool
	// Partitioned keeps a cookie apart for each top-level site that embeds
	// this one (CHIPS).
	Partitioned bool
	// Persist lets the cookie outlive the browser, for as long as the session
	// lives. Session.Remember does so for one session.
	Persist bool
}

// maxCookieName leaves room for the ID in the 4,096 bytes that browsers take for
// name and value together (RFC 6265bis 5.7), and in what servers and proxies
// take for a header.
const maxCookieName = 1024

func (c Cookie) checked() (IDSource, error) {
	if c.Name == "" {
		c.Name = "session"
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	if len(c.Name) > maxCookieName {
		return nil, fmt.Errorf("Cookie.Name is %d bytes long: at most %d are allowed, or browsers drop the cookie", len(c.Name), maxCookieName)
	}
	lower := strings.ToLower(c.Name) // browsers compare the prefixes so (RFC 6265bis 5.4)
	host := strings.HasPrefix(lower, "__host-")
	switch {
	case (host || strings.HasPrefix(lower, "__secure-")) && c.Insecure:
		return nil, fmt.Errorf("Cookie.Insecure is true: a cookie named %q must be secure, or browsers refuse it", c.Name)
	case host && (c.Domain != "" || c.Path != "/"):
		return nil, fmt.Errorf("Cookie.Domain is %q and Cookie.Path %q: a cookie named %q must have no Domain and the Path \"/\", or browsers refuse it", c.Domain, c.Path, c.Name)
	case c.SameSite == http.SameSiteNoneMode && c.Insecure:
		return nil, errors.New("Cookie.SameSite is None and Cookie.Insecure true: browsers refuse that")
	case c.Partitioned && c.Insecure:
		return nil, errors.New("Cookie.Partitioned and Cookie.Insecure are both true: browsers refuse that")
	case c.SameSite < http.SameSiteDefaultMode || c.SameSite > http.SameSiteNoneMode:
		return nil, fmt.Errorf("Cookie.SameSite is %d: must be one of net/http's modes", c.SameSite)
	case !strings.HasPrefix(c.Path, "/"):
		return nil, fmt.Errorf("Cookie.Path is %q: must begin with \"/\"", c.Path)
	}
	// net/http drops what it finds invalid, without a word: find out now.
	if err := c.httpCookie(strings.Repeat("a", idChars), 0).Valid(); err != nil {
		return nil, fmt.Errorf("Cookie cannot be sent: %w", err)
	}
	return c, nil
}

func (c Cookie) httpCookie(value string, maxAge time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: c.Name, Value: value, Path: c.Path, Domain: c.Domain,
		MaxAge: int(maxAge / time.Second),
		Secure: !c.Insecure, HttpOnly: true, SameSite: c.SameSite, Partitioned: c.Partitioned,
	}
}

func (c Cookie) read(ex Exchange) string {
	for _, line := range ex.RequestHeader("Cookie") {
		if id := findCookie(line, c.Name); id != "" {
			return id
		}
	}
	return ""
}

// findCookie returns the first cookie of that name in a Cookie header that
// has the form of an ID, or "". It parses no other cookie, which is what makes
// it several times cheaper than net/http's parser.
func findCookie(line, name string) string {
	for line != "" {
		var pair string
		pair, line, _ = strings.Cut(line, ";")
		key, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || key != name {
			continue
		}
		if len(value) == idChars+2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1] // RFC 6265 4.1.1 allows the quotes
		}
		if validID(value) {
			return value
		}
	}
	return ""
}

func (c Cookie) write(ex Exchange, id string, maxAge time.Duration) {
	c.set(ex, c.httpCookie(id, maxAge).String())
}

func (c Cookie) clear(ex Exchange) {
	gone := c.httpCookie("", 0)
	gone.MaxAge = -1
	c.set(ex, gone.String())
}

// set adds the cookie to the reply, in place of an earlier one of its name,
// and keeps shared caches away from it (A9).
func (c Cookie) set(ex Exchange, cookie string) {
	before := ex.ReplyHeader("Set-Cookie")
	kept := make([]string, 0, len(before)+1)
	for _, other := range before {
		if name, _, _ := strings.Cut(other, "="); name != c.Name {
			kept = append(kept, other)
		}
	}
	ex.SetReplyHeader("Set-Cookie", append(kept, cookie)...)
	keepFromCaches(ex, "Cookie")
}

// keepFromCaches marks a reply that carries an ID in a header called name, or
// without one if name is "", so that no shared cache gives it to somebody else
// (A9). What the handler has said about caching stays.
func keepFromCaches(ex Exchange, name string) {
	if len(ex.ReplyHeader("Cache-Control")) == 0 {
		ex.SetReplyHeader("Cache-Control", "no-store")
	}
	if name == "" {
		return
	}
	vary := ex.ReplyHeader("Vary")
	for _, line := range vary {
		for field := range strings.SplitSeq(line, ",") {
			if field = strings.TrimSpace(field); field == "*" || strings.EqualFold(field, name) {
				return
			}
		}
	}
	ex.SetReplyHeader("Vary", append(slices.Clip(vary), name)...)
}

// Header carries the ID in a header of request and reply, for API clients: a
// new or renewed ID comes in the reply and is to be sent with each request
// from then on; an empty one says that the session has ended.
type Header struct {
	// Name is the header's name. Default: "Session-Id".
	Name string
}

func (h Header) checked() (IDSource, error) {
	if h.Name == "" {
		h.Name = "Session-Id"
	}
	for i := range len(h.Name) {
		if c := h.Name[i]; c != '-' && (!idAlphabet[c] || c == '_') {
			return nil, fmt.Errorf("Header.Name is %q: only letters, digits and \"-\" are allowed", h.Name)
		}
	}
	h.Name = http.CanonicalHeaderKey(h.Name)
	return h, nil
}

func (h Header) read(ex Exchange) string {
	for _, v := range ex.RequestHeader(h.Name) {
		if validID(v) {
			return v
		}
	}
	return ""
}

func (h Header) write(ex Exchange, id string, _ time.Duration) { h.set(ex, id) }
func (h Header) clear(ex Exchange)                             { h.set(ex, "") }

func (h Header) set(ex Exchange, value string) {
	ex.SetReplyHeader(h.Name, value)
	keepFromCaches(ex, h.Name)
}
