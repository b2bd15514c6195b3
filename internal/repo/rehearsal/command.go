package rehearsal

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// commandTime bounds one go command: the first ones compile everything that
// the programs need, and may have to download it.
const commandTime = 10 * time.Minute

// environment returns the environment of a user who has no workspace, an empty
// module cache, and these proxies.
func environment(ctx context.Context, r *run) ([]string, error) {
	cache, err := goEnv(ctx, "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	configured, err := goEnv(ctx, "GOPROXY")
	if err != nil {
		return nil, err
	}
	unchecked, err := goEnv(ctx, "GONOSUMDB")
	if err != nil {
		return nil, err
	}
	// Nobody has seen this project's versions yet.
	own := append([]string{strings.TrimSuffix(publish.Prefix, "/")}, r.Unchecked...)
	proxies := append([]string{r.proxy.URL()}, r.Proxies...)
	proxies = append(proxies, publish.Proxy(filepath.Join(cache, "cache", "download")).URL(), fallback(configured))
	return append(os.Environ(),
		"GOWORK=off",
		"GOMODCACHE="+filepath.Join(r.scratch, "modules"),
		"GOPROXY="+strings.Join(proxies, ","),
		"GOPRIVATE=", "GONOPROXY=",
		"GONOSUMDB="+strings.Trim(strings.Join(own, ",")+","+unchecked, ","),
		// With -trimpath the build cache serves the next rehearsal as well, whose
		// folders have other names.
		"GOFLAGS=-mod=readonly -trimpath -modcacherw -buildvcs=false",
	), nil
}

// fallback returns the environment's GOPROXY without going to the origin of
// modules if there are proxies: the go command looks for each part of a module's
// path, and it is not the rehearsal's to ask the origin for what will be there.
func fallback(configured string) string {
	const direct = "direct"
	rest := strings.FieldsFunc(configured, func(r rune) bool { return r == ',' || r == '|' })
	rest = slices.DeleteFunc(rest, func(p string) bool { return p == direct })
	if len(rest) == 0 {
		return direct
	}
	return strings.Join(rest, ",")
}

func goEnv(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", name).Output()
	if err != nil {
		return "", fmt.Errorf("rehearsal: go env %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goCommand runs the go command as a user in dir does, and returns what it
// prints to standard output.
func (r *run) goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, fmt.Errorf("it took more than %s", commandTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = r.env
	cmd.WaitDelay = time.Second // what it started may keep its output open
	var stdout, all tail
	cmd.Stdout = both{&stdout, &all}
	cmd.Stderr = &all
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, all.text())
	}
	return stdout.String(), nil
}
