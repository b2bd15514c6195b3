package install

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	policy  = "usr/sbin/policy-rc.d"
	cluster = "etc/postgresql-common/createcluster.d/sessionstate.conf"
)

// apt is an apt-get that notes what it is asked for, and what is there then.
const apt = `#!/bin/sh
root=%ROOT%
echo "$DEBIAN_FRONTEND: $*" >>"$root/calls"
"$root/` + policy + `" || echo "policy: $?" >>"$root/calls"
cat "$root/` + cluster + `" >>"$root/calls"
case $* in
*update*) exit %UPDATE% ;;
*install*) [ %INSTALL% = 0 ] && touch "$root/thing"; echo "E: what apt says"; exit %INSTALL% ;;
esac
`

// TestEnsure_Installs: with apt-get, without starting a server or making
// databases, and the machine is as before then.
func TestEnsure_Installs(t *testing.T) {
	m, s := newMachine(t, "0", "0")
	var out strings.Builder
	if err := m.ensure(t.Context(), &out, s); err != nil {
		t.Fatal(err)
	}
	const there = "policy: 101\n" + notice + "create_main_cluster = false\n"
	want := "noninteractive: -qq -o DPkg::Lock::Timeout=300 update\n" + there +
		"noninteractive: -qq -o DPkg::Lock::Timeout=300 install -y --no-upgrade --no-install-recommends thing-server\n" + there
	if got := read(t, m, "calls"); got != want {
		t.Errorf("apt-get saw\n%s\nwant\n%s", got, want)
	}
	for _, file := range []string{policy, cluster, filepath.Dir(cluster)} {
		if _, err := os.Stat(filepath.Join(m.root, file)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v, want none", file, err)
		}
	}
	if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "installing Debian's package thing-server") {
		t.Errorf("it says %q", got)
	}
	out.Reset()
	if err := m.ensure(t.Context(), &out, s); err != nil || out.String() != "" || read(t, m, "calls") != want {
		t.Errorf("once more: %v; it says %q", err, out.String())
	}
}

// TestEnsure_KeepsRules: what an administrator has laid down stays.
func TestEnsure_KeepsRules(t *testing.T) {
	m, s := newMachine(t, "0", "0")
	const mine = "#!/bin/sh\nexit 104\n"
	write(t, filepath.Join(m.root, policy), mine)
	if err := m.ensure(t.Context(), new(strings.Builder), s); err != nil {
		t.Fatal(err)
	}
	if got := read(t, m, policy); got != mine {
		t.Errorf("the policy is %q now", got)
	}
	if got := read(t, m, "calls"); !strings.Contains(got, "policy: 104\n") {
		t.Errorf("apt-get saw\n%s", got)
	}
}

// TestEnsure_Update: lists that cannot be brought up to date are no reason not
// to try.
func TestEnsure_Update(t *testing.T) {
	m, s := newMachine(t, "100", "0")
	if err := m.ensure(t.Context(), new(strings.Builder), s); err != nil {
		t.Error(err)
	}
}

// TestEnsure_Fails: an error says what failed and what to do instead.
func TestEnsure_Fails(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	advice := []string{"no thing found", "apt-get install thing-server", "dnf install thing-fedora", "brew install thing-brew", "or set THING"}
	for _, c := range []struct {
		name    string
		ctx     context.Context
		update  string
		install string
		change  func(*machine)
		want    []string
	}{
		{"not root", t.Context(), "0", "0", func(m *machine) { m.uid = 1000 }, advice},
		{"no apt-get", t.Context(), "0", "0", func(m *machine) { m.path = "relative" }, advice},
		{"not Debian", t.Context(), "0", "0", func(m *machine) { os.Remove(filepath.Join(m.root, "etc/debian_version")) }, advice},
		{"a failure", t.Context(), "0", "100", func(*machine) {}, append(advice, "apt-get install: exit status 100", "what apt says")},
		{"two failures", t.Context(), "99", "100", func(*machine) {}, append(advice, "apt-get update: exit status 99", "apt-get install: exit status 100")},
		{"an ended context", ended, "0", "0", func(*machine) {}, append(advice, "enough")},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := newMachine(t, c.update, c.install)
			c.change(&m)
			err := m.ensure(c.ctx, new(strings.Builder), s)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
			for _, file := range []string{policy, cluster} {
				if _, err := os.Stat(filepath.Join(m.root, file)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s: %v, want none", file, err)
				}
			}
		})
	}

	t.Run("a package without the thing", func(t *testing.T) {
		m, s := newMachine(t, "0", "0")
		s.Find = func() error { return errors.New("no thing found") }
		if err := m.ensure(t.Context(), new(strings.Builder), s); err == nil || !strings.Contains(err.Error(), "although") {
			t.Errorf("%v", err)
		}
	})
}

// TestEnsure_Together: of several that miss the same thing, one installs it.
func TestEnsure_Together(t *testing.T) {
	m, s := newMachine(t, "0", "0")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := m.ensure(t.Context(), new(strings.Builder), s); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := read(t, m, "calls"); strings.Count(got, " install ") != 1 {
		t.Errorf("apt-get saw\n%s", got)
	}
}

// TestLock_Waits: as long as the context lets it.
func TestLock_Waits(t *testing.T) {
	m, _ := newMachine(t, "0", "0")
	unlock, err := m.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := m.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	unlock()
	if unlock, err = m.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	unlock()
}

// newMachine makes a Debian without the thing, whose apt-get ends with these
// codes.
func newMachine(t *testing.T, update, install string) (machine, Server) {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "etc/debian_version"), "12\n")
	write(t, filepath.Join(root, "run/utmp"), "")
	write(t, filepath.Join(root, "bin/apt-get"), strings.NewReplacer("%ROOT%", "'"+root+"'", "%UPDATE%", update, "%INSTALL%", install).Replace(apt))
	return machine{root: root, path: filepath.Join(root, "bin")}, Server{
		Name: "Thing", Debian: "thing-server", Fedora: "thing-fedora", Homebrew: "thing-brew", Instead: "set THING",
		Find: func() error {
			if _, err := os.Stat(filepath.Join(root, "thing")); err != nil {
				return errors.New("no thing found")
			}
			return nil
		},
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, m machine, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
