// Notes prints what the changelog of a module says of a version, for the
// release that its tag becomes:
//
//	go run ./internal/repo/notes adapters/gin/v0.1.0
//
// It fails if there is no such section, or if nothing stands in it.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: notes TAG")
		os.Exit(2)
	}
	text, err := notes(os.DirFS("."), os.Args[1])
	if err != nil {
		fmt.Fprintf(os.Stderr, "notes: %v\n", err)
		os.Exit(1)
	}
	fmt.Print(text)
}

// notes returns the section of a tag's version in the changelog of its module.
func notes(root fs.FS, tag string) (string, error) {
	dir, version := path.Split(tag)
	version, ok := strings.CutPrefix(version, "v")
	if dir == "" || !ok || !fs.ValidPath(tag) {
		return "", fmt.Errorf("%q is no tag of a module, such as core/v0.1.0", tag)
	}
	file := dir + "CHANGELOG.md"
	data, err := fs.ReadFile(root, file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s does not exist: run this in the repository's root, with the tag of a module", file)
	}
	if err != nil {
		return "", err
	}
	text, found := section(string(data), version)
	if !found {
		return "", fmt.Errorf("%s has no heading %q", file, "## ["+version+"] - date")
	}
	if text == "" {
		return "", fmt.Errorf("%s says nothing of %s", file, version)
	}
	return text + "\n", nil
}

// definition is a line that says where a link leads. They stand at the end of a
// changelog, for all versions.
var definition = regexp.MustCompile(`(?m)^(\[[^\]]+\]): .*\n?`)

// section returns what stands between the heading of a version and the next of
// its rank, and where its links lead.
func section(changelog, version string) (text string, found bool) {
	_, after, found := strings.Cut("\n"+strings.ReplaceAll(changelog, "\r\n", "\n"), "\n## ["+version+"]")
	if !found {
		return "", false
	}
	_, after, _ = strings.Cut(after, "\n") // the rest of the heading
	before, _, _ := strings.Cut("\n"+after, "\n## ")
	text = strings.TrimSpace(definition.ReplaceAllString(before, ""))
	first := "\n\n"
	for _, m := range definition.FindAllStringSubmatch(after, -1) {
		if strings.Contains(text, m[1]) {
			text += first + strings.TrimSpace(m[0])
			first = "\n"
		}
	}
	return text, true
}
