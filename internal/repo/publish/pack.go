package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// Sums are a version's two lines in a go.sum.
type Sums struct {
	Zip string // of its files
	Mod string // of its go.mod
}

// Proxy is a module proxy in a folder: GOPROXY=file://folder.
type Proxy string

// URL returns what GOPROXY has to say.
func (p Proxy) URL() string { return "file://" + filepath.ToSlash(string(p)) }

// Add packs a module's folder as the go command packs a tag: all files but those
// of modules below it, and a copy of the licence, if that is the name of a file,
// where the folder has none. The folder must hold nothing but what is committed.
func (p Proxy) Add(m module.Version, folder, licence string) (sums Sums, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("publish: pack %s@%s: %w", m.Path, m.Version, err)
		}
	}()
	escaped, err := module.EscapePath(m.Path)
	if err != nil {
		return sums, err
	}
	versions := filepath.Join(string(p), filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(versions, 0o777); err != nil {
		return sums, err
	}
	goMod, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		return sums, err
	}
	if licence != "" {
		remove, err := lend(licence, filepath.Join(folder, "LICENSE"))
		if err != nil {
			return sums, err
		}
		defer remove()
	}
	var packed bytes.Buffer
	if err := zip.CreateFromDir(&packed, m, folder); err != nil {
		return sums, err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{m.Version, time.Now().UTC()})
	if err != nil {
		return sums, err
	}
	for ending, data := range map[string][]byte{".mod": goMod, ".info": info, ".zip": packed.Bytes()} {
		if err := os.WriteFile(filepath.Join(versions, m.Version+ending), data, 0o666); err != nil {
			return sums, err
		}
	}
	if err := list(filepath.Join(versions, "list"), m.Version); err != nil {
		return sums, err
	}
	if sums.Zip, err = dirhash.HashZip(filepath.Join(versions, m.Version+".zip"), dirhash.Hash1); err != nil {
		return sums, err
	}
	sums.Mod, err = dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(goMod)), nil
	})
	return sums, err
}

// lend copies a file to where there is none, until remove is called.
func lend(from, to string) (remove func(), err error) {
	if _, err := os.Stat(to); err == nil {
		return func() {}, nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(to, data, 0o666); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(to) }, nil
}

// list adds a version to a proxy's list of them.
func list(file, version string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, version)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
