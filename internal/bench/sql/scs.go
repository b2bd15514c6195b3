package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/v2"
)

// scsSchema is the table as pgxstore's documentation has it.
const scsSchema = `CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL);
	CREATE INDEX sessions_expiry_idx ON sessions (expiry)`

var errGone = errors.New("bench: scs: the session is gone")

// openSCS opens scs with pgxstore. idle is the idle timeout; zero is the
// default, none.
func openSCS(idle time.Duration) func(ctx context.Context, p *place, n, size int) (*contender, error) {
	return func(ctx context.Context, p *place, n, size int) (*contender, error) {
		if _, err := p.Exec(ctx, scsSchema); err != nil {
			return nil, err
		}
		// Without the goroutine that removes what has expired.
		st := pgxstore.NewWithCleanupInterval(p.Pool, 0)
		m := scs.New()
		m.Store, m.IdleTimeout = st, idle
		m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		c := &contender{name: "scs", pool: p, handler: m.LoadAndSave(scsRoutes(m)), close: p.Close}
		if idle > 0 {
			c.name = "scs, idle timeout"
		}
		tokens := make([]string, n)
		err := c.fillAll(ctx, n, size, func(i int, _ http.Header) error {
			_, tokens[i], _ = strings.Cut(c.cookies[i], "=")
			return nil
		})
		// The expiry moves only with an idle timeout.
		fixed := time.Now().Add(m.Lifetime)
		expiry := func() time.Time {
			if idle > 0 {
				return time.Now().Add(idle)
			}
			return fixed
		}
		c.load = func(_ context.Context, _, i int) error {
			_, found, err := st.Find(tokens[i])
			if err == nil && !found {
				return errGone
			}
			return err
		}
		c.write = func(_ context.Context, _, i int) error {
			b, found, err := st.Find(tokens[i])
			if err != nil {
				return err
			}
			if !found {
				return errGone
			}
			return st.Commit(tokens[i], b, expiry())
		}
		if idle > 0 {
			c.load = c.write // so it is: each request writes
		}
		return c, err
	}
}

func scsRoutes(m *scs.SessionManager) http.Handler {
	return library{
		fill: func(r *http.Request, text string) error {
			m.Put(r.Context(), "text", text)
			m.Put(r.Context(), "n", 1)
			return nil
		},
		read: func(r *http.Request) (int, error) { return m.GetInt(r.Context(), "n"), nil },
		step: func(r *http.Request) (int, error) {
			n := m.GetInt(r.Context(), "n")
			m.Put(r.Context(), "n", n+1)
			return n, nil
		},
	}.routes()
}
