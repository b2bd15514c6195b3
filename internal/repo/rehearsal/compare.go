package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
)

// compare looks whether the user's programs compile in what they would without
// this project, at the same versions, and besides only its modules. Of modules
// that are not compiled, and whose go.mod files alone the go command reads, it
// lets those be added that docs/dependencies.md lists, as what tests need.
func (r *run) compare(ctx context.Context, dir string, w walk) error {
	with, err := r.compiled(ctx, dir)
	if err != nil {
		return err
	}
	allowed := map[string]bool{publish.Prefix + "core": true}
	for _, m := range w.modules {
		allowed[m.Path()] = true
	}
	bare := filepath.Join(r.scratch, "bare", filepath.Base(dir))
	if err := r.writeBare(ctx, dir, bare); err != nil {
		return err
	}
	without, err := r.compiled(ctx, bare)
	if err != nil {
		return err
	}
	var failed []error
	for _, path := range slices.Sorted(maps.Keys(with)) {
		switch version, ok := without[path]; {
		case allowed[path]:
		case strings.HasPrefix(path, publish.Prefix):
			failed = append(failed, fmt.Errorf("%s comes along, which the user has not asked for", path))
		case !ok:
			failed = append(failed, fmt.Errorf("%s comes along, and does not in a program that uses only %s", path, wanted(bare)))
		case version != with[path]:
			failed = append(failed, fmt.Errorf("%s comes at %s, and in a program that uses only %s at %s: look in the go.mod of the module for what raises it, which tests alone may need",
				path, with[path], wanted(bare), version))
		}
	}
	return errors.Join(append(failed, r.compareGraphs(ctx, dir, bare, w))...)
}

// compareGraphs looks at all modules that take part in choosing versions.
func (r *run) compareGraphs(ctx context.Context, dir, bare string, w walk) error {
	with, err := r.goCommand(ctx, dir, "list", "-m", "-f", "{{.Path}}", "all")
	if err != nil {
		return err
	}
	without, err := r.goCommand(ctx, bare, "list", "-m", "-f", "{{.Path}}", "all")
	if err != nil {
		return err
	}
	expected := append(strings.Fields(without), userModule)
	for _, m := range w.modules {
		expected = append(expected, r.Listed[m.Dir]...)
	}
	var failed []error
	for path := range strings.FieldsSeq(with) {
		if !strings.HasPrefix(path, publish.Prefix) && !slices.Contains(expected, path) {
			failed = append(failed, fmt.Errorf("%s is added to the module graph of its programs, and docs/dependencies.md does not list it", path))
		}
	}
	return errors.Join(failed...)
}

// compiled returns the modules of which packages are compiled into the programs
// in dir: versions by paths.
func (r *run) compiled(ctx context.Context, dir string) (map[string]string, error) {
	out, err := r.goCommand(ctx, dir, "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", "./...")
	if err != nil {
		return nil, err
	}
	modules := make(map[string]string)
	for line := range strings.Lines(out) {
		if path, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok && version != "" {
			modules[path] = version
		}
	}
	return modules, nil
}

// writeBare writes a module that imports what the programs in dir and this
// project's packages import of others, at the versions that these have there,
// and nothing else.
func (r *run) writeBare(ctx context.Context, dir, bare string) error {
	out, err := r.goCommand(ctx, dir, "list", "-deps", "-f", `{{with .Module}}{{.Path}}{{end}}|{{join .Imports " "}}`, "./...")
	if err != nil {
		return err
	}
	imports := make(map[string]bool)
	var failed []error
	for line := range strings.Lines(out) {
		importer, list, _ := strings.Cut(strings.TrimSpace(line), "|")
		if importer != userModule && !strings.HasPrefix(importer, publish.Prefix) {
			continue
		}
		for i := range strings.FieldsSeq(list) {
			if first, _, _ := strings.Cut(i, "/"); !strings.Contains(first, ".") || strings.HasPrefix(i, publish.Prefix) {
				continue
			}
			imports[i] = true
			if err := r.allowed(importer, i); err != nil {
				failed = append(failed, err)
			}
		}
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	var code, mod strings.Builder
	code.WriteString("package main\n\n")
	for _, i := range slices.Sorted(maps.Keys(imports)) {
		fmt.Fprintf(&code, "import _ %q\n", i)
	}
	if err := os.MkdirAll(bare, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bare, "main.go"), []byte(code.String()+"\nfunc main() {}\n"), 0o666); err != nil {
		return err
	}
	required, err := requirements(dir)
	if err != nil {
		return err
	}
	mod.WriteString("module example.com/bare\n\ngo 1.25.0\n")
	for _, path := range slices.Sorted(maps.Keys(required)) {
		if provides(path, imports) && !strings.HasPrefix(path, publish.Prefix) {
			fmt.Fprintf(&mod, "\nrequire %s %s\n", path, required[path])
		}
	}
	if err := os.WriteFile(filepath.Join(bare, "go.mod"), []byte(mod.String()), 0o666); err != nil {
		return err
	}
	_, err = r.goCommand(ctx, bare, "mod", "tidy")
	return err
}

// allowed says if a module of this project imports a package of one that its
// programs are not to get.
func (r *run) allowed(importer, imported string) error {
	if importer == userModule {
		return nil
	}
	dir := strings.TrimPrefix(importer, publish.Prefix)
	for _, path := range r.Dependencies[dir] {
		if imported == path || strings.HasPrefix(imported, path+"/") {
			return nil
		}
	}
	return fmt.Errorf("%s imports %s, which docs/dependencies.md does not list for the programs that use it", dir, imported)
}

// provides reports whether the module may have one of the packages.
func provides(module string, packages map[string]bool) bool {
	for p := range packages {
		if p == module || strings.HasPrefix(p, module+"/") {
			return true
		}
	}
	return false
}

// wanted names the modules that a bare program requires for itself.
func wanted(bare string) string {
	data, err := os.ReadFile(filepath.Join(bare, "main.go"))
	if err != nil {
		return "its frameworks"
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "import _ "); ok {
			names = append(names, strings.Trim(name, `"`))
		}
	}
	if len(names) == 0 {
		return "the standard library"
	}
	return strings.Join(names, ", ")
}
