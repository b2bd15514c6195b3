package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account returns as whom servers run: nil for the user of this process, unless
// that is root.
func account() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("servers do not run as root, and there is neither a user postgres nor nobody: add one, or be somebody else")
}

// temporary returns the folder for temporary files, if the user as can enter
// it, or else the system's. Symbolic links are resolved: servers report the
// paths that they were given in different ways otherwise.
func temporary(as *syscall.Credential) (string, error) {
	for _, dir := range []string{os.TempDir(), "/tmp"} {
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue
		}
		if dir, err = filepath.Abs(dir); err == nil && (as == nil || enters(as, dir)) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the servers' user cannot enter %s: set TMPDIR to a folder that everybody can", os.TempDir())
}

// enters reports whether the user may pass through dir and all above it.
func enters(as *syscall.Credential, dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		need := fs.FileMode(0o001)
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid == as.Uid {
			need = 0o100
		}
		if info.Mode()&need == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}
