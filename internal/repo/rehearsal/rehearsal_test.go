package rehearsal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"golang.org/x/mod/module"
)

const p = publish.Prefix

// TestRun: a repository that its users can follow passes, and every program of
// its READMEs is run.
func TestRun(t *testing.T) {
	t.Parallel()
	log, err := rehearse(t, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"packed " + p + "core@v0.1.0", "packed " + p + "adapters/mux@v0.1.0", "packed " + p + "providers/file@v0.1.0",
		"core is complete on its own", "adapters/mux is complete on its own", "providers/file is complete on its own",
		"walked with adapters/mux: 1 of 1 programs ran",
		"walked with adapters/mux and providers/file: 2 of 2 programs ran",
		"walked with README.md: 1 of 1 programs ran",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

// TestRun_Refuses breaks the repository in the ways that work within its
// workspace, or that only its READMEs' readers notice.
func TestRun_Refuses(t *testing.T) {
	t.Parallel()
	const mod, readme, code = "adapters/mux/go.mod", "adapters/mux/README.md", "adapters/mux/mux.go"
	for _, c := range []struct {
		name  string
		edit  edit
		exact string
		want  string
	}{
		{"a replace", insert(mod, "\nreplace example.com/mux => ../../../mux\n"), "", "adapters/mux: its go.mod replaces example.com/mux"},
		{"an exclude", insert(mod, "\nexclude example.com/base v1.1.0\n"), "", "adapters/mux: its go.mod excludes example.com/base"},
		{"another name", swap(mod, p+"adapters/mux\n", p+"adapters/mox\n"), "", "adapters/mux: its go.mod calls it " + p + "adapters/mox"},
		{"a module that is not released", insert(mod, "\nrequire "+p+"internal/aid v0.0.0\n"), "", "adapters/mux: its go.mod requires " + p + "internal/aid, which is not released"},
		{"a missing require of core", swap(mod, "\t"+p+"core v0.1.0\n", ""), "", "adapters/mux, as it is packed and on its own: go build ./...: exit status 1"},
		{"a missing require of another", swap(mod, "\texample.com/mux v1.0.0\n", ""), "", "cannot find module providing package example.com/mux"},
		{"a missing sum", func(root string) error { return os.Remove(filepath.Join(root, "adapters/mux/go.sum")) }, "", "missing go.sum entry"},
		{"a require too many", insert(mod, "\nrequire example.com/extra v1.0.0\n"), "", "go mod tidy -diff"},
		{"an import of internal code", swap(code, `session "`, "_ \""+p+"internal/aid\"\n\tsession \""), "", "cannot find module providing package " + p + "internal/aid"},
		{"sums that a release has to write", nil, "adapters/mux", "adapters/mux: its go.mod and go.sum do not require " + p + "core@v0.1.0 with the sums"},

		{"no README", func(root string) error { return os.Remove(filepath.Join(root, readme)) }, "", "there is no adapters/mux/README.md"},
		{"a README without go get", swap(readme, "go get", "get"), "", `adapters/mux/README.md does not say how to get the module`},
		{"a README that gets less than it needs", swap(readme, "\t\"example.com/mux", "\t_ \"example.com/extra\"\n\t\"example.com/mux"), "", `the lines "go get" of the README do not name all that its programs need`},
		{"a program that does not compile", swap(readme, "muxsession.Count()", "muxsession.Number()"), "", "adapters/mux/README.md:19: undefined: muxsession.Number"},
		{"a program that vet refuses", swap(readme, "muxsession.Count()", "muxsession.Count()\n\tmemory.Last = memory.Last"), "", "self-assignment"},
		{"a program that is not formatted", swap(readme, "os.Exit(1)", "os.Exit( 1 )"), "", "adapters/mux/README.md:8: this code is not formatted"},
		{"a program that fails", swap(readme, "!= mux.Routes()+1", "!= mux.Routes()"), "", "adapters/mux/README.md:8: the program failed: exit status 1"},
		{"a front page that does not compile", swap("README.md", "session.Count(1)", "session.Count()"), "", "a user of README.md: go build"},

		{"another framework comes along", all(
			swap(code, `session "`, "_ \"example.com/extra\"\n\tsession \""), requireExtra), "",
			"adapters/mux imports example.com/extra, which docs/dependencies.md does not list"},
		{"a test raises what the framework needs", all(
			place("adapters/mux/mux_test.go", "package muxsession\n\nimport _ \"example.com/extra\"\n"), requireExtra), "",
			"example.com/base comes at v1.1.0, and in a program that uses only example.com/mux at v1.0.0"},
		{"a test needs what is not listed", all(
			place("adapters/mux/mux_test.go", "package muxsession\n\nimport _ \"example.com/extra\"\n"), requireExtra), "",
			"example.com/extra is added to the module graph of its programs, and docs/dependencies.md does not list it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			log, err := rehearse(t, c.edit, c.exact, "core", "adapters/mux")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant an error with %s\nlog:\n%s", err, c.want, log)
			}
		})
	}
}

