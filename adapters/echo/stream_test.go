package echosession_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
)

// TestM12_ServerSentEvents: a handler that releases its session streams while
// other requests of the session go on.
func TestM12_ServerSentEvents(t *testing.T) {
	s := newSite(t, only)
	events, ended := make(chan string), make(chan struct{})
	s.echo.GET("/events", func(c echo.Context) error {
		defer close(ended)
		sess := set(t, c, "streaming")
		if err := sess.Release(c.Request().Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
		res := c.Response()
		res.Header().Set(echo.HeaderContentType, "text/event-stream")
		text, more := "begun", true
		for ; more; text, more = <-events {
			fmt.Fprintf(res, "data: %s\n\n", text)
			res.Flush()
		}
		return nil
	})
	s.echo.PUT("/", func(c echo.Context) error {
		set(t, c, c.Request().Header.Get("X-Note"))
		return c.String(http.StatusOK, "stored")
	})
	res := s.begin("GET", "/events") // a new session: its cookie comes with the headers
	defer res.Body.Close()
	if s.id == "" {
		t.Fatal("the stream began without the cookie")
	}
	lines := bufio.NewScanner(res.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if data != want {
					t.Errorf("got the event %q, want %q", data, want)
				}
				return
			}
		}
		t.Errorf("the stream ended, want the event %q", want)
	}
	next("begun")
	s.wantNote("streaming")
	for _, text := range []string{"one", "two", "three"} {
		s.want(s.do("PUT", "/", "X-Note", text), 200, "stored")
		s.wantNote(text)
		events <- text
		next(text)
	}
	close(events)
	await(t, ended)
	s.wantNote("three")
}

// TestM12_WebSocket: the reply to the upgrade has the cookie, and the
// connection does not keep the session.
func TestM12_WebSocket(t *testing.T) {
	for name, stored := range map[string]bool{"a new session": false, "a stored session": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, only)
			ended := make(chan struct{})
			s.echo.GET("/", func(c echo.Context) error {
				defer close(ended)
				sess := set(t, c, "upgraded")
				conn, err := websocket.Accept(c.Response(), c.Request(), nil)
				if err != nil {
					t.Errorf("Accept: %v", err)
					return nil
				}
				defer conn.CloseNow()
				if err := note.Set(sess, "late"); !errors.Is(err, session.ErrReleased) {
					t.Errorf("Set after the upgrade: %v", err)
				}
				ctx := c.Request().Context()
				for {
					kind, text, err := conn.Read(ctx)
					if err != nil {
						return nil
					}
					if err := conn.Write(ctx, kind, text); err != nil {
						t.Errorf("Write: %v", err)
					}
				}
			})
			if stored {
				s.seed("old")
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			header := http.Header{}
			if stored {
				header.Set("Cookie", "session="+s.id)
			}
			conn, res, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{HTTPHeader: header}) //nolint:bodyclose // the connection closes it
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			s.learn(res)
			s.wantNote("upgraded")
			s.seed("while it is open")
			if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, text, err := conn.Read(ctx); string(text) != "hello" || err != nil {
				t.Errorf("got %q, %v", text, err)
			}
			conn.Close(websocket.StatusNormalClosure, "")
			await(t, ended)
			s.wantNote("while it is open")
		})
	}
}

func TestA3_HijackOverHTTP2(t *testing.T) {
	s := newBareSite(t)
	s.echo.Use(echosession.New(s.mgr))
	s.echo.GET("/", func(c echo.Context) error {
		set(t, c, "new")
		if _, _, err := c.Response().Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		return c.String(http.StatusOK, c.Request().Proto)
	})
	srv := httptest.NewUnstartedServer(s.echo)
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{}
	srv.StartTLS()
	defer srv.Close()
	s.url, s.client = srv.URL, srv.Client()
	s.want(s.do("GET", "/"), 200, "HTTP/2.0")
	s.wantNote("new")
}
