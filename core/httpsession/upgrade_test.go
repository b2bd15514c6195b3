package httpsession_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// upgrades are the two ways in which libraries upgrade a connection.
var upgrades = map[string]func(http.ResponseWriter) (net.Conn, io.Reader, error){
	// gorilla/websocket writes the reply, with the headers that it is given.
	"hijack": func(w http.ResponseWriter) (net.Conn, io.Reader, error) {
		return upgrade(http.NewResponseController(w), w.Header())
	},
	"hijack by type": func(w http.ResponseWriter) (net.Conn, io.Reader, error) {
		return upgrade(w.(http.Hijacker), w.Header())
	},
	// coder/websocket has the server write it.
	"status 101": func(w http.ResponseWriter) (net.Conn, io.Reader, error) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		return conn, rw, err
	},
}

func upgrade(h http.Hijacker, header http.Header) (net.Conn, io.Reader, error) {
	conn, rw, err := h.Hijack()
	if err != nil {
		return nil, nil, err
	}
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	_ = header.Write(&b) // to memory
	_, err = io.WriteString(conn, b.String()+"\r\n")
	return conn, rw, err
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
				conn, in, err := upgrade(w)
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
				if _, err := io.CopyN(conn, in, 4); err != nil { // echo
					t.Error(err)
				}
			})
			conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			br := bufio.NewReader(conn)
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 101 {
				t.Fatalf("got %v, %v", res, err)
			}
			defer res.Body.Close()
			f.id = sessionCookie(res)
			f.wantStored("stored")
			f.wantFree()
			fmt.Fprint(conn, "ping")
			echo := make([]byte, 4)
			if _, err := io.ReadFull(br, echo); err != nil || string(echo) != "ping" {
				t.Errorf("got %q, %v", echo, err)
			}
			await(t, done)
		})
	}
}

// TestM12_Status101Releases: it needs no Hijack for that.
func TestM12_Status101Releases(t *testing.T) {
	f := serve(t, nil)
	f.seed("before")
	_, err := f.run(httptest.NewRecorder(), func(w http.ResponseWriter, r *http.Request) session.Outcome {
		s := set(t, r, "stored")
		w.WriteHeader(http.StatusSwitchingProtocols)
		if err := note.Set(s, "late"); !errors.Is(err, session.ErrReleased) {
			t.Errorf("Set after the status: %v", err)
		}
		f.wantStored("stored")
		f.wantFree()
		return session.Outcome{}
	}, nil)
	if err != nil {
		t.Error(err)
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
		fmt.Fprint(conn, "more")
	})
	f.want(f.get(), 202, "more")
	f.wantStored("stored")
	f.wantFree()
}

func TestM13_HijackAfterAnErrorStatus(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		set(t, r, "lost")
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(500)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
	})
	f.seed("before")
	f.want(f.get(), 500, "")
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
