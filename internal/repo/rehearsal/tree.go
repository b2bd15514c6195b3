package rehearsal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sessionstate/sessionstate/internal/repo"
	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// Tree copies the repository at root to an empty folder and returns what a
// rehearsal of releasing all of it is configured by: all published modules, each
// at the version that versions has for it, or else at the next one.
func Tree(ctx context.Context, root, to string, versions map[string]string) (Config, error) {
	if err := publish.Snapshot(ctx, root, to); err != nil {
		return Config{}, err
	}
	dirs, err := publish.Published(to)
	if err != nil {
		return Config{}, err
	}
	cfg := Config{Licence: filepath.Join(to, "LICENSE"), Readme: filepath.Join(to, "README.md")}
	if cfg.Dependencies, cfg.Listed, err = readDependencies(filepath.Join(to, "docs", "dependencies.md")); err != nil {
		return Config{}, err
	}
	for _, dir := range dirs {
		version := versions[dir]
		if version == "" {
			if version, err = publish.Next(ctx, root, dir); err != nil {
				return Config{}, err
			}
		}
		cfg.Modules = append(cfg.Modules, publish.Module{Dir: dir, Version: version, Folder: filepath.Join(to, filepath.FromSlash(dir))})
	}
	return cfg, nil
}

// readDependencies reads the list of what modules may bring into programs, and
// of what they may require at all.
func readDependencies(file string) (programs, listed map[string][]string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("rehearsal: read the list of dependencies: %w", err)
	}
	programs, listed = make(map[string][]string), make(map[string][]string)
	for dir, list := range repo.ParseDependencies(data) {
		for _, d := range list {
			listed[dir] = append(listed[dir], d.Path)
			if d.For == "programs" {
				programs[dir] = append(programs[dir], d.Path)
			}
		}
	}
	return programs, listed, nil
}
