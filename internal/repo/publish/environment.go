package publish

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Outside is how the go command of somebody runs who has this project's modules
// from a proxy in a folder.
type Outside struct {
	Proxy Proxy
	Cache string // folder of the module cache

	// More proxies are asked for the modules of others before the user's module
	// cache and the environment's GOPROXY are.
	More []string
	// Unchecked are the patterns, as in GONOSUMDB, of modules that the checksum
	// database does not know, besides this project's.
	Unchecked []string
}

// Environment returns the environment of that go command: without a workspace,
// and with what modules of others the user has already at hand.
func (o Outside) Environment(ctx context.Context) ([]string, error) {
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
	proxies := append([]string{o.Proxy.URL()}, o.More...)
	proxies = append(proxies, Proxy(filepath.Join(cache, "cache", "download")).URL(), fallback(configured))
	// Nobody has seen this project's versions yet.
	own := append([]string{strings.TrimSuffix(Prefix, "/")}, o.Unchecked...)
	return append(os.Environ(),
		"GOWORK=off",
		"GOMODCACHE="+o.Cache,
		"GOPROXY="+strings.Join(proxies, ","),
		"GOPRIVATE=", "GONOPROXY=",
		"GONOSUMDB="+strings.Trim(strings.Join(own, ",")+","+unchecked, ","),
		// With -trimpath the build cache serves the next time as well, when the
		// folders have other names.
		"GOFLAGS=-mod=readonly -trimpath -modcacherw -buildvcs=false",
	), nil
}

// fallback returns the environment's GOPROXY without going to the origin of
// modules if there are proxies: the go command looks for each part of a module's
// path, and what will be at this project's origin is not to be asked for yet.
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
		return "", fmt.Errorf("publish: go env %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}
