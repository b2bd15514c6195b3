package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// public is for after the push: of every version that go.work takes from the
// tree although it has a tag, it asks whether the public proxy has it with the
// content of that tag, and if so unpins it. The sums in all go.sum files are
// those of the tags already.
func (r *releaser) public(ctx context.Context) (err error) {
	status, err := publish.Git(ctx, r.root, "status", "--porcelain")
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if status != "" {
		return fmt.Errorf("release: there are changes that are not committed: commit or remove them\n%s", strings.TrimRight(status, "\n"))
	}
	if r.scratch, err = os.MkdirTemp("", "release-"); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.scratch)) }()
	pins, err := publish.Pins(r.root)
	if err != nil {
		return err
	}
	var failed []error
	done := 0
	for _, m := range pins {
		released, err := publish.Released(ctx, r.root, m.Dir)
		if err != nil {
			return err
		}
		if !slices.Contains(released, m.Version) {
			r.log("%s is not released yet: it stays in go.work.", m)
			continue
		}
		if err := r.compare(ctx, m); err != nil {
			failed = append(failed, fmt.Errorf("release: %s: %w", m, err))
			continue
		}
		if _, err := publish.Unpin(r.root, m.Dir); err != nil {
			return err
		}
		r.log("%s is public, with the content of its tag.", m)
		done++
	}
	if done > 0 {
		r.log("go.work takes them from the tree no longer: git commit -am 'go.work: unpin what is public'")
	}
	return errors.Join(failed...)
}

// compare asks the public proxy for a version, and whether it has the sum of
// the tag.
func (r *releaser) compare(ctx context.Context, m publish.Module) error {
	tagged := filepath.Join(r.scratch, "tags", filepath.FromSlash(m.Dir))
	if err := publish.Extract(ctx, r.root, m.Tag(), tagged, m.Dir, "LICENSE"); err != nil {
		return err
	}
	sums, err := publish.Proxy(filepath.Join(r.scratch, "proxy")).Add(m.Mod(),
		filepath.Join(tagged, filepath.FromSlash(m.Dir)), filepath.Join(tagged, "LICENSE"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", m.String())
	cmd.Dir = r.scratch
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-modcacherw", "GOMODCACHE="+filepath.Join(r.scratch, "modules"))
	out, err := cmd.Output()
	var got struct{ Error, Sum, GoModSum string }
	if parsed := json.Unmarshal(out, &got); parsed != nil {
		return errors.Join(err, fmt.Errorf("go mod download: %w", parsed))
	}
	switch {
	case got.Error != "":
		return fmt.Errorf("it is not public yet; is its tag pushed? A proxy may take half an hour to look again: %s", got.Error)
	case got.Sum != sums.Zip || got.GoModSum != sums.Mod:
		return fmt.Errorf("what is public has the sums %s and %s, and the tag in this clone %s and %s: the tag was moved. Release the next version, and retract this one",
			got.Sum, got.GoModSum, sums.Zip, sums.Mod)
	}
	return nil
}
