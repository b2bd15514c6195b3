package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/servers/process/processtest"
)

// childVariable turns the test program into the parent that dies.
const childVariable = "PROCESS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// child starts a server, says where, and waits for its death.
func child() {
	f, err := NewFolder("process-test", syscall.SIGTERM)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := f.Start("sleep", "300")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.cmd.Process.Pid, f.guard.Process.Pid, f.Path())
	select {}
}

// TestDiesWithItsParent: whoever is killed first, the server does not survive.
func TestDiesWithItsParent(t *testing.T) {
	t.Run("parent", func(t *testing.T) {
		parent, server, guard, folder := family(t)
		kill(t, parent)
		processtest.Gone(t, server)
		processtest.Gone(t, guard)
		processtest.Deleted(t, folder)
	})
	t.Run("guard, then parent", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("only Linux tells a server that its parent has died")
		}
		parent, server, guard, folder := family(t)
		defer os.RemoveAll(folder)
		kill(t, guard)
		processtest.Gone(t, guard)
		if !processtest.Runs(server) {
			t.Error("the server died with its guard")
		}
		kill(t, parent)
		processtest.Gone(t, server)
	})
}

// family starts a parent, which starts a server and its guard.
func family(t *testing.T) (parent, server, guard int, folder string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscan(line, &server, &guard, &folder); err != nil {
		t.Fatalf("the child says %q: %v", line, err)
	}
	return cmd.Process.Pid, server, guard, folder
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestRemove: the folder's server ends, and the folder is gone.
func TestRemove(t *testing.T) {
	f := newFolder(t)
	p, err := f.Start("sh", "-c", "echo ready; exec sleep 300")
	if err != nil {
		t.Fatal(err)
	}
	if !processtest.Until(func() bool { return p.Log() == "ready" }) {
		t.Fatalf("the log is %q", p.Log())
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	processtest.Gone(t, f.guard.Process.Pid)
	if _, err := os.Stat(f.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v, want none", err)
	}
	if err := f.Remove(); err != nil {
		t.Errorf("once more: %v", err)
	}
	if _, err := f.Start("sleep", "300"); err == nil {
		t.Error("started a server in a removed folder")
	}
}

// TestRemove_LeavesStrangersAlone: the guard forgets the ID of a server that has
// ended, which is soon another's.
func TestRemove_LeavesStrangersAlone(t *testing.T) {
	f := newFolder(t)
	p, err := f.Start("sleep", "300")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stranger := exec.Command("sleep", "300")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stranger.Process.Kill()
		stranger.Wait()
	}()
	// What the guard was told last must be "": had it been told nothing
	// after this line, it would end the stranger.
	if err := f.tell(strconv.Itoa(stranger.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	if p, err = f.Start("true"); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if !processtest.Runs(stranger.Process.Pid) {
		t.Error("the guard ended a stranger")
	}
}

// TestStop_Stubborn: a server that does not heed the signal is killed.
func TestStop_Stubborn(t *testing.T) {
	f := newFolder(t)
	p, err := f.Start("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
	if err != nil {
		t.Fatal(err)
	}
	if !processtest.Until(func() bool { return p.Log() == "ready" }) {
		t.Fatalf("the log is %q", p.Log())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx, syscall.SIGTERM); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop: %v, want the deadline", err)
	}
	processtest.Gone(t, p.cmd.Process.Pid)
}

func TestRun(t *testing.T) {
	f := newFolder(t)
	t.Setenv("PGHOST", "elsewhere")
	t.Setenv("SESSION_TEST_POSTGRES", "elsewhere")
	if err := f.Run(t.Context(), "sh", "-c", `test -z "$PGHOST$SESSION_TEST_POSTGRES" && test "$PWD" = "$HOME"`); err != nil {
		t.Errorf("the environment: %v", err)
	}
	if err := f.Run(t.Context(), "sh", "-c", "touch mine && test $(id -u) != 0"); err != nil {
		t.Errorf("the user: %v", err)
	}
	err := f.Run(t.Context(), "sh", "-c", "echo what is wrong >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "what is wrong") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a failure: %v, want its words and its code", err)
	}
	if err := f.Run(t.Context(), f.Path("missing")); err == nil {
		t.Error("a missing program: no error")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if err := f.Run(ctx, "sleep", "300"); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("an ended context: %v, want its cause", err)
	}
}

// TestEnters: what root has made for itself alone is no place for a server.
func TestEnters(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755) // so that it can be deleted
	other := &syscall.Credential{Uid: uint32(os.Getuid()) + 1}
	me := &syscall.Credential{Uid: uint32(os.Getuid())}
	for _, c := range []struct {
		mode      os.FileMode
		other, me bool
	}{{0o700, false, true}, {0o711, true, true}, {0o755, true, true}, {0o655, true, false}} {
		if err := os.Chmod(dir, c.mode); err != nil {
			t.Fatal(err)
		}
		for _, as := range []struct {
			*syscall.Credential
			want bool
		}{{me, c.me}, {other, c.other}} {
			want := as.want && enters(as.Credential, filepath.Dir(dir))
			if got := enters(as.Credential, inner); got != want {
				t.Errorf("user %d, mode %v: %v, want %v", as.Uid, c.mode, got, want)
			}
		}
	}
	if enters(me, filepath.Join(dir, "missing")) {
		t.Error("entered a missing folder")
	}
}

func TestFreePort(t *testing.T) {
	for range 50 {
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if port < 20000 || port >= 32000 {
			t.Fatalf("port %d is one that outgoing connections may have", port)
		}
	}
}

func newFolder(t *testing.T) *Folder {
	t.Helper()
	f, err := NewFolder("process-test", syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
	})
	return f
}
