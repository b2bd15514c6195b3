package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

const unreleased = "## [Unreleased]"

// closeChangelog gives the version to what a CHANGELOG.md has under Unreleased,
// and returns that.
func closeChangelog(file, version string, date time.Time) (notes string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	before, after, found := strings.Cut(string(data), "\n"+unreleased+"\n")
	if !found {
		return "", fmt.Errorf("CHANGELOG.md has no heading %q", unreleased)
	}
	section, rest, more := strings.Cut(after, "\n## ")
	if more {
		rest = "\n## " + rest
	}
	notes = strings.TrimSpace(section)
	if !hasEntries(notes) {
		return "", errors.New("CHANGELOG.md has nothing under Unreleased: write there what users will see, or do not release it")
	}
	heading := fmt.Sprintf("## [%s] - %s", strings.TrimPrefix(version, "v"), date.Format(time.DateOnly))
	if strings.Contains(rest, "\n## ["+strings.TrimPrefix(version, "v")+"]") {
		return "", fmt.Errorf("CHANGELOG.md has a heading for %s already", version)
	}
	text := before + "\n" + unreleased + "\n\n" + heading + "\n\n" + notes + "\n" + rest
	return notes, os.WriteFile(file, []byte(text), 0o666)
}

// linkTarget is a line that says where links lead, which stand at the end.
var linkTarget = regexp.MustCompile(`^\[[^\]]+\]: `)

// hasEntries reports whether there is more than headings and targets of links.
func hasEntries(section string) bool {
	for line := range strings.Lines(section) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !linkTarget.MatchString(line) {
			return true
		}
	}
	return false
}
