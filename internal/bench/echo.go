package main

import (
	"github.com/gorilla/sessions"
	echocontrib "github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
	"github.com/quasoft/memstore"

	echosession "github.com/sessionstate/sessionstate/adapters/echo"
)

func echoFramework() framework {
	return framework{
		name: "Echo",
		bare: func() client { return newHTTPClient(echoServer(nil, library[echo.Context]{}.routes(new(seen)))) },
		ours: contender{name: "sessionstate", open: func(see *seen) (client, func() error, error) {
			mgr, closer, err := newManager()
			if err != nil {
				return nil, nil, err
			}
			l := sessionstate(echosession.Acquire)
			return newHTTPClient(echoServer(echosession.New(mgr), l.routes(see))), closer, nil
		}},
		peers: []contender{
			{name: "echo-contrib/session, cookie store", inCookie: true, open: echoContribWith(sessions.NewCookieStore(signingKey))},
			{name: "echo-contrib/session, memstore", open: echoContribWith(memstore.NewMemStore(signingKey))},
		},
	}
}

func echoContribWith(store sessions.Store) func(see *seen) (client, func() error, error) {
	return func(see *seen) (client, func() error, error) {
		return newHTTPClient(echoServer(echocontrib.Middleware(store), echoContrib().routes(see))), nothingToClose, nil
	}
}

func echoContrib() library[echo.Context] {
	return library[echo.Context]{
		fill: func(c echo.Context) error {
			s, err := echocontrib.Get(cookieName, c)
			if err != nil {
				return err
			}
			s.Values["text"] = text
			s.Values["n"] = 1
			return s.Save(c.Request(), c.Response())
		},
		read: func(c echo.Context) (int, error) {
			s, err := echocontrib.Get(cookieName, c)
			if err != nil {
				return 0, err
			}
			n, _ := s.Values["n"].(int)
			return n, nil
		},
		step: func(c echo.Context) (int, error) {
			s, err := echocontrib.Get(cookieName, c)
			if err != nil {
				return 0, err
			}
			n, _ := s.Values["n"].(int)
			s.Values["n"] = n + 1
			return n, s.Save(c.Request(), c.Response())
		},
		look: func(c echo.Context) (int, string, error) {
			s, err := echocontrib.Get(cookieName, c)
			if err != nil {
				return 0, "", err
			}
			n, _ := s.Values["n"].(int)
			text, _ := s.Values["text"].(string)
			return n, text, nil
		},
	}
}

func echoServer(middleware echo.MiddlewareFunc, routes map[string]func(echo.Context)) *echo.Echo {
	e := echo.New()
	if middleware != nil {
		e.Use(middleware)
	}
	for path, do := range routes {
		e.GET(path, func(c echo.Context) error {
			do(c)
			_, err := c.Response().Write(ok)
			return err
		})
	}
	return e
}
