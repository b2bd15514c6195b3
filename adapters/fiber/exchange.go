package fibersession

import (
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// exchange is a request as the core sees it.
type exchange request

// RequestHeader copies what it returns: fasthttp parses the next request of
// the connection into the same memory (A8).
func (e *exchange) RequestHeader(name string) []string {
	values := e.one[:0] // in place: most headers come once
	for _, v := range peek(e.c, name) {
		values = append(values, string(v))
	}
	return values
}

// peek returns the values of a request header, in fasthttp's memory.
func peek(c *fiber.Ctx, name string) [][]byte {
	if timedOut(c) {
		return nil // a goroutine that was left behind may be reading the request
	}
	h := &c.Request().Header
	raw := h.PeekAll(name)
	if len(raw) == 0 {
		// Proxies send lower case, and an app with DisableHeaderNormalizing
		// keeps that.
		raw = h.PeekAll(lower(name))
	}
	return raw
}

func lower(name string) string {
	if name == fiber.HeaderCookie {
		return "cookie"
	}
	return strings.ToLower(name)
}

func (e *exchange) ReplyHeader(name string) []string { return replyHeader(e.c, name) }

func replyHeader(c *fiber.Ctx, name string) []string {
	h := &reply(c).Header
	if name == fiber.HeaderSetCookie {
		return cookies(h) // PeekAll would make one line of them
	}
	var values []string
	for _, v := range h.PeekAll(name) {
		values = append(values, string(v))
	}
	return values
}

func (e *exchange) SetReplyHeader(name string, values ...string) {
	e.told = true
	setReplyHeader(e.c, name, values)
}

func setReplyHeader(c *fiber.Ctx, name string, values []string) {
	h := &reply(c).Header
	h.Del(name)
	for _, v := range values {
		h.Add(name, v)
	}
}

func (e *exchange) Secure() bool { return e.c.Secure() }

// reply returns what is going to be sent: the reply of the context, unless
// that has been given up.
func reply(c *fiber.Ctx) *fasthttp.Response {
	if r := c.Context().LastTimeoutErrorResponse(); r != nil {
		return r
	}
	return c.Response()
}

// timedOut reports whether fasthttp is going to send a reply of its own, by
// RequestCtx.TimeoutError: then whoever was too late may still be using the
// request and its reply.
func timedOut(c *fiber.Ctx) bool { return c.Context().LastTimeoutErrorResponse() != nil }

// cookies returns the Set-Cookie lines of a reply.
func cookies(h *fasthttp.ResponseHeader) (lines []string) {
	h.VisitAllCookie(func(_, line []byte) { lines = append(lines, string(line)) })
	return lines
}
