package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// party is a process's sessions, for those who wait for each other.
type party struct {
	mgr *session.Manager
	st  *sqlstore.Store
	own *place
}

// newParty opens the sessions on a pool, which becomes its own.
func newParty(ctx context.Context, own *place, mode string) (*party, error) {
	stored := sqlstore.Config{}
	config := session.Config{ID: session.Cookie{Insecure: true}}
	if mode == byPoll {
		stored.Listen, config.PollInterval = sqlstore.ListenOff, pollTime
	}
	st, err := sqlstore.New(ctx, own.Pool, stored)
	if err != nil {
		return nil, err
	}
	mgr, err := session.New(st, config)
	if err != nil {
		st.Close()
		return nil, err
	}
	return &party{mgr, st, own}, nil
}

func (p *party) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	p.mgr.Close(ctx)
	p.st.Close()
	p.own.Close()
}

// request makes a request that does this with its session, and returns the
// cookies that it set.
func (p *party) request(ctx context.Context, cookie string, do func(*session.Session) error) ([]*http.Cookie, error) {
	var failed error
	h := httpsession.New(p.mgr)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
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

// start makes a session and returns its cookie.
func (p *party) start(ctx context.Context) (string, error) {
	set, err := p.request(ctx, "", func(s *session.Session) error {
		if err := words.Set(s, text(300, 1)); err != nil {
			return err
		}
		return number.Set(s, 1)
	})
	if err != nil {
		return "", err
	}
	if len(set) != 1 {
		return "", fmt.Errorf("bench: a new session set %d cookies", len(set))
	}
	return set[0].Name + "=" + set[0].Value, nil
}

// hold holds the session while that is done, which gets the function that
// stores a change and lets go.
func (p *party) hold(ctx context.Context, cookie string, do func(release func() error) error) error {
	_, err := p.request(ctx, cookie, func(s *session.Session) error {
		n, err := number.Get(s)
		if err != nil {
			return err
		}
		if err := number.Set(s, n+1); err != nil {
			return err
		}
		return do(func() error { return s.Release(ctx) })
	})
	return err
}

// ask waits for the session, and returns when it had it.
func (p *party) ask(ctx context.Context, cookie string) (at time.Time, err error) {
	_, err = p.request(ctx, cookie, func(*session.Session) error {
		at = time.Now()
		return nil
	})
	return at, err
}
