package httpsession_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// upgrades are the two ways in which libraries upgrade a connection.
var upgrades = map[string]func(http.ResponseWriter) (net.Conn, error){
	// gorilla/websocket writes the reply, with the headers that it is given.
	"hijack": func(w http.ResponseWriter) (net.Conn, error) {
		return upgrade(w, w.Header())
	},
	"hijack by type": func(w http.ResponseWriter) (net.Conn, error) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return nil, err
		}
		return conn, writeUpgrade(conn, w.Header())
	},
	// coder/websocket has the server write it.
	"status 101": func(w http.ResponseWriter) (net.Conn, error) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, _, err := http.NewResponseController(w).Hijack()
		return conn, err
	},
}

func upgrade(w http.ResponseWriter, header http.Header) (net.Conn, error) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	return conn, writeUpgrade(conn, header)
}

func writeUpgrade(conn net.Conn, header http.Header) error {
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	header.Write(&b)
	_, err := io.WriteString(conn, b.String()+"\r\n")
	return err
}

// TestM12_UpgradeStoresAndReleases: while the connection is open, the session
// is stored, its cookie has arrived, and others can have it.
func TestM12_UpgradeStoresAndReleases(t *testing.T) {
	for name, upgrade := range upgrades {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			f := serve(t, func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				s := set(t, r, "stored")
				conn, err := upgrade(w)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				if err := note.Set(s, "late"); !errors.Is(err, session.ErrReleased) {
					t.Errorf("Set after the upgrade: %v", err)
				}
				if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrHijacked) {
					t.Errorf("Write after the upgrade: %v", err)
				}
				io.Copy(conn, io.LimitReader(conn, 4)) // echo
			})
			conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			br := bufio.NewReader(conn)
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 101 {
				t.Fatalf("got %v, %v", res, err)
			}
			f.id = sessionCookie(res)
			f.wantStored("stored")
			f.wantFree()
			io.WriteString(conn, "ping")
			echo := make([]byte, 4)
			if _, err := io.ReadFull(br, echo); err != nil || string(echo) != "ping" {
				t.Errorf("got %q, %v", echo, err)
			}
			await(t, done)
		})
	}
}

// TestM12_HijackOfAHeldReply: the headers that were written before go out
// before. (net/http loses a body that was not flushed, with and without us.)
func TestM12_HijackOfAHeldReply(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		set(t, r, "stored")
		w.Header().Set("Content-Length", "4")
		w.WriteHeader(202)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "more")
	})
	f.want(f.get(), 202, "more")
	f.wantStored("stored")
	f.wantFree()
}

func TestM13_HijackAfterAnErrorStatus(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		s := set(t, r, "lost")
		w.WriteHeader(500)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
		_ = s
	})
	f.seed("before")
	f.wantStored("before")
	f.wantFree()
}

// TestA3_FailedHijackLeavesTheReply: the base refuses, and the handler answers
// in another way.
func TestA3_FailedHijackLeavesTheReply(t *testing.T) {
	f := serve(t, nil)
	h := httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set(t, r, "stored")
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
		w.WriteHeader(http.StatusUpgradeRequired)
	}))
	f = serveOn(t, f.store, f.mgr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	}))
	f.want(f.get(), http.StatusUpgradeRequired, "")
	f.wantStored("stored")
}
