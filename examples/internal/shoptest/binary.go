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
	binary := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0", "-delay", "300ms")
	cmd.Env = append(os.Environ(), "SESSION_STORE=memory")
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal("it does not say its address:", err)
	}
	var url string
	if _, err := fmt.Sscanf(line, "shop: %s (Ctrl-C ends it)\n", &url); err != nil {
		t.Fatalf("the first line is %q", line)
	}
	url = strings.TrimSuffix(url, "/")

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{ExpectContinueTimeout: patience}
	defer transport.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: transport}
	res, err := client.Get(url + "/lab")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()

	// "100 Continue" says that the server has the request: that is when it is
	// told to end.
	trace := &httptrace.ClientTrace{Got100Continue: func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error("SIGTERM:", err)
		}
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), "POST", url+"/lab/update",
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
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "ending") {
		t.Errorf("at its end it says %q, %v", line, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error("the program's end:", err)
	}
}