// rehearse rehearses a release of these modules, or of all, of the tree in
// testdata after an edit. It uses no network.
func rehearse(t *testing.T, change edit, exact string, dirs ...string) (log string, err error) {
	t.Helper()
	root, others := t.TempDir(), publish.Proxy(t.TempDir())
	if err := os.CopyFS(root, os.DirFS("testdata/tree")); err != nil {
		t.Fatal(err)
	}
	if err := addOthers(others, filepath.Join(root, "adapters/mux"), map[string]string{"mux": "v1.0.0", "base": "v1.0.0"}); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		if err := change(root); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Tree(t.Context(), root, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) > 0 {
		var chosen []publish.Module
		for _, m := range cfg.Modules {
			for _, dir := range dirs {
				if m.Dir == dir {
					chosen = append(chosen, m)
				}
			}
		}
		cfg.Modules = chosen
	}
	if exact != "" {
		cfg.Exact = []string{exact}
	}
	var b strings.Builder
	cfg.Log = func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	cfg.Proxies = []string{others.URL()}
	cfg.Unchecked = []string{"example.com"}
	cfg.Servers = map[string]string{"COUNT_FILE": "here"}
	cfg.Missing = func(_, variable string) error { return errors.New("no " + variable) }
	err = Run(t.Context(), cfg)
	return b.String(), err
}

// addOthers packs the modules of others that the tree requires or may come to
// require, and has the dependant, if it requires them, do so at these versions.
func addOthers(proxy publish.Proxy, dependant string, versions map[string]string) error {
	for _, o := range []struct{ folder, name, version string }{
		{"mux", "mux", "v1.0.0"},
		{"base-v1.0.0", "base", "v1.0.0"},
		{"base-v1.1.0", "base", "v1.1.0"},
		{"extra", "extra", "v1.0.0"},
	} {
		m := module.Version{Path: "example.com/" + o.name, Version: o.version}
		sums, err := proxy.Add(m, filepath.Join("testdata/others", o.folder), "")
		if err != nil {
			return err
		}
		if versions[o.name] == o.version {
			if _, err := publish.Require(dependant, m, sums); err != nil {
				return err
			}
		}
	}
	return nil
}

// requireExtra has adapters/mux require another framework, and all that this
// needs, so that it is complete and tidy again.
func requireExtra(root string) error {
	scratch, err := os.MkdirTemp(root, "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	return all(
		swap("adapters/mux/go.mod", "\texample.com/mux", "\texample.com/extra v1.0.0\n\texample.com/mux"),
		swap("adapters/mux/go.mod", "base v1.0.0", "base v1.1.0"),
		func(root string) error {
			return addOthers(publish.Proxy(scratch), filepath.Join(root, "adapters/mux"),
				map[string]string{"mux": "v1.0.0", "base": "v1.1.0", "extra": "v1.0.0"})
		},
	)(root)
}

// edit changes the tree at root.
type edit func(root string) error

// swap replaces text in a file.
func swap(file, old, with string) edit {
	return func(root string) error {
		name := filepath.Join(root, file)
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !strings.Contains(string(data), old) {
			return fmt.Errorf("%s has no %q", file, old)
		}
		return os.WriteFile(name, []byte(strings.Replace(string(data), old, with, 1)), 0o666)
	}
}

// insert appends text to a file.
func insert(file, text string) edit {
	return func(root string) error {
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(root, file), append(data, text...), 0o666)
	}
}

// place writes a new file.
func place(file, text string) edit {
	return func(root string) error { return os.WriteFile(filepath.Join(root, file), []byte(text), 0o666) }
}

// all makes several edits.
func all(edits ...edit) edit {
	return func(root string) error {
		for _, e := range edits {
			if err := e(root); err != nil {
				return err
			}
		}
		return nil
	}
}
