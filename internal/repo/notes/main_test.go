package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

const changelog = `# Changelog

## [Unreleased]

### Added

- What comes.

## [0.10.0] - 2026-11-20

### Fixed

- Less is wrong ([#7]).

## [0.1.0] - 2026-10-01
- The first.

## [0.0.1]

[0.1.0]: https://example.com
[#7]: https://example.com/7
`

func TestNotes(t *testing.T) {
	root := fstest.MapFS{
		"adapters/gin/CHANGELOG.md": {Data: []byte(changelog)},
		"core/CHANGELOG.md":         {Data: []byte(strings.ReplaceAll(changelog, "\n", "\r\n"))},
	}
	for tag, want := range map[string]string{
		"adapters/gin/v0.10.0": "### Fixed\n\n- Less is wrong ([#7]).\n\n[#7]: https://example.com/7\n",
		"adapters/gin/v0.1.0":  "- The first.\n",
		"core/v0.10.0":         "### Fixed\n\n- Less is wrong ([#7]).\n\n[#7]: https://example.com/7\n",
	} {
		if got, err := notes(root, tag); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", tag, got, err, want)
		}
	}
	for tag, want := range map[string]string{
		"adapters/gin/v0.2.0": `adapters/gin/CHANGELOG.md has no heading "## [0.2.0] - date"`,
		"adapters/gin/v0.0.1": "says nothing of 0.0.1",
		"providers/sql/v1.0":  "providers/sql/CHANGELOG.md does not exist",
		"v0.1.0":              "is no tag of a module",
		"core/0.1.0":          "is no tag of a module",
		"../core/v0.1.0":      "is no tag of a module",
	} {
		if got, err := notes(root, tag); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want an error with %q", tag, got, err, want)
		}
	}
}
