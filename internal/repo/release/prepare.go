package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// prepare makes the commits of the release in the work tree, in an order in
// which every tag is on a commit that is complete: core first; then, in all
// other modules, its version and sums; then those that are released with it.
func (r *releaser) prepare(ctx context.Context) ([]tag, error) {
	var tags []tag
	for _, step := range [][]string{
		slices.DeleteFunc(slices.Clone(r.modules), func(dir string) bool { return dir != "core" }),
		slices.DeleteFunc(slices.Clone(r.modules), func(dir string) bool { return dir == "core" }),
	} {
		if len(step) == 0 {
			continue
		}
		done, err := r.step(ctx, step)
		if err != nil {
			return nil, err
		}
		tags = append(tags, done...)
	}
	return tags, nil
}

// step releases modules that do not require each other.
func (r *releaser) step(ctx context.Context, dirs []string) ([]tag, error) {
	var tags []tag
	for _, dir := range dirs {
		notes, err := closeChangelog(filepath.Join(r.tree, dir, "CHANGELOG.md"), r.version, r.date)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		tags = append(tags, tag{
			module: publish.Module{Dir: dir, Version: r.version, Folder: filepath.Join(r.tree, filepath.FromSlash(dir))},
			notes:  notes,
		})
	}
	commit, err := r.commit(ctx, fmt.Sprintf("%s: release %s", strings.Join(dirs, ", "), r.version))
	if err != nil {
		return nil, err
	}
	for i := range tags {
		tags[i].commit = commit
	}
	return tags, r.require(ctx, tags)
}

// require has all modules of the tree require what was just released, and
// go.work take it from the tree until it is public.
func (r *releaser) require(ctx context.Context, tags []tag) error {
	all, err := publish.All(r.tree)
	if err != nil {
		return err
	}
	proxy := publish.Proxy(filepath.Join(r.scratch, "proxy"))
	changed := false
	for _, t := range tags {
		sums, err := proxy.Add(t.module.Mod(), t.module.Folder, filepath.Join(r.tree, "LICENSE"))
		if err != nil {
			return err
		}
		for _, dir := range all {
			c, err := publish.Require(filepath.Join(r.tree, filepath.FromSlash(dir)), t.module.Mod(), sums)
			if err != nil {
				return err
			}
			changed = changed || c
		}
		c, err := publish.Pin(r.tree, t.module)
		if err != nil {
			return err
		}
		changed = changed || c
	}
	if !changed {
		return nil
	}
	var names []string
	for _, t := range tags {
		names = append(names, t.module.Dir)
	}
	_, err = r.commit(ctx, fmt.Sprintf("all: require %s %s", strings.Join(names, ", "), r.version))
	return err
}

// commit commits everything in the work tree.
func (r *releaser) commit(ctx context.Context, message string) (string, error) {
	if _, err := publish.Git(ctx, r.tree, "commit", "--quiet", "--all", "--message", message); err != nil {
		return "", err
	}
	commit, err := publish.Git(ctx, r.tree, "rev-parse", "HEAD")
	return strings.TrimSpace(commit), err
}
