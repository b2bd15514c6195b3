package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/repo/apicheck"
	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"github.com/sessionstate/sessionstate/internal/repo/rehearsal"
	"golang.org/x/mod/semver"
)

// releaser prepares one release.
type releaser struct {
	root    string   // of the clone
	version string   // of all modules that are released
	modules []string // their folders, or "all"
	dry     bool
	remote  string
	date    time.Time

	rehearse func(context.Context, rehearsal.Config) error
	suggest  func(context.Context, apicheck.Config) (apicheck.Report, error)
	log      func(format string, args ...any)

	scratch string // everything that is to be gone at the end
	tree    string // a work tree of the clone, in which the commits are made
}

// tag is a tag to be set.
type tag struct {
	module publish.Module
	commit string
	notes  string // what its CHANGELOG.md says
}

// release makes the commits in a work tree beside the clone's own, where it
// rehearses them. The clone's branch and tags change at the very end, when
// nothing is left that could refuse.
func (r *releaser) release(ctx context.Context) (err error) {
	if err := r.check(ctx); err != nil {
		return err
	}
	if r.scratch, err = os.MkdirTemp("", "release-"); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	r.tree = filepath.Join(r.scratch, "tree")
	if _, err := publish.Git(ctx, r.root, "worktree", "add", "--quiet", "--detach", r.tree, "HEAD"); err != nil {
		return errors.Join(fmt.Errorf("release: %w", err), os.RemoveAll(r.scratch))
	}
	defer func() {
		// Also when ctx has ended: a work tree left behind would be in the way.
		clean := context.WithoutCancel(ctx)
		_, removed := publish.Git(clean, r.root, "worktree", "remove", "--force", r.tree)
		err = errors.Join(err, removed, os.RemoveAll(r.scratch))
	}()
	tags, err := r.prepare(ctx)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := r.prove(ctx); err != nil {
		return fmt.Errorf("release: refused, and nothing was changed:\n%w", err)
	}
	return r.publish(ctx, tags)
}

// check refuses what can be refused before anything is done.
func (r *releaser) check(ctx context.Context) error {
	if !publish.HasGit(ctx, r.root) {
		return errors.New("release: this is no clone of the repository: tags need one")
	}
	branch, err := publish.Git(ctx, r.root, "rev-parse", "--abbrev-ref", "HEAD")
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if branch = strings.TrimSpace(branch); branch != "main" {
		return fmt.Errorf("release: this is the branch %s: releases are made on main", branch)
	}
	status, err := publish.Git(ctx, r.root, "status", "--porcelain")
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if status != "" {
		return fmt.Errorf("release: there are changes that are not committed: commit or remove them\n%s", strings.TrimRight(status, "\n"))
	}
	published, err := publish.Published(r.root)
	if err != nil {
		return err
	}
	if slices.Equal(r.modules, []string{"all"}) {
		r.modules = published
	}
	if len(r.modules) == 0 {
		return fmt.Errorf("release: of which module? -module takes %s, or all", strings.Join(published, ", "))
	}
	for _, dir := range r.modules {
		if !slices.Contains(published, dir) {
			return fmt.Errorf("release: %q is no published module: these are %s", dir, strings.Join(published, ", "))
		}
	}
	// In the order in which they have to be released, each once.
	r.modules = slices.DeleteFunc(published, func(dir string) bool { return !slices.Contains(r.modules, dir) })
	remote, err := r.remoteTags(ctx)
	if err != nil {
		return err
	}
	for _, dir := range r.modules {
		released, err := publish.Released(ctx, r.root, dir)
		if err != nil {
			return err
		}
		for _, tag := range remote {
			if v, ok := strings.CutPrefix(tag, dir+"/"); ok && semver.IsValid(v) {
				released = append(released, v)
			}
		}
		if err := publish.CheckVersion(r.version, released); err != nil {
			return fmt.Errorf("release: %s: %w", dir, err)
		}
	}
	return r.checkCore(ctx)
}

// checkCore refuses modules that require a version of core which has no tag and
// gets none.
func (r *releaser) checkCore(ctx context.Context) error {
	if slices.Contains(r.modules, "core") {
		return nil
	}
	released, err := publish.Released(ctx, r.root, "core")
	if err != nil {
		return err
	}
	for _, dir := range r.modules {
		version, err := requiredCore(filepath.Join(r.root, dir))
		if err != nil {
			return err
		}
		if version != "" && !slices.Contains(released, version) {
			return fmt.Errorf("release: %s requires core %s, which is not released: release core first, or with it", dir, version)
		}
	}
	return nil
}

// requiredCore returns which version of core the module in folder requires.
func requiredCore(folder string) (string, error) {
	mod, err := publish.ReadMod(folder)
	if err != nil {
		return "", err
	}
	for _, q := range mod.Require {
		if q.Mod.Path == publish.Prefix+"core" {
			return q.Mod.Version, nil
		}
	}
	return "", nil
}

// remoteTags returns the tags that the remote has, which this clone may not have
// heard of.
func (r *releaser) remoteTags(ctx context.Context) ([]string, error) {
	remotes, err := publish.Git(ctx, r.root, "remote")
	if err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	if r.remote == "" || !slices.Contains(strings.Fields(remotes), r.remote) {
		r.log("There is no remote to ask for tags: those of this clone count alone.")
		return nil, nil
	}
	out, err := publish.Git(ctx, r.root, "ls-remote", "--tags", "--refs", r.remote)
	if err != nil {
		return nil, fmt.Errorf("release: ask %s for its tags (-remote \"\" goes without): %w", r.remote, err)
	}
	var tags []string
	for line := range strings.Lines(out) {
		if _, ref, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			tags = append(tags, strings.TrimPrefix(ref, "refs/tags/"))
		}
	}
	return tags, nil
}

