package fibersession_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

type userKey struct{}

// TestA5_UserContext proves that the user context is put back, and that one
// that a handler has put there is not lost to the middlewares outside.
func TestA5_UserContext(t *testing.T) {
	mine := context.WithValue(context.Background(), userKey{}, "mine")
	left := make(chan context.Context, 1)
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(func(c *fiber.Ctx) error {
			c.SetUserContext(mine)
			err := c.Next()
			left <- c.UserContext()
			return err
		}, fibersession.New(f.mgr))
		f.app.Get("/", func(c *fiber.Ctx) error {
			set(t, c, "stored")
			if c.UserContext().Value(userKey{}) != "mine" {
				t.Error("what was in the user context is not in the session's")
			}
			return nil
		})
		f.app.Get("/user", func(c *fiber.Ctx) error {
			c.SetUserContext(context.WithValue(c.UserContext(), userKey{}, "the handler's"))
			set(t, c, "stored")
			return nil
		})
	})
	v := &client{fixture: f}
	v.wantCookie(v.get("/"), true)
	if after := await(t, left); after != mine {
		t.Error("the user context is not put back")
	}
	v = &client{fixture: f}
	v.wantCookie(v.get("/user"), true)
	after := await(t, left)
	if after.Value(userKey{}) != "the handler's" {
		t.Error("the handler's user context is lost")
	}
	if s, err := session.Acquire(after); s != nil || !errors.Is(err, session.ErrNoSession) {
		t.Errorf("M22: Acquire at the request's end: %v, %v", s, err)
	}
}

// TestSkip leaves requests alone.
func TestSkip(t *testing.T) {
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr, fibersession.Options{Skip: func(c *fiber.Ctx) bool { return c.Path() == "/skipped" }}))
		f.app.Get("/*", func(c *fiber.Ctx) error {
			_, err := fibersession.Acquire(c)
			if err != nil {
				return fibersession.Fail(c, err)
			}
			return c.SendString("acquired")
		})
	})
	v := &client{fixture: f}
	v.want(v.get("/skipped"), 500, "Internal Server Error")
	v.want(v.get("/other"), 200, "acquired")
}

// TestA1_Routing installs the middleware where apps do: for all, for a group,
// for one route, in a mounted app, and where routing begins anew.
func TestA1_Routing(t *testing.T) {
	f := serve(t, fiber.Config{}, func(f *fixture) {
		mw := fibersession.New(f.mgr)
		store := func(c *fiber.Ctx) error {
			set(t, c, "stored")
			return c.SendString("done")
		}
		f.app.Get("/route", mw, store)
		f.app.Group("/group", mw).Get("/", store)
		sub := fiber.New()
		sub.Use(mw)
		sub.Get("/", store)
		f.app.Mount("/mounted", sub)
		f.app.Get("/again", mw, func(c *fiber.Ctx) error {
			set(t, c, "again")
			c.Path("/route")
			return c.RestartRouting()
		})
	})
	for _, path := range []string{"/route", "/group", "/mounted", "/again"} {
		v := &client{fixture: f}
		a := v.get(path)
		v.want(a, 200, "done")
		v.wantCookie(a, true)
		v.wantStored("stored")
	}
}

// TestA8_RawHeaders presents the cookie as servers and proxies may, with
// headers that Fiber leaves as they are and such that it has parsed before.
func TestA8_RawHeaders(t *testing.T) {
	for _, cfg := range []fiber.Config{{}, {DisableHeaderNormalizing: true}, {Immutable: true}} {
		f := serve(t, cfg, func(f *fixture) {
			f.app.Use(func(c *fiber.Ctx) error {
				if c.Path() == "/parsed" {
					c.Cookies("other")
				}
				return c.Next()
			}, fibersession.New(f.mgr))
			f.app.Get("/*", fibersession.Require(session.Snapshot), func(c *fiber.Ctx) error {
				text, err := note.Get(fibersession.From(c))
				if err != nil {
					return fibersession.Fail(c, err)
				}
				return c.SendString(text)
			})
		})
		id := f.returning("old").id
		for _, header := range []http.Header{
			{"Cookie": {"session=" + id}},
			{"cookie": {"session=" + id}},
			{"Cookie": {"a=b; session=" + id + "; c=d"}},
			{"Cookie": {"a=b", "session=" + id}},
			{"Cookie": {"session=" + id, "a=b"}},
			{"Cookie": {`session="` + id + `"`}},
			{"Cookie": {"session=short; =; ;;x; session=" + id}},
			{"Cookie": {"session=" + id + ";"}},
		} {
			for _, path := range []string{"/", "/parsed"} {
				req := must(http.NewRequest("GET", f.url+path, http.NoBody))
				req.Header = header
				res, err := f.http.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if res.ContentLength != 3 {
					t.Errorf("%v, %s: the cookie was not read", header, path)
				}
				res.Body.Close()
			}
		}
	}
}

