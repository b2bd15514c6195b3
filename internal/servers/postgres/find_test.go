package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFind: the variable, then PATH, then pg_config, then the newest version in
// the usual places; a folder counts only if it has both programs.
func TestFind(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	full := func(dir string) {
		program(t, filepath.Join(root, dir, "initdb"), "#!/bin/sh\n")
		program(t, filepath.Join(root, dir, "postgres"), "#!/bin/sh\n")
	}
	for _, dir := range []string{"lib/9.6/bin", "lib/10/bin", "lib/18/bin", "brew/postgresql@14/bin", "brew/postgresql@17/bin", "mine", "inpath", "configured", "real"} {
		full(dir)
	}
	program(t, filepath.Join(root, "lib/19/bin/postgres"), "#!/bin/sh\n") // no initdb: a package of clients
	program(t, filepath.Join(root, "tools/pg_config"), "#!/bin/sh\necho "+root+"/configured\n")
	program(t, filepath.Join(root, "stale/pg_config"), "#!/bin/sh\necho "+root+"/gone\n")
	program(t, filepath.Join(root, "broken/pg_config"), "#!/bin/sh\nexit 1\n")
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.MkdirAll(filepath.Join(root, "links"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(root, "real", name), filepath.Join(root, "links", name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, variable, path, places, want string
	}{
		{"the variable", "mine", "inpath", "lib/*/bin", "mine"},
		{"a wrong variable", "lib/19/bin", "inpath", "lib/*/bin", ""},
		{"PATH", "", "tools inpath", "lib/*/bin", "inpath"},
		{"links in PATH", "", "links", "lib/*/bin", "real"},
		{"pg_config", "", "tools", "lib/*/bin", "configured"},
		{"a stale pg_config", "", "stale", "lib/*/bin", "lib/18/bin"},
		{"a broken pg_config", "", "broken", "lib/*/bin", "lib/18/bin"},
		{"the newest", "", "gone", "lib/*/bin", "lib/18/bin"},
		{"Homebrew's newest", "", "", "gone/* brew/postgresql@*/bin", "brew/postgresql@17/bin"},
		{"the first place", "", "", "brew/postgresql@*/bin lib/*/bin", "brew/postgresql@17/bin"},
		{"nothing", "", "broken", "gone/*", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := func(dirs string) (found []string) {
				for dir := range strings.FieldsSeq(dirs) {
					found = append(found, filepath.Join(root, dir))
				}
				return found
			}
			env := map[string]string{"PATH": strings.Join(in(c.path), string(filepath.ListSeparator)), BinVariable: strings.Join(in(c.variable), "")}
			got, err := find(func(name string) string { return env[name] }, in(c.places))
			if c.want == "" {
				if err == nil || errors.Is(err, ErrNotFound) != (c.variable == "") {
					t.Errorf("%q, %v: ErrNotFound is for machines without it", got, err)
				} else if c.variable != "" && !strings.Contains(err.Error(), BinVariable) {
					t.Errorf("%v does not name %s", err, BinVariable)
				}
				return
			}
			if err != nil || got != filepath.Join(root, c.want) {
				t.Errorf("%q, %v, want %s", got, err, c.want)
			}
		})
	}
}

// program writes an executable file.
func program(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
