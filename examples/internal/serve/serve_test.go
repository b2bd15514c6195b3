package serve

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

// running is a Run in the background.
type running struct {
	url    string
	stdout *bufio.Reader
	code   chan int
	end    context.CancelFunc
}

func start(t *testing.T, build Build, args ...string) *running {
	t.Helper()
	return startWith(t, none, build, args...)
}

func startWith(t *testing.T, getenv func(string) string, build Build, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	out, in := io.Pipe()
	t.Cleanup(func() { out.Close() })
	r := &running{stdout: bufio.NewReader(out), code: make(chan int, 1), end: cancel}
	go func() { // ends with ctx
		defer in.Close()
		r.code <- Run(ctx, args, getenv, in, t.Output(), build)
	}()
	line := r.line(t)
	url, ok := strings.CutPrefix(line, "shop: ")
	url, ok2 := strings.CutSuffix(url, " (Ctrl-C ends it)")
	if !ok || !ok2 {
		t.Fatalf("the first line is %q", line)
	}
	r.url = url
	return r
}

func (r *running) line(t *testing.T) string {
	t.Helper()
	line, err := r.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("no further line: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

func none(string) string { return "" }

var hits = session.NewKey[int]("hits")

// counting counts requests in the session; each says on began that it has the
// session, and goes on when it gets something from proceed.
func counting(began chan<- *session.Manager, proceed <-chan struct{}) Build {
	return func(sessions *session.Manager, _ *shop.Shop) Server {
		return HTTP(httpsession.New(sessions)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := httpsession.Acquire(r)
			if err != nil {
				httpsession.Fail(w, r, err)
				return
			}
			began <- sessions
			<-proceed
			if err := hits.Update(s, func(n int) int { return n + 1 }); err != nil {
				httpsession.Fail(w, r, err)
				return
			}
			io.WriteString(w, "done")
		})))
	}
}

func TestRunEndsAfterTheRequestsUnderWay(t *testing.T) {
	began, proceed := make(chan *session.Manager), make(chan struct{})
	r := start(t, counting(began, proceed), "-addr", "127.0.0.1:0")
	type answer struct {
		status int
		cookie string
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		res, err := http.Get(r.url)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		defer res.Body.Close()
		answers <- answer{res.StatusCode, res.Header.Get("Set-Cookie"), nil}
	}()
	sessions := <-began
	r.end()
	if line := r.line(t); !strings.Contains(line, "ending") {
		t.Errorf("at the end it says %q", line)
	}
	select {
	case code := <-r.code:
		t.Fatalf("Run returned %d with a request under way", code)
	default:
	}
	close(proceed)
	if a := <-answers; a.err != nil || a.status != http.StatusOK || a.cookie == "" {
		t.Errorf("the request under way was not saved: %+v", a)
	}
	if code := <-r.code; code != exitOK {
		t.Errorf("exit code %d, want %d", code, exitOK)
	}

	after := httptest.NewRecorder()
	counting(nil, nil)(sessions, nil).(*http.Server).Handler.ServeHTTP(after, httptest.NewRequest("GET", "/", nil))
	if after.Code != http.StatusServiceUnavailable {
		t.Errorf("the Manager was not closed: a request gets status %d", after.Code)
	}
}

func TestRunServesOthersOnlyASecureCookie(t *testing.T) {
	began, proceed := make(chan *session.Manager, 1), make(chan struct{})
	close(proceed)
	for addr, secure := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, "0.0.0.0:0": true} {
		r := start(t, counting(began, proceed), "-addr", addr)
		if secure {
			if line := r.line(t); !strings.Contains(line, "TLS") {
				t.Errorf("%s: it says %q", addr, line)
			}
		}
		res, err := http.Get(strings.ReplaceAll(r.url, "[::]", "127.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		<-began
		if cookie := res.Header.Get("Set-Cookie"); strings.Contains(cookie, "Secure") != secure {
			t.Errorf("%s: the cookie is %q", addr, cookie)
		}
		r.end()
		r.line(t)
		if code := <-r.code; code != exitOK {
			t.Errorf("%s: exit code %d", addr, code)
		}
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	strict := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer strict.Close()
	for _, c := range []struct {
		name  string
		args  []string
		store string
		code  int
		says  string
	}{
		{"a busy port", []string{"-addr", busy.Addr().String()}, "", exitFailed, "in use by another program"},
		{"no address", []string{"-addr", "nowhere"}, "", exitFailed, "cannot listen"},
		{"an unknown flag", []string{"-prot", "1"}, "", exitUsage, "-prot"},
		{"an argument", []string{"8080"}, "", exitUsage, `"8080"`},
		{"a negative delay", []string{"-delay", "-1s"}, "", exitUsage, "Delay"},
		{"an unknown store", nil, "paper", exitUsage, "SESSION_STORE is no store"},
		{"an unknown kind of store", nil, "mysql://user:secret@host/db", exitUsage, `begins with "mysql://"`},
		{"a store that is not there", nil, "postgres://user:secret@" + nobody(t) + "/db", exitUsage, "store unavailable"},
		{"an account without an endpoint", nil, "cosmos://AccountKey=secretsecret;", exitUsage, "no AccountEndpoint"},
		{"an account's key that is none", nil, "cosmos://AccountEndpoint=https://a.example/;AccountKey=secret!;", exitUsage, "the key is no base64"},
		{"an account that refuses the key", nil, "cosmos://AccountEndpoint=" + strict.URL + "/;AccountKey=secretsecret;", exitUsage, "401"},
		{"a call for help", []string{"-h"}, "", exitOK, "SESSION_STORE"},
		{"a call for help", []string{"-h"}, "", exitOK, "SESSION_TELEMETRY"},
	} {
		var stderr bytes.Buffer
		getenv := func(name string) string {
			if name == "SESSION_STORE" {
				return c.store
			}
			return ""
		}
		build := func(*session.Manager, *shop.Shop) Server {
			t.Errorf("%s: it serves", c.name)
			return &http.Server{}
		}
		code := Run(t.Context(), c.args, getenv, io.Discard, &stderr, build)
		if code != c.code || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%s: exit code %d, want %d and %q in:\n%s", c.name, code, c.code, c.says, &stderr)
		}
		if strings.Contains(stderr.String(), "secret") {
			t.Errorf("%s: it prints the password:\n%s", c.name, &stderr)
		}
	}
}

// nobody returns an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// deaf is a Server that cannot serve.
type deaf struct{ down chan struct{} }

func (d deaf) Serve(net.Listener) error       { return os.ErrPermission }
func (d deaf) Shutdown(context.Context) error { close(d.down); return nil }

func TestRunFailsWithItsServer(t *testing.T) {
	d := deaf{make(chan struct{})}
	var stderr bytes.Buffer
	code := Run(t.Context(), []string{"-addr", "127.0.0.1:0"}, none, io.Discard, &stderr,
		func(*session.Manager, *shop.Shop) Server { return d })
	if code != exitFailed || !strings.Contains(stderr.String(), "cannot serve: "+os.ErrPermission.Error()) {
		t.Errorf("exit code %d and:\n%s", code, &stderr)
	}
	select {
	case <-d.down:
	case <-time.After(time.Minute):
		t.Error("the server was not shut down")
	}
}
