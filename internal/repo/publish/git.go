package publish

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitTime bounds one call of git, none of which has much to do.
const gitTime = time.Minute

// Git runs git in dir and returns what it prints.
func Git(ctx context.Context, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// HasGit reports whether the tree is under version control, and git is there to
// ask.
func HasGit(ctx context.Context, root string) bool {
	top, err := Git(ctx, root, "rev-parse", "--show-prefix")
	return err == nil && strings.TrimSpace(top) == "" // not a folder of some other repository
}

// Snapshot copies the tree at root to an empty folder: what git tracks or would
// track, with the changes that are not committed; without git, everything.
func Snapshot(ctx context.Context, root, to string) error {
	if !HasGit(ctx, root) {
		return os.CopyFS(to, os.DirFS(root))
	}
	out, err := Git(ctx, root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(out, "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, and not committed yet
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		if err := place(filepath.Join(to, name), data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// Extract copies the files of a commit that are under the paths to a folder.
func Extract(ctx context.Context, root, commit, to string, paths ...string) error {
	out, err := Git(ctx, root, append([]string{"archive", "--format=tar", commit, "--"}, paths...)...)
	if err != nil {
		return err
	}
	for r := tar.NewReader(strings.NewReader(out)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("publish: %s has a file outside of itself: %s", commit, h.Name)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := place(filepath.Join(to, h.Name), data, 0o666); err != nil {
			return err
		}
	}
}

func place(file string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, data, mode)
}
