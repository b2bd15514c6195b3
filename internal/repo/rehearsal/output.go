package rehearsal

import (
	"strings"
	"sync"
)

// tailSize is how much of a command's output an error shows.
const tailSize = 4 << 10

// tail collects what a command prints; it is safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	all []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, p...)
	return len(p), nil
}

// String returns everything.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.all)
}

// text returns the end, for an error, without the go command's reports of what
// it downloads.
func (t *tail) text() string {
	var lines []string
	for line := range strings.Lines(t.String()) {
		if !strings.HasPrefix(line, "go: downloading ") {
			lines = append(lines, line)
		}
	}
	text := strings.TrimSpace(strings.Join(lines, ""))
	if len(text) > tailSize {
		text = "…" + text[len(text)-tailSize:]
	}
	return text
}

// both writes to two tails.
type both [2]*tail

func (b both) Write(p []byte) (int, error) {
	for _, t := range b {
		_, _ = t.Write(p)
	}
	return len(p), nil
}
