package shoptest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

// RunBinary builds the program in the test's own folder, runs it, and ends it
// by SIGTERM in the middle of an update: the update is answered, and the
// program's exit code is 0.
func RunBinary(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	p := start(ctx, t, compile(t, "."), "memory", "-delay", "300ms")

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{ExpectContinueTimeout: patience}
	defer transport.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: transport}
	res, err := client.Get(p.url + "/lab")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()

	// "100 Continue" says that the server has the request: that is when it is
	// told to end.
	trace := &httptrace.ClientTrace{Got100Continue: func() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error("SIGTERM:", err)
		}
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), "POST", p.url+"/lab/update",
		strings.NewReader(encode("mode", "exclusive")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Expect", "100-continue")
	res, err = client.Do(r)
	if err != nil {
		t.Fatal("the update under way:", err)
	}
	defer res.Body.Close()
	var answer shop.LabAnswer
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK || answer.Count != 1 {
		t.Errorf("the update under way: status %d, %+v, %v", res.StatusCode, answer, err)
	}
	if line, err := p.stdout.ReadString('\n'); err != nil || !strings.Contains(line, "ending") {
		t.Errorf("at its end it says %q, %v", line, err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error("the program's end:", err)
	}
}

// program is an example that runs in a process of its own.
type program struct {
	url    string
	stdout *bufio.Reader
	cmd    *exec.Cmd
}

// compile builds the program in a folder and returns the binary.
func compile(t *testing.T, folder string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.Command("go", "build", "-o", binary, folder).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// start starts a binary, with a store, on a port of this machine. The program
// is killed when ctx ends.
func start(ctx context.Context, t *testing.T, binary, store string, args ...string) *program {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, append(args, "-addr", "127.0.0.1:0")...)
	cmd.Env = append(os.Environ(), "SESSION_STORE="+store)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{stdout: bufio.NewReader(stdout), cmd: cmd}
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatal("it does not say its address:", err)
	}
	if _, err := fmt.Sscanf(line, "shop: %s (Ctrl-C ends it)\n", &p.url); err != nil {
		t.Fatalf("the first line is %q", line)
	}
	p.url = strings.TrimSuffix(p.url, "/")
	return p
}
