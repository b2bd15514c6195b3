package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// First is the version that a module gets first.
const First = "v0.1.0"

// Released returns all versions of the module that have a tag, oldest first. A
// tree without version control has none.
func Released(ctx context.Context, root, dir string) ([]string, error) {
	if !HasGit(ctx, root) {
		return nil, nil
	}
	out, err := Git(ctx, root, "tag", "--list", dir+"/v*")
	if err != nil {
		return nil, err
	}
	var versions []string
	for tag := range strings.Lines(out) {
		if v := strings.TrimPrefix(strings.TrimSpace(tag), dir+"/"); semver.Canonical(v) == v {
			versions = append(versions, v)
		}
	}
	slices.SortFunc(versions, semver.Compare)
	return versions, nil
}

// Latest returns the highest of versions, "" if there is none.
func Latest(versions []string) string {
	if len(versions) == 0 {
		return ""
	}
	return slices.MaxFunc(versions, semver.Compare)
}

// Successors returns the versions that may follow a released one: the next
// patch, the next minor and the next major version.
func Successors(version string) []string {
	if version == "" {
		return []string{First}
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "v%d.%d.%d", &major, &minor, &patch); err != nil {
		return nil
	}
	next := []string{fmt.Sprintf("v%d.%d.%d", major, minor, patch+1), fmt.Sprintf("v%d.%d.0", major, minor+1)}
	if semver.Prerelease(version) != "" { // v1.2.0-rc.1 is followed by v1.2.0 first of all
		next[0] = fmt.Sprintf("v%d.%d.%d", major, minor, patch)
	}
	if major == 0 {
		next = append(next, "v1.0.0")
	}
	return next
}

// CheckVersion says what keeps a module with these released versions from
// getting that version: it is malformed, released already, lower than the last
// one, or skips one. Prereleases of what may come next may come as well.
func CheckVersion(version string, released []string) error {
	if !semver.IsValid(version) || semver.Canonical(version) != version || semver.Build(version) != "" || module.IsPseudoVersion(version) {
		return fmt.Errorf("%q is no version to release: write it as v1.2.3 or v1.2.3-rc.1", version)
	}
	if slices.Contains(released, version) {
		return fmt.Errorf("%s is released already: a tag is never moved, fix forward with the next version", version)
	}
	if m := semver.Major(version); m != "v0" && m != "v1" {
		return fmt.Errorf("%s is another major version: its module path would have to end in /%s", version, m)
	}
	latest := Latest(released)
	if latest != "" && semver.Compare(version, latest) <= 0 {
		return fmt.Errorf("%s is not higher than %s, which is released", version, latest)
	}
	target, _, _ := strings.Cut(version, "-")
	if next := Successors(latest); !slices.Contains(next, target) {
		if latest == "" {
			return fmt.Errorf("%s is not how a module begins: its first version is %s", version, First)
		}
		return fmt.Errorf("%s skips a version: after %s comes %s", version, latest, strings.Join(next, " or "))
	}
	return nil
}

// Next returns the version that a rehearsal gives to the module in dir: the one
// that modules of this tree require already although it has no tag, and else
// the next patch.
func Next(ctx context.Context, root, dir string) (string, error) {
	released, err := Released(ctx, root, dir)
	if err != nil {
		return "", err
	}
	dirs, err := All(root)
	if err != nil {
		return "", err
	}
	required := released
	for _, d := range dirs {
		mod, err := ReadMod(root + "/" + d)
		if err != nil {
			return "", err
		}
		for _, r := range mod.Require {
			if r.Mod.Path == Prefix+dir {
				required = append(required, r.Mod.Version)
			}
		}
	}
	highest := Latest(required)
	if highest != "" && !slices.Contains(released, highest) {
		return highest, nil
	}
	next := Successors(highest)
	if len(next) == 0 {
		return "", errors.New("publish: there is no version after " + highest)
	}
	return next[0], nil
}
