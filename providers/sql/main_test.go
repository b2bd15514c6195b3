package sqlstore_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails if goroutines of a Store or of a pool are left when all tests
// have closed theirs. More tests run at once than there are processors, since
// most of what they do is to wait for the server.
func TestMain(m *testing.M) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		flag.Set("test.parallel", "6")
	}
	code := m.Run()
	if left := leftGoroutines(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left:\n\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leftGoroutines returns the stacks of the goroutines that this package or its
// pools have started and that do not end, "" if there are none.
func leftGoroutines() (left string) {
	look := time.NewTicker(10 * time.Millisecond) // some are just about to end
	defer look.Stop()
	for range 500 {
		if left = goroutinesOf("providers/sql.", "pgxpool.", "pgconn.", "puddle/"); left == "" {
			return ""
		}
		<-look.C
	}
	return left
}

// goroutinesOf returns the stacks of the goroutines in which one of the words
// occurs, but for those of tests.
func goroutinesOf(words ...string) string {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var found []string
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "testing.") {
			continue
		}
		for _, word := range words {
			if strings.Contains(stack, word) {
				found = append(found, stack)
				break
			}
		}
	}
	return strings.Join(found, "\n\n")
}
