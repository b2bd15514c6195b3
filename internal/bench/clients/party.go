package clients

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// Party is a process's sessions, for those who wait for each other.
type Party struct{ *session.Manager }

// Request makes a request that does this with its session, and returns the
// cookies that it set.
func (p Party) Request(ctx context.Context, cookie string, do func(*session.Session) error) ([]*http.Cookie, error) {
	var failed error
	h := httpsession.New(p.Manager)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := httpsession.Acquire(r)
		if err == nil {
			err = do(s)
		}
		failed = err
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if failed == nil && w.Code != http.StatusOK {
		failed = fmt.Errorf("bench: the request got %d", w.Code)
	}
	answer := w.Result()
	answer.Body.Close()
	return answer.Cookies(), failed
}

// Start makes a session and returns its cookie.
func (p Party) Start(ctx context.Context) (string, error) {
	set, err := p.Request(ctx, "", func(s *session.Session) error {
		if err := Words.Set(s, Text(300, 1)); err != nil {
			return err
		}
		return Number.Set(s, 1)
	})
	if err != nil {
		return "", err
	}
	if len(set) != 1 {
		return "", fmt.Errorf("bench: a new session set %d cookies", len(set))
	}
	return set[0].Name + "=" + set[0].Value, nil
}

// Hold holds the session while that is done, which gets the function that
// stores a change and lets go.
func (p Party) Hold(ctx context.Context, cookie string, do func(release func() error) error) error {
	_, err := p.Request(ctx, cookie, func(s *session.Session) error {
		n, err := Number.Get(s)
		if err != nil {
			return err
		}
		if err := Number.Set(s, n+1); err != nil {
			return err
		}
		return do(func() error { return s.Release(ctx) })
	})
	return err
}

// Ask waits for the session, and returns when it had it.
func (p Party) Ask(ctx context.Context, cookie string) (at time.Time, err error) {
	_, err = p.Request(ctx, cookie, func(*session.Session) error {
		at = time.Now()
		return nil
	})
	return at, err
}
