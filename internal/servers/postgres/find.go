package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// BinVariable is the environment variable with the folder of the binaries, for
// those that Find would not find.
const BinVariable = "SESSION_TEST_POSTGRES_BIN"

// ErrNotFound is returned where the machine has no PostgreSQL server.
var ErrNotFound = errors.New("no initdb and postgres found")

// places are where packages of PostgreSQL keep the binaries outside of PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // PGDG's for Fedora and Red Hat
	"/opt/homebrew/opt/postgresql@*/bin",                 // Homebrew
	"/usr/local/opt/postgresql@*/bin",                    // Homebrew on Intel
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
}

// Find returns the folder of initdb and postgres: SESSION_TEST_POSTGRES_BIN if
// it is set, or else what PATH has, what pg_config says, and where packages put
// them, the newest version first. The error is ErrNotFound, unless the variable
// is wrong.
func Find() (string, error) { return find(os.Getenv, places) }

func find(getenv func(string) string, places []string) (string, error) {
	if dir := getenv(BinVariable); dir != "" {
		if found, ok := complete(dir); ok {
			return found, nil
		}
		return "", fmt.Errorf("%s is %s, which has no initdb and postgres: name their folder, or unset it", BinVariable, dir)
	}
	dirs := filepath.SplitList(getenv("PATH"))
	if dir := configured(dirs); dir != "" {
		dirs = append(dirs, dir)
	}
	for _, pattern := range places {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if found, ok := complete(dir); ok {
			return found, nil
		}
	}
	return "", ErrNotFound
}

// complete reports whether dir has both programs, and where they really are:
// initdb looks for its files from there.
func complete(dir string) (string, bool) {
	if !filepath.IsAbs(dir) {
		return "", false
	}
	for _, name := range []string{"postgres", "initdb"} {
		if !executable(filepath.Join(dir, name)) {
			return "", false
		}
	}
	if real, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb")); err == nil && executable(filepath.Join(filepath.Dir(real), "postgres")) {
		return filepath.Dir(real), true
	}
	return dir, true
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// configured returns what the first pg_config of dirs says.
func configured(dirs []string) string {
	for _, dir := range dirs {
		program := filepath.Join(dir, "pg_config")
		if !filepath.IsAbs(program) || !executable(program) {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, program, "--bindir").Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	return ""
}

// version returns the version in a path such as /usr/lib/postgresql/9.6/bin as
// a number that can be compared.
func version(dir string) float64 {
	name := filepath.Base(filepath.Dir(dir))
	n, err := strconv.ParseFloat(name[strings.LastIndexAny(name, "-@")+1:], 64)
	if err != nil {
		return 0
	}
	return n
}