// prove rehearses the release in the work tree, and asks whether the version is
// high enough for what has changed in the API.
func (r *releaser) prove(ctx context.Context) error {
	cfg, err := r.rehearsal(ctx)
	if err != nil {
		return err
	}
	rehearsal.FromEnvironment(&cfg)
	r.log("Rehearsing:")
	if err := r.rehearse(ctx, cfg); err != nil {
		return err
	}
	for _, dir := range r.modules {
		released, err := publish.Released(ctx, r.root, dir)
		if err != nil {
			return err
		}
		latest := publish.Latest(released)
		if latest == "" {
			r.log("%s has no earlier version to compare its API with.", dir)
			continue
		}
		report, err := r.suggest(ctx, apicheck.Config{Root: r.tree, Dir: dir, Base: latest, Modules: cfg.Modules})
		if err != nil {
			return err
		}
		target, _, _ := strings.Cut(r.version, "-")
		if report.Suggested == "" || semver.Compare(target, report.Suggested) < 0 {
			return fmt.Errorf("%s: %s does not say what has changed since %s:\n%s", dir, r.version, latest, report.Text)
		}
		r.log("%s may follow %s of %s.", r.version, latest, dir)
	}
	return nil
}

// rehearsal returns what to rehearse. With core, everything is released into
// the rehearsal's proxy, since core must serve those that are released later.
// Without it, only what is released meets core as it was released.
func (r *releaser) rehearsal(ctx context.Context) (rehearsal.Config, error) {
	versions := make(map[string]string)
	for _, dir := range r.modules {
		versions[dir] = r.version
	}
	cfg, err := rehearsal.Tree(ctx, r.tree, filepath.Join(r.scratch, "copy"), versions)
	if err != nil {
		return cfg, err
	}
	cfg.Exact = slices.DeleteFunc(slices.Clone(r.modules), func(dir string) bool { return dir == "core" })
	cfg.Log = func(format string, args ...any) { r.log("  "+format, args...) }
	if slices.Contains(r.modules, "core") {
		return cfg, nil
	}
	version := ""
	for _, dir := range r.modules {
		v, err := requiredCore(filepath.Join(r.tree, dir))
		if err != nil {
			return cfg, err
		}
		if semver.Compare(v, version) > 0 {
			version = v
		}
	}
	old := filepath.Join(r.scratch, "core")
	if err := publish.Extract(ctx, r.root, "core/"+version, old, "core"); err != nil {
		return cfg, err
	}
	cfg.Modules = slices.DeleteFunc(cfg.Modules, func(m publish.Module) bool { return versions[m.Dir] == "" })
	cfg.Modules = append([]publish.Module{{Dir: "core", Version: version, Folder: filepath.Join(old, "core")}}, cfg.Modules...)
	return cfg, nil
}

// publish moves main and sets the tags, core's first, or says that it would.
func (r *releaser) publish(ctx context.Context, tags []tag) error {
	log, err := publish.Git(ctx, r.tree, "log", "--reverse", "--format=  %h %s", "main..HEAD")
	if err != nil {
		return err
	}
	would := "These commits are on main now, with these tags:"
	if r.dry {
		would = "Not done, since it is a dry run. These commits would be on main, with these tags:"
	}
	r.log("\n%s\n%s", would, strings.TrimRight(log, "\n"))
	var names []string
	for _, t := range tags {
		r.log("  %.7s %s", t.commit, t.module.Tag())
		names = append(names, t.module.Tag())
	}
	if r.dry {
		return nil
	}
	head, err := publish.Git(ctx, r.tree, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	before, err := publish.Git(ctx, r.root, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // it is all done or, at a fault, can be undone
	undo := func(cause error) error {
		return fmt.Errorf("release: %w\nNothing was pushed. To begin again: git tag -d %s; git reset --keep %s",
			cause, strings.Join(names, " "), strings.TrimSpace(before))
	}
	if _, err := publish.Git(ctx, r.root, "merge", "--quiet", "--ff-only", strings.TrimSpace(head)); err != nil {
		return undo(err)
	}
	for _, t := range tags {
		if _, err := publish.Git(ctx, r.root, "tag", "--annotate", "--message", t.module.Tag(), "--message", t.notes, t.module.Tag(), t.commit); err != nil {
			return undo(err)
		}
	}
	remote := r.remote
	if remote == "" {
		remote = "origin"
	}
	r.log("\nNothing is pushed. Look at it, and then publish it:\n\n%s\n", strings.Join(pushes(remote, names), "\n"))
	r.log("To take it back before that: git tag -d %s; git reset --keep %.12s", strings.Join(names, " "), before)
	r.log("When it is pushed: make released. RELEASING.md says what else.")
	return nil
}

// tagsAtOnce is how many tags may be pushed at once: of more, GitHub starts no
// workflow for any.
const tagsAtOnce = 3

// pushes returns the commands that publish main and tags, those of core first.
func pushes(remote string, tags []string) []string {
	var commands []string
	refs := "main "
	for some := range slices.Chunk(tags, tagsAtOnce) {
		commands = append(commands, fmt.Sprintf("  git push --atomic %s %s%s", remote, refs, strings.Join(some, " ")))
		refs = ""
	}
	return commands
}
