package ginsession_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// TestM12_HandleContext: Engine.HandleContext, by which pages are sent on within
// the engine, puts back the writer that the engine has made, runs the middlewares
// again, and sends the headers when they have returned.
func TestM12_HandleContext(t *testing.T) {
	skip := ginsession.Options{Skip: func(c *gin.Context) bool { return c.Request.URL.Path == "/skipped" }}
	for name, chain := range map[string]func(*session.Manager) []gin.HandlerFunc{
		"alone": only,
		"inside of a log": func(mgr *session.Manager) []gin.HandlerFunc {
			return []gin.HandlerFunc{gin.Recovery(), ginsession.New(mgr)}
		},
		"nested": func(mgr *session.Manager) []gin.HandlerFunc {
			return []gin.HandlerFunc{ginsession.New(mgr), ginsession.New(mgr)}
		},
		"skipped there": func(mgr *session.Manager) []gin.HandlerFunc { return []gin.HandlerFunc{ginsession.New(mgr, skip)} },
		"two Managers": func(mgr *session.Manager) []gin.HandlerFunc {
			return []gin.HandlerFunc{ginsession.New(mgr), ginsession.New(newManager(t, memstore.New(), "second"))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newBareSite(t)
			s.engine.Use(chain(s.mgr)...)
			s.start(s.engine)
			to := "/there"
			if name == "skipped there" {
				to = "/skipped"
			}
			acquire := func(c *gin.Context, text string) {
				sess, err := s.mgr.Acquire(c.Request.Context())
				if err == nil {
					err = note.Set(sess, text)
				}
				if err != nil {
					t.Error(err)
				}
			}
			send := func(c *gin.Context) {
				if c.Query("first") != "" {
					acquire(c, "first")
				}
				c.Request.URL.Path = to
				s.engine.HandleContext(c)
			}
			s.engine.GET("/", send)
			s.engine.NoRoute(send)
			s.engine.GET(to, func(c *gin.Context) {
				if c.Query("first") == "" {
					acquire(c, "new")
				}
				switch c.Query("reply") {
				case "body":
					c.String(http.StatusAccepted, "there")
				case "failure":
					c.String(http.StatusInternalServerError, "failed")
				default:
					c.Status(http.StatusAccepted)
				}
			})
			for _, path := range []string{"/?reply=body", "/?reply=status", "/missing?reply=body", "/?reply=body&first=1", "/?reply=status&first=1"} {
				s.id = ""
				body := ""
				if path != "/?reply=status" && path != "/?reply=status&first=1" {
					body = "there"
				}
				s.want(s.do("GET", path), 202, body)
				if s.id == "" {
					t.Errorf("%s: no cookie", path)
				}
				if path == "/?reply=body" {
					s.wantNote("new")
				}
			}
			s.seed("old")
			s.want(s.do("GET", "/?reply=failure"), 500, "failed")
			s.wantNote("old")
			s.down()
			s.want(s.do("GET", "/?reply=body"), 503, "Service Unavailable")
			s.want(s.do("GET", "/?reply=status"), 503, "Service Unavailable")
			s.faults.Reset()
			s.wantNote("old")
		})
	}
}
