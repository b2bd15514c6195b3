package snippet

import (
	"io"
	"net/http"
	"testing"

	"github.com/alexedwards/scs/v2"
)

func TestCarryOver(t *testing.T) {
	for _, hashed := range []bool{false, true} {
		old := scs.New()
		old.Cookie.Name, old.HashTokenInStore = "old", hashed
		before := old.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			old.Put(r.Context(), "user", "ada")
			old.Put(r.Context(), "cart", map[string]int{"tea": 2})
			io.WriteString(w, "logged in")
		}))
		begin(t, before, func(next http.Handler) http.Handler { return carryOver(old, next) }).carries(false)
	}
}
