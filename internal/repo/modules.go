package repo

import (
	"fmt"
	"path"
	"strings"
)

// modulesInWork: go.work uses every module of the tree and nothing else, and
// each module's path says its folder.
func modulesInWork(t *Tree) (found []Problem) {
	used := make(map[string]bool)
	for _, u := range t.Work.Use {
		dir := path.Clean(u.Path)
		used[dir] = true
		if t.Files[path.Join(dir, "go.mod")] == nil {
			found = append(found, Problem{"go.work", u.Syntax.Start.Line, fmt.Sprintf("uses %s, where there is no go.mod", u.Path)})
		}
	}
	for _, m := range t.Modules {
		file := path.Join(m.Dir, "go.mod")
		if !used[m.Dir] {
			found = append(found, Problem{file, 0, "is not used in go.work: add it there, or nothing builds or tests it"})
		}
		if got := m.File.Module.Mod.Path; got != prefix+m.Dir {
			found = append(found, Problem{file, m.File.Module.Syntax.Start.Line, fmt.Sprintf("the module is called %s, and its folder says %s", got, prefix+m.Dir)})
		}
	}
	return found
}

// replacements: only go.work replaces modules, only modules of this tree, and
// only single versions of them, namely those not yet released.
func replacements(t *Tree) (found []Problem) {
	for _, m := range t.Modules {
		if !m.Published() {
			continue
		}
		for _, r := range m.File.Replace {
			found = append(found, Problem{path.Join(m.Dir, "go.mod"), r.Syntax.Start.Line,
				fmt.Sprintf("replaces %s: users of the module do not get that; put it into go.work", r.Old.Path)})
		}
	}
	for _, r := range t.Work.Replace {
		dir, ours := strings.CutPrefix(r.Old.Path, prefix)
		switch {
		case !ours || path.Clean(r.New.Path) != dir || r.New.Version != "":
			found = append(found, Problem{"go.work", r.Syntax.Start.Line,
				fmt.Sprintf("replaces %s by %s: only modules of this tree may be replaced, by their folders", r.Old.Path, r.New.Path)})
		case r.Old.Version == "":
			found = append(found, Problem{"go.work", r.Syntax.Start.Line,
				fmt.Sprintf("replaces every version of %s: name the one that is not released yet", r.Old.Path)})
		}
	}
	return found
}

// goVersion is the oldest Go that this project supports.
const goVersion = "1.25.0"

// sameGo: go.work and all modules name the same Go, and no toolchain.
func sameGo(t *Tree) (found []Problem) {
	check := func(file, version string, toolchain bool) {
		if version != goVersion {
			found = append(found, Problem{file, 0, fmt.Sprintf("says go %s: all say go %s", version, goVersion)})
		}
		if toolchain {
			found = append(found, Problem{file, 0, "names a toolchain: which one builds it is the user's choice"})
		}
	}
	version := ""
	if t.Work.Go != nil {
		version = t.Work.Go.Version
	}
	check("go.work", version, t.Work.Toolchain != nil)
	for _, m := range t.Modules {
		version = ""
		if m.File.Go != nil {
			version = m.File.Go.Version
		}
		check(path.Join(m.Dir, "go.mod"), version, m.File.Toolchain != nil)
	}
	return found
}

// coreRequiresNothing: who uses core adds no other module to a program.
func coreRequiresNothing(t *Tree) (found []Problem) {
	for _, m := range t.Modules {
		if m.Dir != "core" {
			continue
		}
		for _, r := range m.File.Require {
			found = append(found, Problem{"core/go.mod", r.Syntax.Start.Line, fmt.Sprintf("requires %s: core uses the standard library only", r.Mod.Path)})
		}
	}
	return found
}

// modulesDocumented: a published module has a README.md, and a CHANGELOG.md
// that has room for what comes next.
func modulesDocumented(t *Tree) (found []Problem) {
	for _, m := range t.Modules {
		if !m.Published() {
			continue
		}
		for _, name := range []string{"README.md", "CHANGELOG.md"} {
			file := path.Join(m.Dir, name)
			switch data := t.Files[file]; {
			case data == nil:
				found = append(found, Problem{file, 0, "is missing: every published module has one"})
			case name == "CHANGELOG.md" && !strings.Contains(string(data), "\n## [Unreleased]\n"):
				found = append(found, Problem{file, 0, `has no heading "## [Unreleased]"`})
			}
		}
	}
	return found
}
