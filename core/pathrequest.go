package session

import (
	"context"
	"net/http"
	"strings"
	"sync"
)

// PathRequest is the part of one HTTP request in what a Manager does to paths,
// before the request gets to the router and just before its reply goes out. It
// is for adapters: see BeginPath. It is safe for concurrent use.
type PathRequest struct {
	m    *Manager
	ex   Exchange
	safe bool // GET or HEAD: a redirect may change the method, and there is no body
	host string

	path, query string // escaped, as the router sees them; query with its "?"
	prefixed    bool   // the URL has a prefix
	marker      bool   // and it is AutoDetect's
	cookies     bool   // AutoDetect: the client keeps cookies
	presented   string // the ID that is believed; "": none
	cookieID    string // AutoDetect: the one in the cookie

	mu       sync.Mutex
	id       string // the ID that the client's links are to have; "": none
	next     string // the ID that Renew is going to give; "": not chosen
	location string // where the client is sent; "": nowhere
	probe    bool   // the reply has to set the test cookie
	told     bool   // the client is to go on under another ID than it presented
	linked   bool   // the handler has asked for a link since then
}

type pathKey struct{}

// BeginPath looks for an ID in front of a request's path, and makes it known
// below the returned context. Adapters call it before the request is routed,
// with the request's target as it came, its method and its Host, and have the
// request routed by Path. It returns nil if the Manager carries no IDs in paths
// (Config.ID), or if the request has passed here before, for this Manager or
// another: then there is nothing to do.
func (m *Manager) BeginPath(ctx context.Context, ex Exchange, method, host, target string) (*PathRequest, context.Context) {
	if !m.InPath() || ctx.Value(pathKey{}) != nil {
		return nil, ctx
	}
	p := &PathRequest{m: m, ex: ex, safe: method == http.MethodGet || method == http.MethodHead, host: host}
	path, query := escapeTarget(target)
	value, rest, found := cutPrefix(path)
	p.path, p.query, p.prefixed, p.marker = rest, query, found, found && value == ""
	if auto, ok := m.cfg.ID.(AutoDetect); ok {
		p.cookieID = auto.Cookie.read(ex)
		p.cookies = p.cookieID != "" || hasCookie(ex, auto.test().Name)
	}
	if validID(value) && !p.cookies {
		p.presented = value
	}
	p.id = p.presented
	return p, context.WithValue(ctx, pathKey{}, p)
}

// InPath reports whether IDs may be in paths: Config.ID is URI or AutoDetect.
// If not, requests need no BeginPath.
func (m *Manager) InPath() bool { return m.inPath }

// path returns what Rewrite has made of the request; nil if IDs are not in
// paths.
func (rq *Request) path() *PathRequest {
	if !rq.m.inPath {
		return nil
	}
	if p, _ := rq.ctx.Value(pathKey{}).(*PathRequest); p != nil && p.m == rq.m {
		return p
	}
	return nil
}

// source returns what carries this client's ID.
func (rq *Request) source() IDSource {
	if p := rq.path(); p != nil {
		return p.source()
	}
	return rq.m.cfg.ID
}

func (p *PathRequest) source() IDSource {
	if p.cookies {
		return p.m.cfg.ID.(AutoDetect).Cookie
	}
	return URI{}
}

// Rewritten reports whether there was a prefix: Path and Target differ from
// what came.
func (p *PathRequest) Rewritten() bool { return p.prefixed }

// Path returns the escaped path without the ID.
func (p *PathRequest) Path() string { return p.path }

// Target returns Path with the query.
func (p *PathRequest) Target() string { return p.path + p.query }

// Referer returns a Referer header without the ID in its path, for the request
// that goes to the router: loggers write it down.
func (p *PathRequest) Referer(referer string) string {
	i := strings.Index(referer, "://")
	if i < 0 {
		return referer
	}
	slash := strings.IndexByte(referer[i+3:], '/')
	if slash < 0 {
		return referer
	}
	i += 3 + slash
	return referer[:i] + insertPrefix("", referer[i:])
}

// presentedID is the ID that the client's session has.
func (p *PathRequest) presentedID() string {
	if p.cookies {
		return p.cookieID
	}
	return p.presented
}

