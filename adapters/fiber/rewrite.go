package fibersession

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
)

// Rewrite returns the middleware that takes session IDs out of paths, for a
// Manager whose Config.ID is session.URI or session.AutoDetect; for others it
// does nothing. It is the first of the app, before loggers, recover and New:
//
//	app.Use(fibersession.Rewrite(sessions))
//
// At most other handlers that are used without a path may stand before it:
// Fiber goes on with the routes of the new path where it was in those of the
// old one.
//
// Behind it c.Path, c.OriginalURL and the Referer have no ID. On their way out,
// redirects to paths of this site get the client's ID, and replies a
// Referrer-Policy. For that, errors that the handlers return are answered here,
// by the app's ErrorHandler, and go up no further. Rewrite is for one Manager
// per request.
func Rewrite(mgr *session.Manager) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if !mgr.InPath() {
			return c.Next()
		}
		uri := c.Context().URI()
		target := string(uri.PathOriginal())
		if query := uri.QueryString(); len(query) > 0 {
			target += "?" + string(query)
		}
		p, ctx := mgr.BeginPath(c.UserContext(), pathExchange{c}, strings.Clone(c.Method()), string(uri.Host()), target)
		if p == nil {
			return c.Next()
		}
		c.SetUserContext(ctx)
		if p.Rewritten() {
			c.Request().SetRequestURI(p.Target())
			c.Path(p.Path())
		}
		h := &c.Request().Header
		if from := string(h.Referer()); from != "" {
			if clean := p.Referer(from); clean != from {
				h.SetReferer(clean)
			}
		}
		err := c.Next()
		if err != nil && !timedOut(c) {
			if c.App().ErrorHandler(c, err) != nil {
				_ = c.SendStatus(fiber.StatusInternalServerError) // never fails
			}
			err = nil
		}
		p.BeforeReply(reply(c).StatusCode())
		return err
	}
}

// pathExchange is a request and its reply as the core sees them ahead of the
// router.
type pathExchange struct{ c *fiber.Ctx }

func (e pathExchange) RequestHeader(name string) (values []string) {
	for _, v := range peek(e.c, name) {
		values = append(values, string(v)) // see exchange.RequestHeader
	}
	return values
}

func (e pathExchange) ReplyHeader(name string) []string { return replyHeader(e.c, name) }

func (e pathExchange) SetReplyHeader(name string, values ...string) {
	setReplyHeader(e.c, name, values)
}

func (e pathExchange) Secure() bool { return e.c.Secure() }
