package figures

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	beginMark = "<!-- begin "
	beginRest = ": written by make bench -->"
	endMark   = "<!-- end "
	endRest   = " -->"
)

// Replace returns a document with the blocks between their marks, and all else
// as it was:
//
//	<!-- begin NAME: written by make bench -->
//	<!-- end NAME -->
//
// Marks without a block, and blocks without marks, are errors: a figure that
// nobody measures any more must not stay, nor one be measured that nobody
// reads.
func Replace(document string, blocks []*Block) (string, error) {
	var out strings.Builder
	var errs []error
	var placed []string
	inside := "" // the name of the block whose end is to come
	number := 0
	for line := range strings.Lines(document) {
		number++
		failed := func(what string) {
			errs = append(errs, fmt.Errorf("line %d: %s", number, what))
		}
		text := strings.TrimRight(line, "\r\n")
		if name, ok := cut(text, beginMark, beginRest); ok {
			i := slices.IndexFunc(blocks, func(b *Block) bool { return b.Name == name })
			switch {
			case inside != "":
				failed(fmt.Sprintf("%q begins within %q", name, inside))
			case i < 0:
				failed(fmt.Sprintf("nothing measures %q: take its marks away", name))
			case slices.Contains(placed, name):
				failed(fmt.Sprintf("%q begins a second time", name))
			default:
				fmt.Fprintf(&out, "%s\n\n%s\n\n", text, strings.Trim(blocks[i].Text, "\n"))
			}
			inside, placed = name, append(placed, name)
			continue
		}
		if name, ok := cut(text, endMark, endRest); ok {
			if name != inside {
				failed(fmt.Sprintf("%q ends, which has not begun", name))
			}
			inside = ""
		} else if strings.HasPrefix(text, beginMark) || strings.HasPrefix(text, endMark) {
			failed("this is nearly a mark: write " + beginMark + "NAME" + beginRest + " or " + endMark + "NAME" + endRest)
		}
		if inside == "" {
			out.WriteString(line)
		}
	}
	if inside != "" {
		errs = append(errs, fmt.Errorf("%q does not end", inside))
	}
	for _, b := range blocks {
		if !slices.Contains(placed, b.Name) {
			errs = append(errs, fmt.Errorf("there is no place for %q: write %s%s%s and %s%s%s", b.Name, beginMark, b.Name, beginRest, endMark, b.Name, endRest))
		}
	}
	if len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	return out.String(), nil
}

// cut returns what stands between prefix and suffix.
func cut(s, prefix, suffix string) (string, bool) {
	s, begins := strings.CutPrefix(s, prefix)
	s, ends := strings.CutSuffix(s, suffix)
	return s, begins && ends
}
