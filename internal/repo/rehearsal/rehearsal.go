package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// Config says what is rehearsed.
type Config struct {
	// Modules are those to be released, core first. Run changes their folders:
	// they have to be copies.
	Modules []publish.Module

	// Exact are the folders, as in Module.Dir, of those modules that are released
	// as they are: their go.mod and go.sum must already say which versions of the
	// others they require. In all others Run writes that, as a release would.
	Exact []string

	Licence string // the file that modules without one get
	Readme  string // the repository's README.md

	// Dependencies are the modules of others, by the folders of this project's
	// modules, that the latter may bring into programs. Listed are all that they
	// may require, for their tests as well.
	Dependencies, Listed map[string][]string

	// Unchecked are the patterns, as in GONOSUMDB, of modules that the checksum
	// database does not know, besides this project's.
	Unchecked []string

	// Proxies are asked for the modules of others before the user's module cache
	// and the environment's GOPROXY are.
	Proxies []string

	// Servers has the variables that programs in READMEs read, such as
	// DATABASE_URL. Missing is told of a program that cannot be run for want of
	// one, and returns an error if that is a fault.
	Servers map[string]string
	Missing func(program, variable string) error

	Log func(format string, args ...any) // is told of every step
}

// run is one rehearsal under way.
type run struct {
	Config
	scratch string
	proxy   publish.Proxy
	env     []string // of go commands
}

// Run rehearses a release. Its error has everything that is wrong, or what kept
// it from finding out.
func Run(ctx context.Context, cfg Config) (err error) {
	scratch, err := os.MkdirTemp("", "rehearsal-")
	if err != nil {
		return fmt.Errorf("rehearsal: %w", err)
	}
	defer func() {
		if removed := os.RemoveAll(scratch); err == nil && removed != nil {
			err = fmt.Errorf("rehearsal: clean up: %w", removed)
		}
	}()
	r := &run{Config: cfg, scratch: scratch, proxy: publish.Proxy(filepath.Join(scratch, "proxy"))}
	outside := publish.Outside{Proxy: r.proxy, Cache: filepath.Join(scratch, "modules"), More: r.Proxies, Unchecked: r.Unchecked}
	if r.env, err = outside.Environment(ctx); err != nil {
		return err
	}
	if err := r.pack(); err != nil { // what cannot be packed cannot be walked with
		return err
	}
	var failed []error
	for _, m := range r.Modules {
		if ctx.Err() != nil {
			break
		}
		if err := r.alone(ctx, m); err != nil {
			failed = append(failed, err)
		}
	}
	walks, err := r.walks()
	failed = append(failed, err)
	for _, w := range walks {
		if ctx.Err() != nil {
			break
		}
		if err := r.walk(ctx, w); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, context.Cause(ctx))...)
}

// pack puts the modules into the proxy, each after those that it may require.
func (r *run) pack() error {
	var failed []error
	for i, m := range r.Modules {
		if err := r.publishable(m); err != nil {
			failed = append(failed, err)
			continue
		}
		sums, err := r.proxy.Add(m.Mod(), m.Folder, r.Licence)
		if err != nil {
			return err
		}
		r.Log("packed %s", m)
		for _, other := range r.Modules[i+1:] {
			changed, err := publish.Require(other.Folder, m.Mod(), sums)
			if err != nil {
				return err
			}
			if changed && slices.Contains(r.Exact, other.Dir) {
				failed = append(failed, fmt.Errorf("rehearsal: %s: its go.mod and go.sum do not require %s with the sums that it has: run make release, which writes them", other.Dir, m))
			}
		}
	}
	return errors.Join(failed...)
}

// publishable says what of a go.mod works here and at no user's.
func (r *run) publishable(m publish.Module) error {
	mod, err := publish.ReadMod(m.Folder)
	if err != nil {
		return err
	}
	var failed []error
	if got := mod.Module.Mod.Path; got != m.Path() {
		failed = append(failed, fmt.Errorf("rehearsal: %s: its go.mod calls it %s", m.Dir, got))
	}
	for _, x := range mod.Replace {
		failed = append(failed, fmt.Errorf("rehearsal: %s: its go.mod replaces %s, which holds for nobody who uses the module: remove it", m.Dir, x.Old.Path))
	}
	for _, x := range mod.Exclude {
		failed = append(failed, fmt.Errorf("rehearsal: %s: its go.mod excludes %s, which holds for nobody who uses the module: remove it", m.Dir, x.Mod.Path))
	}
	for _, x := range mod.Require {
		if strings.HasPrefix(x.Mod.Path, publish.Prefix) && !slices.ContainsFunc(r.Modules, func(o publish.Module) bool { return o.Path() == x.Mod.Path }) {
			failed = append(failed, fmt.Errorf("rehearsal: %s: its go.mod requires %s, which is not released: no user's go command will find it", m.Dir, x.Mod.Path))
		}
	}
	return errors.Join(failed...)
}

// alone builds a module as it was packed, with what its go.mod and go.sum say
// and nothing else.
func (r *run) alone(ctx context.Context, m publish.Module) error {
	began := time.Now()
	dir := filepath.Join(r.scratch, "alone", filepath.FromSlash(m.Dir))
	escaped, err := module.EscapePath(m.Path())
	if err != nil {
		return err
	}
	packed := filepath.Join(string(r.proxy), filepath.FromSlash(escaped), "@v", m.Version+".zip")
	if err := zip.Unzip(dir, m.Mod(), packed); err != nil {
		return fmt.Errorf("rehearsal: %s: unpack: %w", m.Dir, err)
	}
	for _, args := range [][]string{{"build", "./..."}, {"vet", "./..."}, {"mod", "tidy", "-diff"}} {
		if _, err := r.goCommand(ctx, dir, args...); err != nil {
			return fmt.Errorf("rehearsal: %s, as it is packed and on its own: %w", m.Dir, err)
		}
	}
	r.Log("%s is complete on its own (%s)", m.Dir, since(began))
	return nil
}

func since(began time.Time) time.Duration { return time.Since(began).Round(100 * time.Millisecond) }
