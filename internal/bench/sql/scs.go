package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/pgxstore"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
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
		m, handler := clients.SCS(st, idle)
		c := newContender("scs", p, handler)
		c.close = p.Close
		if idle > 0 {
			c.Name = "scs, idle timeout"
		}
		tokens := make([]string, n)
		err := c.FillAll(ctx, n, size, conns, func(i int, _ http.Header) error {
			_, tokens[i], _ = strings.Cut(c.Cookies[i], "=")
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
