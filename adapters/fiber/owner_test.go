package fibersession_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

// TestA8_OwnerOfARequest: an owner that comes from the request stays what it is
// when fasthttp uses the request's memory for the next one. OnEnd hears of it
// long after.
func TestA8_OwnerOfARequest(t *testing.T) {
	over, heard := make(chan struct{}), make(chan session.Ended, 1)
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr))
		f.app.Post("/", func(c *fiber.Ctx) error {
			s, err := fibersession.Acquire(c)
			if err == nil {
				err = errors.Join(note.Set(s, "x"), s.SetOwner(c.Get("X-Who")), s.Save(c.UserContext()), s.Abandon())
			}
			return fibersession.Fail(c, err)
		})
		f.app.Get("/", func(c *fiber.Ctx) error { return c.SendString(c.Get("X-Who")) })
	}, func(cfg *session.Config) {
		cfg.ReapInterval = 0
		cfg.OnEnd = func(ctx context.Context, e session.Ended) error {
			select {
			case <-over:
				heard <- e
			case <-ctx.Done():
			}
			return nil
		}
	})
	v := &client{fixture: f}
	v.want(v.do("POST", "/", "X-Who", "alice"), 200, "")
	v.want(v.get("/", "X-Who", "mallo"), 200, "mallo")
	close(over)
	if e := await(t, heard); e.Owner != "alice" {
		t.Errorf("the session that ended was of %q", e.Owner)
	}
}
