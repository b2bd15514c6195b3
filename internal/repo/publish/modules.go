package publish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Prefix is how the path of every module of this repository begins. What
// follows is the module's folder.
const Prefix = "github.com/sessionstate/sessionstate/"

// kinds are the folders that published modules are in.
var kinds = []string{"adapters", "observers", "providers"}

// Module is a published module at one version.
type Module struct {
	Dir     string // its folder in the repository: "adapters/gin"
	Version string // "v0.1.0"
	Folder  string // where the files of this version are
}

// Path returns the module's path.
func (m Module) Path() string { return Prefix + m.Dir }

// Tag returns the tag that publishes this version.
func (m Module) Tag() string { return m.Dir + "/" + m.Version }

// String returns the module as the go command writes it.
func (m Module) String() string { return m.Path() + "@" + m.Version }

// Mod returns what a go.mod says of this version.
func (m Module) Mod() module.Version { return module.Version{Path: m.Path(), Version: m.Version} }

// Published returns the folders of all published modules of the tree at root in
// the order in which they are released: core, on which all others build, and
// then those, by name.
func Published(root string) ([]string, error) {
	work, err := ReadWork(root)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, use := range work.Use {
		if dir := filepath.ToSlash(filepath.Clean(use.Path)); IsPublished(dir) {
			dirs = append(dirs, dir)
		}
	}
	if !slices.Contains(dirs, "core") {
		return nil, fmt.Errorf("publish: %s uses no module core", filepath.Join(root, "go.work"))
	}
	slices.SortFunc(dirs, func(a, b string) int {
		if (a == "core") != (b == "core") {
			if a == "core" {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return dirs, nil
}

// IsPublished reports whether the module in that folder of the repository gets
// versions of its own.
func IsPublished(dir string) bool {
	kind, name, below := strings.Cut(dir, "/")
	return dir == "core" || below && name != "" && slices.Contains(kinds, kind)
}

// All returns the folders of all modules of the tree at root, published or not.
func All(root string) ([]string, error) {
	work, err := ReadWork(root)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, use := range work.Use {
		dirs = append(dirs, filepath.ToSlash(filepath.Clean(use.Path)))
	}
	slices.Sort(dirs)
	return dirs, nil
}

// ReadWork reads the tree's go.work.
func ReadWork(root string) (*modfile.WorkFile, error) {
	file := filepath.Join(root, "go.work")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("publish: read the workspace: %w", err)
	}
	return modfile.ParseWork(file, data, nil)
}

// ReadMod reads the go.mod of a module's folder.
func ReadMod(folder string) (*modfile.File, error) {
	file := filepath.Join(folder, "go.mod")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("publish: read a module: %w", err)
	}
	return modfile.Parse(file, data, nil)
}

// Root returns the repository's root folder: the nearest one with a go.work,
// from dir upwards.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("publish: neither this folder nor one above it has a go.work: run this within the repository")
		}
		dir = parent
	}
}
