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
	"time"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"golang.org/x/mod/modfile"
)

// walk is one user's way from an empty folder to a program that answers.
type walk struct {
	name    string
	modules []publish.Module // whose READMEs the user follows
	readmes []readme
}

// userModule is the path of the module that the user writes.
const userModule = "example.com/shop"

// walks returns the ways to go: with each adapter alone, as its README has it
// with sessions in memory; with each provider and each observer beside one of
// the adapters, as a service has them, so that every README is followed; and
// with what the repository's own README says.
func (r *run) walks() ([]walk, error) {
	var adapters, others []publish.Module
	for _, m := range r.Modules {
		switch {
		case strings.HasPrefix(m.Dir, "adapters/"):
			adapters = append(adapters, m)
		case m.Dir != "core":
			others = append(others, m)
		}
	}
	var walks []walk
	var failed []error
	add := func(modules ...publish.Module) {
		w := walk{modules: modules}
		for _, m := range modules {
			doc, err := readmeOf(m)
			if err != nil {
				failed = append(failed, err)
				return
			}
			w.readmes = append(w.readmes, doc)
			w.name = strings.TrimPrefix(w.name+" and "+m.Dir, " and ")
		}
		walks = append(walks, w)
	}
	for _, m := range adapters {
		add(m)
	}
	for i, m := range others {
		if len(adapters) > 0 {
			add(adapters[i%len(adapters)], m)
		} else {
			add(m)
		}
	}
	front, err := r.front()
	if err != nil {
		failed = append(failed, err)
	} else if len(front.modules) > 0 {
		walks = append(walks, front)
	}
	return walks, errors.Join(failed...)
}

// front returns the walk along the repository's README, if everything that its
// code imports of this project is among the modules.
func (r *run) front() (walk, error) {
	doc, err := readReadme("README.md", r.Readme)
	if err != nil {
		return walk{}, err
	}
	w := walk{name: "README.md", readmes: []readme{doc}}
	for _, s := range doc.code {
		paths, err := s.imports()
		if err != nil {
			return walk{}, err
		}
		for _, path := range paths {
			if !strings.HasPrefix(path, publish.Prefix) {
				continue
			}
			m, ok := r.moduleOf(path)
			if !ok {
				r.Log("left out README.md, which imports %s: it is not among what is released", path)
				return walk{}, nil
			}
			if !slices.Contains(w.modules, m) {
				w.modules = append(w.modules, m)
			}
		}
	}
	return w, nil
}

// moduleOf returns the module that has the package.
func (r *run) moduleOf(path string) (publish.Module, bool) {
	for _, m := range r.Modules {
		if path == m.Path() || strings.HasPrefix(path, m.Path()+"/") {
			return m, true
		}
	}
	return publish.Module{}, false
}

// walk does what a user does, in a folder outside of the repository.
func (r *run) walk(ctx context.Context, w walk) (err error) {
	began := time.Now()
	defer func() {
		if err != nil {
			err = fmt.Errorf("rehearsal: a user of %s: %w", w.name, err)
		}
	}()
	dir := filepath.Join(r.scratch, "walks", strings.NewReplacer("/", "-", " ", "-").Replace(w.name))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if _, err := r.goCommand(ctx, dir, "mod", "init", userModule); err != nil {
		return err
	}
	programs, err := w.write(dir)
	if err != nil {
		return err
	}
	if err := r.get(ctx, dir, w); err != nil {
		return err
	}
	for _, args := range [][]string{{"build", "-o", os.DevNull, "./..."}, {"vet", "./..."}} {
		if _, err := r.goCommand(ctx, dir, args...); err != nil {
			return err
		}
	}
	if err := r.compare(ctx, dir, w); err != nil {
		return err
	}
	ran := 0
	for _, p := range programs {
		done, err := r.try(ctx, dir, p)
		if err != nil {
			return err
		}
		if done {
			ran++
		}
	}
	r.Log("walked with %s: %d of %d programs ran (%s)", w.name, ran, len(programs), since(began))
	return nil
}

// get runs the READMEs' lines "go get" and then go mod tidy, which must have
// nothing to add; where a README has no such line, its reader leaves everything
// to go mod tidy. The versions must be those that are rehearsed.
func (r *run) get(ctx context.Context, dir string, w walk) error {
	bidden := false
	for _, doc := range w.readmes {
		for _, args := range doc.gets {
			bidden = true
			if _, err := r.goCommand(ctx, dir, args...); err != nil {
				return fmt.Errorf("%s: %w", doc.name, err)
			}
		}
	}
	before, err := requirements(dir)
	if err != nil {
		return err
	}
	if _, err := r.goCommand(ctx, dir, "mod", "tidy"); err != nil {
		return err
	}
	after, err := requirements(dir)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if bidden && before[path] != after[path] {
			return fmt.Errorf("go get brings %s at %q, and go mod tidy wants %s: the lines \"go get\" of the README do not name all that its programs need",
				path, before[path], after[path])
		}
	}
	for _, m := range w.modules {
		if after[m.Path()] != m.Version {
			return fmt.Errorf("its user gets %s@%s, and %s is rehearsed", m.Path(), after[m.Path()], m.Version)
		}
	}
	return nil
}

// write writes every block of Go in the READMEs as a package of its own, and
// returns the folders of those that are programs.
func (w walk) write(dir string) (programs []program, err error) {
	n := 0
	for _, doc := range w.readmes {
		for _, s := range doc.code {
			n++
			name := fmt.Sprintf("program%d", n)
			if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(dir, name, "main.go"), s.code, 0o666); err != nil {
				return nil, err
			}
			if s.isMain {
				programs = append(programs, program{snippet: s, name: name})
			}
		}
	}
	if len(programs) == 0 && n == 0 {
		return nil, errors.New("its README has no Go code to begin with: give it a program")
	}
	return programs, nil
}

// requirements returns what the go.mod in dir requires: versions by paths.
func requirements(dir string) (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, err
	}
	mod, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		return nil, err
	}
	required := make(map[string]string)
	for _, q := range mod.Require {
		required[q.Mod.Path] = q.Mod.Version
	}
	return required, nil
}
