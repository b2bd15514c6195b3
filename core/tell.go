package session

import (
	"strings"
	"time"
)

// RestoreCookie sets the cookie of what was stored so far again, after the
// adapter or its error handler has wiped the reply's headers.
func (rq *Request) RestoreCookie() {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	if rq.cookie != nil && !rq.headersSent {
		rq.cookie()
	}
}

// tell makes the reply tell the client its ID, or that it has none any more,
// if the headers are still to go out, and reports whether they are.
func (rq *Request) tell(id string, maxAge time.Duration) bool {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	rq.idRead, rq.id = true, id
	// While an error handler writes its reply, a goroutine that the handler has
	// left behind must not touch the headers; Finish may.
	if rq.headersSent || rq.finished || rq.failed && !rq.ended {
		return false
	}
	rq.warnPlain()
	if p := rq.path(); p != nil {
		p.tell(id)
	}
	source, ex := rq.source(), rq.ex
	rq.cookie = func() {
		if id == "" {
			source.clear(ex)
		} else {
			source.write(ex, id, maxAge)
		}
	}
	rq.cookie()
	return true
}

// canTell reports whether the client can still be told another ID.
func (rq *Request) canTell() bool {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	return !rq.headersSent && !rq.failed && !rq.finished
}

// warnPlain says once that browsers will drop a Secure cookie that comes over
// plain http: the commonest reason for sessions that do not stick.
func (rq *Request) warnPlain() {
	m, ex := rq.m, rq.ex
	c, ok := m.cfg.ID.(Cookie)
	if auto, detects := m.cfg.ID.(AutoDetect); detects {
		c, ok = auto.Cookie, true // without TLS, it takes clients for such that keep no cookies
	}
	if !ok || c.Insecure || ex.Secure() || m.warned.Load() {
		return
	}
	if proto := ex.RequestHeader("X-Forwarded-Proto"); len(proto) > 0 && strings.EqualFold(proto[0], "https") {
		return
	}
	if m.warned.CompareAndSwap(false, true) {
		m.cfg.Logger.Warn("session: a Secure cookie was set on a request over plain http, which browsers drop " +
			"unless TLS ends in front of this service; for development set Config.ID to session.Cookie{Insecure: true}")
	}
}
