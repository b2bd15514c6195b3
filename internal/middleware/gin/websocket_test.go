package gin_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"
	session "github.com/sessionstate/sessionstate/core"
)

// TestM12_WebSocket: the reply to the upgrade has the cookie, and the
// connection does not keep the session.
func TestM12_WebSocket(t *testing.T) {
	for name, stored := range map[string]bool{"a new session": false, "a stored session": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, only)
			ended := make(chan struct{})
			s.engine.GET("/", func(c *gin.Context) {
				defer close(ended)
				sess := set(t, c, "upgraded")
				conn, err := websocket.Accept(c.Writer, c.Request, nil)
				if err != nil {
					t.Errorf("Accept: %v", err)
					return
				}
				defer conn.CloseNow()
				if err := note.Set(sess, "late"); !errors.Is(err, session.ErrReleased) {
					t.Errorf("Set after the upgrade: %v", err)
				}
				ctx := c.Request.Context()
				for {
					kind, text, err := conn.Read(ctx)
					if err != nil {
						return
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
