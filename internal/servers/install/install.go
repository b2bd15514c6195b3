// Package install gets servers that a machine lacks from its Debian packages,
// and says what to do where it cannot.
package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Server is what can be installed.
type Server struct {
	Name     string // as people call it
	Debian   string // the package of Debian and Ubuntu
	Fedora   string
	Homebrew string
	Instead  string // what one can do otherwise: "set SESSION_TEST_X to …"

	// Find returns an error if the server is not there.
	Find func() error
}

// machine is what Ensure deals with, so that tests can give it another one.
type machine struct {
	root string // "/"
	uid  int
	path string // PATH
}

// Ensure does nothing if the server is there. Otherwise it installs it, if this
// is Debian or the like and the user is root, and says so on w; or returns an
// error that tells how to get it.
func Ensure(ctx context.Context, w io.Writer, s Server) error {
	return machine{root: "/", uid: os.Getuid(), path: os.Getenv("PATH")}.ensure(ctx, w, s)
}

func (m machine) ensure(ctx context.Context, w io.Writer, s Server) error {
	missing := s.Find()
	if missing == nil {
		return nil
	}
	apt := m.aptGet()
	if m.uid != 0 || apt == "" {
		return fmt.Errorf("%w: %s", missing, s.advice())
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return fmt.Errorf("%w: wait for another installation: %w", missing, err)
	}
	defer unlock()
	if missing = s.Find(); missing == nil { // another process has just done it
		return nil
	}
	begin := time.Now()
	fmt.Fprintf(w, "servers: installing Debian's package %s, because there is no %s\n", s.Debian, s.Name)
	if err := m.install(ctx, apt, s.Debian); err != nil {
		return fmt.Errorf("%w, and installing it failed: %w\n%s", missing, err, s.advice())
	}
	fmt.Fprintf(w, "servers: installed %s in %.0f s\n", s.Debian, time.Since(begin).Seconds())
	if missing = s.Find(); missing != nil {
		return fmt.Errorf("%w, although Debian's package %s is installed: %s", missing, s.Debian, s.Instead)
	}
	return nil
}

// advice says how to get the server.
func (s Server) advice() string {
	return fmt.Sprintf("install %s (Debian, Ubuntu: apt-get install %s; Fedora: dnf install %s; macOS: brew install %s), or %s",
		s.Name, s.Debian, s.Fedora, s.Homebrew, s.Instead)
}

// aptGet returns the path of apt-get, "" if this is nothing like Debian.
func (m machine) aptGet() string {
	if _, err := os.Stat(filepath.Join(m.root, "etc/debian_version")); err != nil {
		return ""
	}
	for _, dir := range filepath.SplitList(m.path) {
		file := filepath.Join(dir, "apt-get")
		if info, err := os.Stat(file); err == nil && filepath.IsAbs(file) && info.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// lock lets one process at a time install.
func (m machine) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(m.root, "run/sessionstate-install.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-retry.C:
		}
	}
}

// notice is for whoever finds a file because this program was killed.
const notice = "# For the time of an installation by sessionstate's tests. Delete it.\n"

// install installs a package without what packages of servers do to a machine
// besides: no server is started, and PostgreSQL makes no databases. A package
// that is there already stays as it is.
func (m machine) install(ctx context.Context, apt, name string) (err error) {
	for _, f := range []struct {
		path, text string
		mode       os.FileMode
	}{
		{"usr/sbin/policy-rc.d", "#!/bin/sh\n" + notice + "exit 101\n", 0o755},
		{"etc/postgresql-common/createcluster.d/sessionstate.conf", notice + "create_main_cluster = false\n", 0o644},
	} {
		remove, failed := m.place(f.path, f.text, f.mode)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, remove()) }()
	}
	// An update may fail for reasons that do not matter: what the machine
	// knows already may do, and if not, both errors are told.
	update := m.run(ctx, apt, "update")
	if err := m.run(ctx, apt, "install", "-y", "--no-upgrade", "--no-install-recommends", name); err != nil {
		return errors.Join(update, err)
	}
	return nil
}

// place puts a file there, for as long as it takes. A file that is there stays:
// somebody else has made the rules.
func (m machine) place(path, text string, mode os.FileMode) (remove func() error, err error) {
	path = filepath.Join(m.root, path)
	dir := filepath.Dir(path)
	_, missing := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, os.ErrExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(f, text)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return func() error {
		err := os.Remove(path)
		if missing != nil {
			_ = os.Remove(dir) // fails if the package uses it, which is as well
		}
		return err
	}, nil
}

// run runs apt-get, in a group of its own, so that Ctrl-C does not tear an
// installation in two: it gets SIGINT from here, which it heeds while it
// downloads only.
func (m machine) run(ctx context.Context, apt string, args ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("it took more than ten minutes"))
	defer cancel()
	cmd := exec.CommandContext(ctx, apt, append([]string{"-qq", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, strings.Join(lines[max(0, len(lines)-10):], "\n"))
}
