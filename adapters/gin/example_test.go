package ginsession_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
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

	r := gin.New()
	r.Use(gin.Recovery(), ginsession.New(sessions))
	r.POST("/cart/:item", func(c *gin.Context) {
		s, err := ginsession.Acquire(c) // waits its turn
		if err != nil {
			ginsession.Fail(c, err)
			return
		}
		cart, _ := cartKey.Get(s)
		cart.Items = append(cart.Items, c.Param("item"))
		if err := cartKey.Set(s, cart); err != nil {
			ginsession.Fail(c, err)
			return
		}
		c.String(http.StatusOK, "%d in the cart", len(cart.Items))
	})
	r.GET("/cart", ginsession.Require(session.ReadOnly), func(c *gin.Context) {
		cart, _ := cartKey.Get(ginsession.From(c))
		c.JSON(http.StatusOK, cart.Items)
	})
	srv := httptest.NewServer(r)
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
	// ["apple","pear"]
}

// Error replies in the service's own form.
func ExampleOptions() {
	var sessions *session.Manager // from session.New

	r := gin.New()
	r.Use(ginsession.New(sessions, ginsession.Options{
		ErrorHandler: func(c *gin.Context, err error) {
			log.Printf("%s %s: %v", c.Request.Method, c.Request.URL.Path, err)
			c.Header("Retry-After", session.RetryAfter)
			c.JSON(session.HTTPStatus(err), gin.H{"error": "your session is not available right now"})
		},
	}))
}
