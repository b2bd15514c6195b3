package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Require has the module in folder, if it requires dep at all, require it at
// dep's version: it changes go.mod, and go.sum so that it has this version's
// sums and those of no other. It reports whether it changed anything.
//
// It does what `go mod tidy` would do, which cannot do it before the version is
// public.
func Require(folder string, dep module.Version, sums Sums) (changed bool, err error) {
	mod, err := ReadMod(folder)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(mod.Require, func(r *modfile.Require) bool { return r.Mod.Path == dep.Path })
	if i < 0 {
		return false, nil
	}
	if mod.Require[i].Mod.Version != dep.Version {
		if err := mod.AddRequire(dep.Path, dep.Version); err != nil {
			return false, err
		}
		data, err := mod.Format()
		if err != nil {
			return false, err
		}
		if err := os.WriteFile(filepath.Join(folder, "go.mod"), data, 0o666); err != nil {
			return false, err
		}
		changed = true
	}
	file := filepath.Join(folder, "go.sum")
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	after := withSums(before, dep, sums)
	if bytes.Equal(before, after) {
		return changed, nil
	}
	return true, os.WriteFile(file, after, 0o666)
}

// withSums returns a go.sum, which is sorted by path, in which dep stands at its
// version alone.
func withSums(goSum []byte, dep module.Version, sums Sums) []byte {
	own := fmt.Sprintf("%[1]s %[2]s %[3]s\n%[1]s %[2]s/go.mod %[4]s\n", dep.Path, dep.Version, sums.Zip, sums.Mod)
	var after strings.Builder
	for line := range strings.Lines(string(goSum)) {
		path, _, _ := strings.Cut(line, " ")
		if path > dep.Path {
			after.WriteString(own)
			own = ""
		}
		if path != dep.Path {
			after.WriteString(line)
		}
	}
	return []byte(after.String() + own)
}

// Pin has go.work take dep's version, which is not public yet, from this tree,
// and unpins all its other versions. It reports whether it changed anything.
func Pin(root string, dep Module) (changed bool, err error) {
	return editWork(root, func(work *modfile.WorkFile) error {
		if slices.ContainsFunc(work.Replace, func(r *modfile.Replace) bool {
			return r.Old.Path == dep.Path() && r.Old.Version == dep.Version
		}) {
			return nil
		}
		if err := unpin(work, dep.Path()); err != nil {
			return err
		}
		return work.AddReplace(dep.Path(), dep.Version, "./"+dep.Dir, "")
	})
}

// Unpin removes all that go.work replaces of the module in dir.
func Unpin(root, dir string) (changed bool, err error) {
	return editWork(root, func(work *modfile.WorkFile) error { return unpin(work, Prefix+dir) })
}

func unpin(work *modfile.WorkFile, path string) error {
	for _, r := range slices.Clone(work.Replace) {
		if r.Old.Path != path {
			continue
		}
		if err := work.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return err
		}
	}
	return nil
}

// Pins returns the published modules that go.work takes from the tree.
func Pins(root string) ([]Module, error) {
	work, err := ReadWork(root)
	if err != nil {
		return nil, err
	}
	var pins []Module
	for _, r := range work.Replace {
		if dir, ours := strings.CutPrefix(r.Old.Path, Prefix); ours && IsPublished(dir) {
			pins = append(pins, Module{Dir: dir, Version: r.Old.Version, Folder: filepath.Join(root, dir)})
		}
	}
	return pins, nil
}

func editWork(root string, edit func(*modfile.WorkFile) error) (changed bool, err error) {
	work, err := ReadWork(root)
	if err != nil {
		return false, err
	}
	before := modfile.Format(work.Syntax)
	if err := edit(work); err != nil {
		return false, err
	}
	work.Cleanup()
	after := modfile.Format(work.Syntax)
	if bytes.Equal(before, after) {
		return false, nil
	}
	return true, os.WriteFile(filepath.Join(root, "go.work"), after, 0o666)
}