// TestM21_NeverAcquires proves what a request that does not acquire costs.
func TestM21_NeverAcquires(t *testing.T) {
	const most = 3 // DESIGN 11
	serve(t, fiber.Config{}, func(f *fixture) {
		bare, with := fiber.New(), fiber.New()
		with.Use(fibersession.New(f.mgr))
		for _, app := range []*fiber.App{bare, with} {
			app.Get("/", func(c *fiber.Ctx) error { return c.SendString("ok") })
		}
		for _, id := range []string{"", f.returning("old").id} {
			cost := func(app *fiber.App) float64 {
				h, ctx := app.Handler(), requestFor(t, id)
				return testing.AllocsPerRun(1000, func() {
					ctx.Response.Reset()
					ctx.ResetUserValues()
					h(ctx)
				})
			}
			if got := cost(with) - cost(bare); got > most {
				t.Errorf("a request with the ID %q costs %v allocations, want at most %d", id, got, most)
			}
		}
	})
}

// TestA8_NoMemoryOfAnotherRequest sends the requests of many clients over few
// connections, whose memory fasthttp uses again and again.
func TestA8_NoMemoryOfAnotherRequest(t *testing.T) {
	const connections, clients, rounds = 8, 25, 50 // 10 000 requests
	var ids sync.Map                               // what handlers were given, by session, as the strings they were
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr))
		f.app.Post("/count", func(c *fiber.Ctx) error {
			s, err := fibersession.Acquire(c)
			if err != nil {
				return fibersession.Fail(c, err)
			}
			if err := count.Update(s, func(n int) int { return n + 1 }); err != nil {
				return fibersession.Fail(c, err)
			}
			if owner, _ := note.Get(s); owner != c.Get("X-Who") {
				t.Errorf("%s got the session of %s", c.Get("X-Who"), owner)
			}
			ids.Store(s, s.ID())
			return c.SendString(c.Get("X-Who"))
		})
	}, func(cfg *session.Config) { cfg.SaveTimeout = 0 })
	f.http.Transport.(*http.Transport).MaxConnsPerHost = connections
	var wg sync.WaitGroup
	all := make([]*client, connections*clients)
	for i := range connections {
		wg.Go(func() {
			mine := all[i*clients : (i+1)*clients]
			for j := range mine {
				mine[j] = f.returning(who(i, j))
			}
			for range rounds {
				for j, v := range mine {
					id := v.id
					a := v.do("POST", "/count", "X-Who", who(i, j))
					v.want(a, 200, who(i, j))
					if v.id != id || len(a.Cookies()) != 0 {
						t.Errorf("%s got the cookies %v", who(i, j), a.Cookies())
					}
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	ids.Range(func(_, id any) bool {
		seen[id.(string)]++
		return true
	})
	for i, v := range all {
		if seen[v.id] != rounds {
			t.Errorf("client %d: handlers were given its ID %d times, want %d", i, seen[v.id], rounds)
		}
		d := sessionOf(f.mgr, v.id)
		s, err := f.mgr.Acquire(d, session.Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := count.Get(s); n != rounds {
			t.Errorf("client %d: counted %d, want %d", i, n, rounds)
		}
		d.end()
	}
}

func who(i, j int) string { return "client " + string(rune('a'+i)) + string(rune('a'+j)) }
