package fibersession

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	session "github.com/sessionstate/sessionstate/core"
)

// Fail answers a request that cannot have its session with the HTTP status
// that fits err, one of this project's errors. The handler returns what it
// returns:
//
//	s, err := fibersession.Acquire(c)
//	if err != nil {
//		return fibersession.Fail(c, err)
//	}
//
// What the handler has written so far is dropped, but for its cookies. Then
// the ErrorHandler that New was given answers. Without one, Fail returns an
// error for the app's ErrorHandler, which finds a *fiber.Error with the status
// in it by errors.As, and err by errors.Is; its text, which Fiber's default
// shows to the client, says nothing of err. Fail of nil is nil.
func Fail(c *fiber.Ctx, err error) error {
	if err == nil {
		return nil
	}
	r := requestOf(c)
	if timedOut(c) {
		answerTimedOut(reply(c), err)
		return nil
	}
	dropReply(c)
	if r == nil {
		return answer(c, err, nil)
	}
	return answer(c, err, r.handler)
}

// answer lets an ErrorHandler answer, and the default if it does nothing: a
// client must not take silence, which is an empty 200, for success.
func answer(c *fiber.Ctx, err error, handler func(*fiber.Ctx, error) error) error {
	if handler != nil && !errors.Is(err, session.ErrRedirect) {
		failed := handler(c, err)
		resp := c.Response()
		if failed != nil || resp.StatusCode() != fiber.StatusOK || resp.IsBodyStream() || len(resp.Body()) > 0 {
			return failed
		}
	}
	status, text := statusOf(err)
	prepare(&c.Response().Header, status)
	return &failure{shown: fiber.NewError(status, text), cause: err}
}

// answerTimedOut is answer for a reply that no ErrorHandler can reach.
func answerTimedOut(resp *fasthttp.Response, err error) {
	status, text := statusOf(err)
	resp.Reset()
	prepare(&resp.Header, status)
	resp.SetBodyString(text)
}

func statusOf(err error) (status int, text string) {
	status = session.HTTPStatus(err)
	if text = http.StatusText(status); text == "" {
		text = "Client Closed Request" // 499, the one that net/http has no name for
	}
	return status, text
}

// prepare sets what an error reply has besides its body.
func prepare(h *fasthttp.ResponseHeader, status int) {
	h.SetStatusCode(status) // should the handler not return the error
	h.Set(fiber.HeaderCacheControl, "no-store")
	if status == fiber.StatusTooManyRequests || status == fiber.StatusServiceUnavailable {
		h.Set(fiber.HeaderRetryAfter, session.RetryAfter)
	}
}

// failure is the error that Fail returns.
type failure struct {
	shown *fiber.Error // what the client may see
	cause error
}

// Error says what the client may see, since Fiber's default shows it.
func (f *failure) Error() string { return f.shown.Error() }

// Unwrap returns the *fiber.Error, and what was wrong.
func (f *failure) Unwrap() []error { return []error{f.shown, f.cause} }

// drop takes back the reply of a handler below, its cookies included.
func (r *request) drop() {
	dropReply(r.c)
	h := &r.c.Response().Header
	h.DelAllCookies()
	for _, line := range r.before {
		h.Add(fiber.HeaderSetCookie, line)
	}
}

// dropReply takes back the body, what was to be done with the connection, and
// the headers that say something of this one reply, so that they would be
// wrong on another. What middlewares outside have set for every reply stays.
func dropReply(c *fiber.Ctx) {
	c.Context().Hijack(nil)
	c.Context().HijackSetNoResponse(false)
	resp := c.Response()
	resp.ResetBody() // closes a stream
	resp.SkipBody = false
	h := &resp.Header
	h.SetStatusCode(fiber.StatusOK)
	var gone []string
	h.VisitAll(func(name, _ []byte) {
		if describes(name) {
			gone = append(gone, string(name))
		}
	})
	h.VisitAllTrailer(func(name []byte) { gone = append(gone, string(name)) })
	for _, name := range append(gone, fiber.HeaderContentLength, fiber.HeaderContentType) {
		h.Del(name)
	}
}

func describes(name []byte) bool {
	switch low := strings.ToLower(string(name)); low {
	case "etag", "last-modified", "location", "accept-ranges", "cache-control", "expires",
		"digest", "repr-digest", "trailer":
		return true
	default:
		return strings.HasPrefix(low, "content-") &&
			!strings.HasPrefix(low, "content-security-policy") // that is the site's
	}
}
