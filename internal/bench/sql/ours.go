package main

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

var (
	number = session.NewKey[int]("n")
	words  = session.NewKey[string]("text")
)

const (
	lease   = 15 * time.Second
	keyName = "X-Key" // tells the key of a new session
)

// openOurs opens this project's library with n sessions of that size.
func openOurs(ctx context.Context, p *place, n, size int) (*contender, error) {
	st, err := sqlstore.New(ctx, p.Pool, sqlstore.Config{})
	if err != nil {
		return nil, err
	}
	mgr, err := session.New(st, session.Config{ID: session.Cookie{Insecure: true}})
	if err != nil {
		return nil, err
	}
	keys := make([]session.StoreKey, n)
	c := &contender{name: "sessionstate", pool: p, handler: httpsession.New(mgr)(ourRoutes())}
	c.close = func() {
		ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		mgr.Close(ending)
		st.Close()
		p.Close()
	}
	err = c.fillAll(ctx, n, size, func(i int, h http.Header) error {
		_, err := hex.Decode(keys[i][:], []byte(h.Get(keyName)))
		return err
	})
	c.load = func(ctx context.Context, _, i int) error {
		_, err := st.Load(ctx, keys[i], false)
		return err
	}
	c.write = func(ctx context.Context, _, i int) error {
		token := session.NewToken()
		rec, err := st.Acquire(ctx, keys[i], token, lease)
		if err != nil {
			return err
		}
		rec.Write = session.NewWriteID()
		return st.Save(ctx, keys[i], rec, token, session.Commit{})
	}
	return c, err
}

func ourRoutes() http.Handler {
	h := library{
		fill: func(r *http.Request, text string) error {
			s, err := httpsession.Acquire(r)
			if err != nil {
				return err
			}
			if err := words.Set(s, text); err != nil {
				return err
			}
			return number.Set(s, 1)
		},
		read: func(r *http.Request) (int, error) {
			s, err := httpsession.Acquire(r, session.ReadOnly)
			if err != nil {
				return 0, err
			}
			return number.Get(s)
		},
		step: func(r *http.Request) (int, error) {
			s, err := httpsession.Acquire(r)
			if err != nil {
				return 0, err
			}
			n, err := number.Get(s)
			if err != nil {
				return 0, err
			}
			return n, number.Set(s, n+1)
		},
	}.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == fill {
			if _, err := httpsession.Acquire(r); err != nil {
				httpsession.Fail(w, r, err)
				return
			}
			key := httpsession.From(r).StoreKey()
			w.Header().Set(keyName, hex.EncodeToString(key[:]))
		}
		h.ServeHTTP(w, r)
	})
}
