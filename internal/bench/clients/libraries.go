package clients

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// The values of a session.
var (
	Number = session.NewKey[int]("n")
	Words  = session.NewKey[string]("text")
)

// KeyName is the header that tells the StoreKey of a new session.
const KeyName = "X-Key"

// Sessionstate is this project's library in a net/http service.
func Sessionstate(mgr *session.Manager) http.Handler {
	h := Library{
		Fill: func(r *http.Request, text string) error {
			s, err := httpsession.Acquire(r)
			if err != nil {
				return err
			}
			if err := Words.Set(s, text); err != nil {
				return err
			}
			return Number.Set(s, 1)
		},
		Read: func(r *http.Request) (int, error) {
			s, err := httpsession.Acquire(r, session.ReadOnly)
			if err != nil {
				return 0, err
			}
			return Number.Get(s)
		},
		Step: func(r *http.Request) (int, error) {
			s, err := httpsession.Acquire(r)
			if err != nil {
				return 0, err
			}
			n, err := Number.Get(s)
			if err != nil {
				return 0, err
			}
			return n, Number.Set(s, n+1)
		},
	}.Routes()
	return httpsession.New(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == Fill {
			if _, err := httpsession.Acquire(r); err != nil {
				httpsession.Fail(w, r, err)
				return
			}
			key := httpsession.From(r).StoreKey()
			w.Header().Set(KeyName, hex.EncodeToString(key[:]))
		}
		h.ServeHTTP(w, r)
	}))
}

// SCS is alexedwards/scs in a net/http service. idle is its idle timeout; zero
// is its default, none.
func SCS(st scs.Store, idle time.Duration) (*scs.SessionManager, http.Handler) {
	m := scs.New()
	m.Store, m.IdleTimeout = st, idle
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return m, m.LoadAndSave(Library{
		Fill: func(r *http.Request, text string) error {
			m.Put(r.Context(), "text", text)
			m.Put(r.Context(), "n", 1)
			return nil
		},
		Read: func(r *http.Request) (int, error) { return m.GetInt(r.Context(), "n"), nil },
		Step: func(r *http.Request) (int, error) {
			n := m.GetInt(r.Context(), "n")
			m.Put(r.Context(), "n", n+1)
			return n, nil
		},
	}.Routes())
}

// Close ends a Manager whose requests have ended.
func Close(mgr *session.Manager) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return mgr.Close(ctx)
}
