package cosmos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/servers/process/processtest"
)

// helper makes the test binary the process that starts a server.
const helper = "SESSION_TEST_COSMOS_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helper) == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background(), io.Discard)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.cmd.Process.Pid)
	<-time.After(time.Minute) // to be killed before
}

func newTestServer(t *testing.T) *Server {
	t.Helper()
	if err := Find(); err != nil && os.Getenv("SESSION_TEST_REQUIRE") != "1" {
		t.Skip(err)
	}
	s, err := Start(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// send returns the status and the sub-status of an answer.
func send(t *testing.T, s *Server, method, path, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-ms-documentdb-partitionkey", `["one"]`)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("x-ms-substatus")
}

// TestAnswersLikeTheService: what server.js puts right, and what a condition
// does.
func TestAnswersLikeTheService(t *testing.T) {
	s := newTestServer(t)
	const docs = "dbs/d/colls/c/docs"
	patch := func(condition string) string {
		return `{"condition":"from c where ` + condition + `","operations":[{"op":"incr","path":"/n","value":1}]}`
	}
	for _, step := range []struct {
		what, method, path, body string
		status                   int
		substatus                string
	}{
		{"no database", "GET", "dbs/d", "", 404, ""},
		{"make it", "POST", "dbs", `{"id":"d"}`, 201, ""},
		{"no container", "GET", "dbs/d/colls/c", "", 404, "1003"},
		{"no container for a document", "PATCH", docs + "/one", patch("c.n = 1"), 404, "1003"},
		{"make it", "POST", "dbs/d/colls", `{"id":"c","partitionKey":{"paths":["/id"],"kind":"Hash"}}`, 201, ""},
		{"no document", "GET", docs + "/one", "", 404, ""},
		{"no document to patch", "PATCH", docs + "/one", patch("c.n = 1"), 404, ""},
		{"make it", "POST", docs, `{"id":"one","n":1,"token":"ab12","at":1700000000000}`, 201, ""},
		{"again", "POST", docs, `{"id":"one"}`, 409, ""},
		{"read it", "GET", docs + "/one", "", 200, ""},
		{"true", "PATCH", docs + "/one", patch("c.token = 'ab12' and c.at + 1 > 1700000000000"), 200, ""},
		{"false token", "PATCH", docs + "/one", patch("c.token = 'ab13' and c.at + 1 > 1700000000000"), 412, ""},
		{"false time", "PATCH", docs + "/one", patch("c.token = 'ab12' and c.at + 1 > 1700000000001"), 412, ""},
		{"changed once", "PATCH", docs + "/one", patch("c.n = 2"), 200, ""},
		{"false now", "PATCH", docs + "/one", patch("c.n = 2"), 412, ""},
		{"too much", "POST", docs, `{"id":"two","x":"` + strings.Repeat("x", 2<<20) + `"}`, 413, ""},
	} {
		if status, substatus := send(t, s, step.method, step.path, step.body); status != step.status || substatus != step.substatus {
			t.Errorf("%s: %s %s: %d %q, want %d %q", step.what, step.method, step.path, status, substatus, step.status, step.substatus)
		}
	}
}

func TestClose(t *testing.T) {
	s := newTestServer(t)
	pid := s.cmd.Process.Pid
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	processtest.Gone(t, pid)
}

// TestEndsWithItsParent: it does so even if the parent is killed.
func TestEndsWithItsParent(t *testing.T) {
	newTestServer(t) // installs what there is to install
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), helper+"=1")
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	_ = parent.Process.Signal(syscall.SIGKILL)
	_ = parent.Wait()
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatalf("the server did not start: %s", line)
	}
	processtest.Gone(t, pid)
}

func TestStart_EndsWithItsContext(t *testing.T) {
	newTestServer(t)
	why := errors.New("never mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if s, err := Start(ctx, io.Discard); err == nil { // it may have been faster
		s.Close()
	} else if !errors.Is(err, why) {
		t.Errorf("Start: %v", err)
	}
}
