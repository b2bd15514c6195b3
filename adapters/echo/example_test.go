package echosession_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// A shopping cart.
func Example() {
	type Cart struct{ Items []string }
	cartKey := session.NewKey[Cart]("cart")

	sessions, err := session.New(memstore.New(), session.Config{
		ID: session.Cookie{Insecure: true}, // the example has no TLS
	})
	if err != nil {
		log.Fatal(err)
	}

	e := echo.New()
	e.Use(middleware.Recover(), echosession.New(sessions))
	e.POST("/cart/:item", func(c echo.Context) error {
		s, err := echosession.Acquire(c) // waits its turn
		if err != nil {
			return err
		}
		cart, _ := cartKey.Get(s)
		cart.Items = append(cart.Items, c.Param("item"))
		if err := cartKey.Set(s, cart); err != nil {
			return err
		}
		return c.String(http.StatusOK, fmt.Sprintf("%d in the cart", len(cart.Items)))
	})
	e.GET("/cart", func(c echo.Context) error {
		cart, _ := cartKey.Get(echosession.From(c))
		return c.String(http.StatusOK, fmt.Sprint(cart.Items))
	}, echosession.Require(session.ReadOnly))
	srv := httptest.NewServer(e)
	defer srv.Close()

	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	show := func(res *http.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		fmt.Printf("%s\n", body)
	}
	show(client.Post(srv.URL+"/cart/apple", "", nil))
	show(client.Post(srv.URL+"/cart/pear", "", nil))
	show(client.Get(srv.URL + "/cart"))
	// Output:
	// 1 in the cart
	// 2 in the cart
	// [apple pear]
}

// Error replies in the service's own form.
func ExampleOptions() {
	var sessions *session.Manager // from session.New

	e := echo.New()
	e.Use(echosession.New(sessions, echosession.Options{
		ErrorHandler: func(c echo.Context, err error) error {
			log.Printf("%s %s: %v", c.Request().Method, c.Path(), err)
			c.Response().Header().Set(echo.HeaderRetryAfter, session.RetryAfter)
			return c.JSON(session.HTTPStatus(err), map[string]string{"error": "your session is not available right now"})
		},
	}))
}
