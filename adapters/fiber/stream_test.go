package fibersession_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
)

// TestM22_ServerSentEvents streams, after Release, while other requests of the
// session go on, which the stream tells of.
func TestM22_ServerSentEvents(t *testing.T) {
	const others = 20
	news := make(chan string)
	ended := make(chan error, 1)
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr))
		f.app.Get("/events", func(c *fiber.Ctx) error {
			s := set(t, c, "streaming")
			if err := s.Release(c.UserContext()); err != nil {
				return fibersession.Fail(c, err)
			}
			c.Set("Content-Type", "text/event-stream")
			c.Response().ImmediateHeaderFlush = true
			ctx := c.UserContext() // c itself must not be used in the stream
			c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
				if err := note.Set(s, "too late"); !errors.Is(err, session.ErrReleased) {
					t.Errorf("a released session: %v", err)
				}
				for text := range news {
					fmt.Fprintf(w, "data: %s\n\n", text)
					if err := w.Flush(); err != nil {
						t.Error(err)
					}
				}
				_, err := session.Acquire(ctx)
				ended <- err
			})
			return nil
		})
		f.app.Post("/add", func(c *fiber.Ctx) error {
			s, err := fibersession.Acquire(c)
			if err != nil {
				return fibersession.Fail(c, err)
			}
			if err := count.Update(s, func(n int) int { return n + 1 }); err != nil {
				return fibersession.Fail(c, err)
			}
			n, _ := count.Get(s)
			return c.SendString(fmt.Sprint(n))
		})
	})
	req := must(http.NewRequest("GET", f.url+"/events", http.NoBody))
	res, err := f.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	v := &client{fixture: f, id: reply{Response: res}.cookie(cookieName).Value}
	events := bufio.NewReader(res.Body)
	for i := range others {
		a := v.do("POST", "/add")
		v.want(a, 200, fmt.Sprint(i+1))
		news <- a.body
		line, err := events.ReadString('\n')
		if err != nil || line != "data: "+a.body+"\n" {
			t.Errorf("got the event %q, %v", line, err)
		}
		events.ReadString('\n')
	}
	close(news)
	if rest, err := io.ReadAll(events); len(rest) > 0 || err != nil {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	if err := await(t, ended); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("Acquire after the request's end: %v", err)
	}
	v.wantStored("streaming")
}

// TestA2_DroppedStream drops a reply whose stream has begun to be written: its
// writer must learn of it.
func TestA2_DroppedStream(t *testing.T) {
	ended := make(chan error, 1)
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr))
		f.app.Get("/", func(c *fiber.Ctx) error {
			set(t, c, "lost")
			c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
				for {
					if _, err := w.WriteString(strings.Repeat("held", 1<<10)); err != nil {
						ended <- err
						return
					}
				}
			})
			return nil
		})
	})
	v := f.returning("old")
	f.breakStore()
	v.want(v.get("/"), 503, "Service Unavailable")
	if await(t, ended) == nil {
		t.Error("the stream was not told")
	}
	v.wantStored("old")
}

// TestM12_Upgrade hands the connection over: the session is stored and
// released, and the cookie goes out with the 101, or nothing is handed over.
func TestM12_Upgrade(t *testing.T) {
	f := serve(t, fiber.Config{}, func(f *fixture) {
		f.app.Use(fibersession.New(f.mgr))
		f.app.Get("/ws", func(c *fiber.Ctx) error {
			set(t, c, "upgraded")
			c.Context().Hijack(func(conn net.Conn) { // ends at the client's end
				if _, err := io.Copy(conn, conn); err != nil {
					t.Error(err)
				}
			})
			c.Set("Upgrade", "websocket")
			c.Set("Connection", "Upgrade")
			return c.SendStatus(fiber.StatusSwitchingProtocols)
		})
	})
	ask := func(id string) (net.Conn, *bufio.Reader, reply) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: session=%s\r\n\r\n", id)
		br := bufio.NewReader(conn)
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		return conn, br, reply{Response: res}
	}
	conn, br, a := ask("")
	defer conn.Close()
	if a.StatusCode != 101 || a.cookie(cookieName) == nil {
		t.Fatalf("got %d with the headers %v", a.StatusCode, a.Header)
	}
	v := &client{fixture: f, id: a.cookie(cookieName).Value}
	v.wantStored("upgraded") // and free, while the connection lives
	fmt.Fprint(conn, "hello\n")
	if line, err := br.ReadString('\n'); line != "hello\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}

	f.breakStore()
	conn, br, a = ask("")
	defer conn.Close()
	body, err := io.ReadAll(io.LimitReader(br, a.ContentLength))
	if a.StatusCode != 503 || string(body) != "Service Unavailable" || err != nil {
		t.Fatalf("got %d %q, %v", a.StatusCode, body, err)
	}
	f.store.Reset()
	// It is still HTTP.
	fmt.Fprint(conn, "GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n")
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 404 {
		t.Errorf("the connection was handed over: %v", err)
	}
}