// admit is called before a session is looked for. A client that keeps cookies
// and is under a prefix is first sent to the URL without: its links would go on
// having one.
func (p *PathRequest) admit(mode Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.presented != "" && p.m.autoDetects() {
		p.probe = true // if it keeps that, its next request is not believed the ID in the path
	}
	switch {
	case mode.readOnly():
	case p.location != "": // the same request tries again
		return p.redirected()
	case p.cookies && p.prefixed && p.safe:
		p.location = oneSlash(p.path) + p.query
		return p.redirected()
	}
	return nil
}

// leads decides what becomes of a client that has no live session. It goes on
// with a new one as it does with Cookie; or it is sent to the URL of one that is
// made for it now; or elsewhere, by the error. stores says that the session is
// going to be stored, or may be.
func (p *PathRequest) leads(stores bool) (toItsURL bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id = ""
	switch {
	case p.cookies || !stores:
		return false, nil
	case p.m.autoDetects() && !p.marker:
		p.probe, p.location = true, pathPrefix("")+p.path+p.query
		return false, p.redirected()
	}
	return true, nil
}

func (m *Manager) autoDetects() bool {
	_, ok := m.cfg.ID.(AutoDetect)
	return ok
}

// send sends the client to this request's URL with its ID.
func (p *PathRequest) send() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.location = pathPrefix(p.id) + p.path + p.query
	return p.redirected()
}

func (p *PathRequest) redirected() error { return redirectError{p.status()} }

// status is that of a redirect: one after which the client sends the same
// method and body again, but for GET and HEAD, where every client knows 302.
func (p *PathRequest) status() int {
	if p.safe {
		return http.StatusFound
	}
	return http.StatusTemporaryRedirect
}

// tell makes the client's links have that ID, "" for none.
func (p *PathRequest) tell(id string) {
	if p.cookies {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == p.next {
		p.next = ""
	} else {
		p.linked = false
	}
	p.id, p.told = id, id != "" && id != p.presented
}

// nextID chooses the ID that Renew is going to give: links are written before
// that.
func (p *PathRequest) nextID() string {
	if p == nil {
		return newID()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == "" {
		p.next, p.linked = newID(), false
	}
	return p.next
}

func (p *PathRequest) link(path, id string, renew bool) string {
	if p.cookies {
		return path
	}
	if renew {
		id = p.nextID()
	}
	p.mu.Lock()
	p.linked = true
	p.mu.Unlock()
	if id == "" {
		return insertPrefix("", path)
	}
	return insertPrefix(pathPrefix(id), path)
}

// BeforeReply completes the reply's headers. Adapters call it once, just before
// they go out, with the reply's status: later than anything else, so that
// nothing that cleans headers takes away what the client has to know.
func (p *PathRequest) BeforeReply(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ex := p.ex
	if len(ex.ReplyHeader("Referrer-Policy")) == 0 {
		ex.SetReplyHeader("Referrer-Policy", "same-origin")
	}
	to := ex.ReplyHeader("Location")
	switch {
	case len(to) > 0:
		prefix := ""
		if p.id != "" {
			prefix = pathPrefix(p.id)
		}
		mended := inside(to[0], prefix, p.host, p.Target(), p.id != p.presented)
		if mended != to[0] {
			ex.SetReplyHeader("Location", mended)
		}
	case p.location != "" && status == p.status():
		ex.SetReplyHeader("Location", p.location)
		if len(ex.ReplyHeader("Cache-Control")) == 0 {
			ex.SetReplyHeader("Cache-Control", "no-store")
		}
	case p.told && !p.linked && p.location == "":
		p.m.warnUntold()
	}
	if p.probe {
		auto := p.m.cfg.ID.(AutoDetect)
		test := auto.test()
		test.set(ex, test.httpCookie("1", 0).String())
	}
}

// warnUntold says once what makes users lose their session at a login.
func (m *Manager) warnUntold() {
	if m.untold.CompareAndSwap(false, true) {
		m.cfg.Logger.Warn("session: a session was renewed by a reply that does not tell the client: with IDs in paths, " +
			"answer with a redirect after Session.Renew, or write the page's links with Session.URL")
	}
}

// hasCookie reports whether the request has a cookie of that name.
func hasCookie(ex Exchange, name string) bool {
	for _, line := range ex.RequestHeader("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			if key, _, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && key == name {
				return true
			}
		}
	}
	return false
}
