package echosession_test

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
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
	for _, rewrites := range []bool{false, true} {
		for _, failure := range []error{nil, errors.New("the handler failed")} {
			e := newEcho()
			if rewrites {
				e.Pre(echosession.Rewrite(mgr))
			}
			e.Use(echosession.New(mgr))
			e.POST("/", func(c echo.Context) error {
				if got := c.FormValue("a"); got != "b" {
					t.Errorf("the form has %q", got)
				}
				return failure
			})
			r := httptest.NewRequest("POST", "/", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n"))
			r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
			e.ServeHTTP(httptest.NewRecorder(), r)
			if r.MultipartForm == nil || r.MultipartForm.Value["a"] == nil {
				t.Errorf("rewrites %v, %v: the request of net/http has no form", rewrites, failure)
			}
		}
	}
}
