package snippet

import (
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/gorilla/sessions"
)

func TestCarryOver(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	dir := t.TempDir()
	cookies := sessions.NewCookieStore(key)
	cookies.Options.Secure = false
	for _, c := range []struct {
		old    sessions.Store
		copied bool
	}{{sessions.NewFilesystemStore(dir, key), false}, {cookies, true}} {
		before := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := c.old.Get(r, "old")
			s.Values["user"], s.Values["cart"] = "ada", map[string]int{"tea": 2}
			if err := s.Save(r, w); err != nil {
				t.Error(err)
			}
			io.WriteString(w, "logged in")
		})
		begin(t, before, func(next http.Handler) http.Handler { return carryOver(c.old, "old", next) }).carries(c.copied)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}
