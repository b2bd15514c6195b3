package rehearsal

import (
	"fmt"
	"os"
	"testing"
)

// TestMain keeps the tests off the network.
func TestMain(m *testing.M) {
	if err := os.Setenv("GOPROXY", "off"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
