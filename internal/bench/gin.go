package main

import (
	"context"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/memstore"
	"github.com/gin-gonic/gin"

	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
)

// signingKey is for the cookies of those that sign them.
var signingKey = []byte("0123456789abcdef0123456789abcdef")

// cookieName is for the cookies of those that have no default.
const cookieName = "session"

func ginFramework() framework {
	gin.SetMode(gin.ReleaseMode)
	return framework{
		name: "Gin",
		bare: func() client { return newHTTPClient(ginEngine(nil, library[*gin.Context]{}.routes(new(seen)))) },
		ours: contender{name: "sessionstate", open: func(see *seen) (client, func() error, error) {
			mgr, closer, err := newManager()
			if err != nil {
				return nil, nil, err
			}
			l := sessionstate(ginsession.Acquire)
			return newHTTPClient(ginEngine(ginsession.New(mgr), l.routes(see))), closer, nil
		}},
		peers: []contender{
			{name: "scs around the engine", open: func(see *seen) (client, func() error, error) {
				m := newSCS(0)
				l := scsLibrary(m, func(c *gin.Context) context.Context { return c.Request.Context() })
				return newHTTPClient(m.LoadAndSave(ginEngine(nil, l.routes(see)))), nothingToClose, nil
			}},
			{name: "gin-contrib/sessions", open: func(see *seen) (client, func() error, error) {
				m := sessions.Sessions(cookieName, memstore.NewStore(signingKey))
				return newHTTPClient(ginEngine(m, ginContrib().routes(see))), nothingToClose, nil
			}},
		},
	}
}

func ginContrib() library[*gin.Context] {
	return library[*gin.Context]{
		fill: func(c *gin.Context) error {
			s := sessions.Default(c)
			s.Set("text", text)
			s.Set("n", 1)
			return s.Save()
		},
		read: func(c *gin.Context) (int, error) {
			n, _ := sessions.Default(c).Get("n").(int)
			return n, nil
		},
		step: func(c *gin.Context) (int, error) {
			s := sessions.Default(c)
			n, _ := s.Get("n").(int)
			s.Set("n", n+1)
			return n, s.Save()
		},
		look: func(c *gin.Context) (int, string, error) {
			s := sessions.Default(c)
			n, _ := s.Get("n").(int)
			text, _ := s.Get("text").(string)
			return n, text, nil
		},
	}
}

func ginEngine(middleware gin.HandlerFunc, routes map[string]func(*gin.Context)) *gin.Engine {
	e := gin.New()
	if middleware != nil {
		e.Use(middleware)
	}
	for path, do := range routes {
		e.GET(path, func(c *gin.Context) {
			do(c)
			c.Writer.Write(ok)
		})
	}
	return e
}
