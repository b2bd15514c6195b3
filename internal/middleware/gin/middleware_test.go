package gin_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-contrib/cors"
	gingzip "github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
)

func TestA1_GzipOnEitherSide(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	replies := map[string]struct {
		reply  gin.HandlerFunc
		status int
		body   string
	}{
		"nothing":      {func(*gin.Context) {}, 200, ""},
		"a status":     {func(c *gin.Context) { c.Status(202) }, 202, ""},
		"no content":   {func(c *gin.Context) { c.AbortWithStatus(204) }, 204, ""},
		"short":        {func(c *gin.Context) { c.String(200, "short") }, 200, "short"},
		"JSON":         {func(c *gin.Context) { c.JSON(201, gin.H{"a": 1}) }, 201, `{"a":1}`},
		"not found":    {func(c *gin.Context) { c.String(404, "not here") }, 404, "not here"},
		"forbidden":    {func(c *gin.Context) { c.AbortWithStatus(403) }, 403, ""},
		"long":         {func(c *gin.Context) { c.String(200, long) }, 200, long},
		"redirect":     {func(c *gin.Context) { c.Redirect(303, "/x") }, 303, "See Other"},
		"flush, write": {func(c *gin.Context) { c.Writer.Flush(); c.String(200, "late") }, 200, "late"},
		"write, flush": {func(c *gin.Context) { c.String(200, "a"); c.Writer.Flush(); c.String(200, "b") }, 200, "ab"},
	}
	for side, chain := range sides(func() gin.HandlerFunc { return gingzip.Gzip(gingzip.BestSpeed) }) {
		for name, r := range replies {
			for _, down := range []bool{false, true} {
				t.Run(side+", "+name, func(t *testing.T) {
					t.Parallel()
					s := newSite(t, chain)
					s.engine.GET("/", func(c *gin.Context) {
						set(t, c, "new")
						if down {
							s.down()
						}
						r.reply(c)
					})
					s.seed("old")
					got := inflate(t, s.do("GET", "/", "Accept-Encoding", "gzip"))
					if down {
						s.want(got, 503, "Service Unavailable")
						s.faults.Reset()
						s.wantNote("old")
						return
					}
					s.want(got, r.status, r.body)
					s.wantNote("new")
				})
			}
		}
	}
}

func inflate(t testing.TB, r reply) reply {
	t.Helper()
	if r.Header.Get("Content-Encoding") == "gzip" && r.body != "" {
		z, err := gzip.NewReader(strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		r.body = string(body)
	}
	return r
}

// TestA2_CORSOnEitherSide: scripts of other origins can read error replies.
func TestA2_CORSOnEitherSide(t *testing.T) {
	const origin = "https://shop.example"
	mw := func() gin.HandlerFunc {
		return cors.New(cors.Config{AllowOrigins: []string{origin}, AllowMethods: []string{"GET"}, AllowCredentials: true})
	}
	for side, chain := range sides(mw) {
		s := newSite(t, chain)
		s.engine.GET("/", func(c *gin.Context) {
			set(t, c, "new")
			s.down()
			c.String(http.StatusOK, "held")
		})
		s.engine.GET("/fail", func(c *gin.Context) { ginsession.Fail(c, session.ErrQueueFull) })
		for path, status := range map[string]int{"/": 503, "/fail": 429} {
			got := s.do("GET", path, "Origin", origin)
			if got.StatusCode != status || got.Header.Get("Access-Control-Allow-Origin") != origin || got.Header.Get("Retry-After") == "" {
				t.Errorf("%s, %s: got %d, %v", side, path, got.StatusCode, got.Header)
			}
		}
		got := s.do("OPTIONS", "/", "Origin", origin, "Access-Control-Request-Method", "GET")
		if got.StatusCode != 204 || got.Header.Get("Access-Control-Allow-Methods") != "GET" || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: preflight got %d, %v", side, got.StatusCode, got.Header)
		}
	}
}

// TestM12_GzipWithinHandleContext: a request that is sent on within the engine
// passes gzip twice.
func TestM12_GzipWithinHandleContext(t *testing.T) {
	s := newSite(t, sides(func() gin.HandlerFunc { return gingzip.Gzip(gingzip.BestSpeed) })["inside"])
	s.engine.NoRoute(func(c *gin.Context) {
		c.Request.URL.Path = "/there"
		s.engine.HandleContext(c)
	})
	s.engine.GET("/there", func(c *gin.Context) {
		set(t, c, c.Query("note"))
		c.String(202, "there")
	})
	s.want(inflate(t, s.do("GET", "/missing?note=new", "Accept-Encoding", "gzip")), 202, "there")
	s.wantNote("new")
	s.down()
	s.want(inflate(t, s.do("GET", "/missing?note=lost", "Accept-Encoding", "gzip")), 503, "Service Unavailable")
	s.faults.Reset()
	s.wantNote("new")
}
