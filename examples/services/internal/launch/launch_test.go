package launch

import (
	"io"
	"net"
	"testing"
)

// TestPlan_KeepsItsAddresses: nobody else gets a service's address before the
// service has it, nor while it is started again.
func TestPlan_KeepsItsAddresses(t *testing.T) {
	l := &launcher{out: &output{w: io.Discard}, getenv: func(string) string { return "" }}
	list, _, err := l.plan(Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, sv := range list {
		other, err := net.Listen("tcp", sv.addr)
		if err == nil {
			other.Close()
			t.Errorf("somebody else can take the address of %s", sv.name)
		}
	}
}
