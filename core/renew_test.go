package session_test

import (
	"testing"
)

// What a client has chosen must not survive a login (M16).
func TestM16_RenewOfAnAdoptedID(t *testing.T) {
	for _, mode := range writeModes {
		t.Run(mode.String(), func(t *testing.T) {
			sv := newService(t, adopting)
			c := sv.adopter()
			r := c.begin()
			s := r.acquire(mode)
			sv.check(countKey.Set(s, 1))
			sv.check(s.Renew())
			sv.check(r.end(ok200))
			if c.id == id24('a') {
				t.Fatal("Renew has left the ID that the client chose")
			}
			sv.stored(1)
			c.count(1)
		})
	}
}
