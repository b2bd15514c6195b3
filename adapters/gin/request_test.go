package ginsession_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// TestFormGoesBack: net/http removes the files of an upload if it finds the form
// in the request that it made, and not in a copy of that.
func TestFormGoesBack(t *testing.T) {
	mgr, err := session.New(memstore.New(), session.Config{ID: session.URI{}, ReapInterval: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	engine.Use(ginsession.New(mgr))
	engine.POST("/", func(c *gin.Context) {
		if got := c.PostForm("a"); got != "b" {
			t.Errorf("the form has %q", got)
		}
	})
	for name, h := range map[string]http.Handler{"New": engine, "Rewrite and New": ginsession.Rewrite(mgr)(engine)} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n"))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		h.ServeHTTP(httptest.NewRecorder(), r)
		if r.MultipartForm == nil || r.MultipartForm.Value["a"] == nil {
			t.Errorf("%s: the request of net/http has no form", name)
		}
	}
}
