// Package apicheck compares the API of a module of this repository with that of
// a version that is released, by golang.org/x/exp/cmd/gorelease.
package apicheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// gorelease is the program that compares. It is built with the Go that its
// go.mod asks for.
const gorelease = "golang.org/x/exp/cmd/gorelease@v0.0.0-20261014143641-f0251eb4aa3e"

// Config says what is compared.
type Config struct {
	Root string // the repository, which has the tags
	Dir  string // of the module, as in publish.Module
	Base string // the released version, such as v0.1.0

	// Modules are all published modules at the versions that they get next, with
	// their files as they are now, core first.
	Modules []publish.Module
}

// Report is the result.
type Report struct {
	Text      string // what has changed, in Markdown
	Suggested string // the lowest version that says so; "" if there is none
}

var suggested = regexp.MustCompile(`(?m)^Suggested version: (v[0-9][^\s(]*)`)

// Suggest compares a module with the base and suggests its next version.
func Suggest(ctx context.Context, cfg Config) (report Report, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("apicheck: %s since %s: %w", cfg.Dir, cfg.Base, err)
		}
	}()
	scratch, err := os.MkdirTemp("", "apicheck-")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	proxy := publish.Proxy(filepath.Join(scratch, "proxy"))
	folder, err := fill(ctx, cfg, proxy, scratch)
	if err != nil {
		return report, err
	}
	program, err := build(ctx, scratch)
	if err != nil {
		return report, err
	}
	env, err := publish.Outside{Proxy: proxy, Cache: filepath.Join(scratch, "modules")}.Environment(ctx)
	if err != nil {
		return report, err
	}
	cmd := exec.CommandContext(ctx, program, "-base="+cfg.Base)
	cmd.Dir = folder
	cmd.Env = append(slices.Clip(env), "GOFLAGS=-modcacherw -buildvcs=false")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	failed := cmd.Run()
	report.Text = strings.TrimSpace(stdout.String())
	if m := suggested.FindStringSubmatch(report.Text); m != nil {
		report.Suggested = m[1]
	}
	if failed != nil && report.Text == "" { // it is the comparison that failed
		return report, fmt.Errorf("gorelease: %w\n%s", failed, strings.TrimSpace(stderr.String()))
	}
	return report, nil
}

// fill puts the base into the proxy, and all modules but the one that is
// compared as they are now; it returns the latter's folder, a copy.
func fill(ctx context.Context, cfg Config, proxy publish.Proxy, scratch string) (folder string, err error) {
	base := publish.Module{Dir: cfg.Dir, Version: cfg.Base, Folder: filepath.Join(scratch, "base", filepath.FromSlash(cfg.Dir))}
	if err := publish.Extract(ctx, cfg.Root, base.Tag(), filepath.Join(scratch, "base"), cfg.Dir); err != nil {
		return "", err
	}
	if _, err := proxy.Add(base.Mod(), base.Folder, ""); err != nil {
		return "", err
	}
	if err := requiredByBase(ctx, cfg, base, proxy, scratch); err != nil {
		return "", err
	}
	modules := slices.Clone(cfg.Modules) // whose folders change
	for i, m := range modules {
		now := filepath.Join(scratch, "now", filepath.FromSlash(m.Dir))
		if err := os.CopyFS(now, os.DirFS(m.Folder)); err != nil {
			return "", err
		}
		modules[i].Folder = now
	}
	for i, m := range modules {
		if m.Dir == cfg.Dir {
			folder = m.Folder
		}
		var sums publish.Sums
		if m.Dir == cfg.Dir {
			other := publish.Proxy(filepath.Join(scratch, "unread")) // the comparison is not to find it
			if sums, err = other.Add(m.Mod(), m.Folder, ""); err != nil {
				return "", err
			}
		} else if sums, err = proxy.Add(m.Mod(), m.Folder, ""); err != nil {
			return "", err
		}
		for _, later := range modules[i+1:] {
			if _, err := publish.Require(later.Folder, m.Mod(), sums); err != nil {
				return "", err
			}
		}
	}
	if folder == "" {
		return "", errors.New("it is not among the modules")
	}
	return folder, nil
}

// requiredByBase packs, from their tags, the versions of this project's modules
// that the base requires.
func requiredByBase(ctx context.Context, cfg Config, base publish.Module, proxy publish.Proxy, scratch string) error {
	mod, err := publish.ReadMod(base.Folder)
	if err != nil {
		return err
	}
	for _, q := range mod.Require {
		dir, ours := strings.CutPrefix(q.Mod.Path, publish.Prefix)
		if !ours {
			continue
		}
		to := filepath.Join(scratch, "required", dir)
		if err := publish.Extract(ctx, cfg.Root, dir+"/"+q.Mod.Version, to, dir); err != nil {
			return err
		}
		if _, err := proxy.Add(q.Mod, filepath.Join(to, dir), ""); err != nil {
			return err
		}
	}
	return nil
}

// build builds gorelease, with the environment's module cache.
func build(ctx context.Context, scratch string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "install", gorelease)
	cmd.Dir = scratch
	cmd.Env = append(os.Environ(), "GOBIN="+filepath.Join(scratch, "bin"), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install gorelease: %w\n%s", err, out)
	}
	return filepath.Join(scratch, "bin", "gorelease"), nil
}
