package fibersession_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gofiber/fiber/v2"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"

	fibersession "github.com/sessionstate/sessionstate/adapters/fiber"
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

	app := fiber.New()
	app.Use(fibersession.New(sessions))
	app.Post("/cart/:item", func(c *fiber.Ctx) error {
		s, err := fibersession.Acquire(c) // waits its turn
		if err != nil {
			return fibersession.Fail(c, err)
		}
		cart, _ := cartKey.Get(s)
		cart.Items = append(cart.Items, c.Params("item"))
		if err := cartKey.Set(s, cart); err != nil {
			return fibersession.Fail(c, err)
		}
		return c.SendString(fmt.Sprintf("%d in the cart", len(cart.Items)))
	})
	app.Get("/cart", fibersession.Require(session.ReadOnly), func(c *fiber.Ctx) error {
		cart, _ := cartKey.Get(fibersession.From(c))
		return c.SendString(fmt.Sprint(cart.Items))
	})

	var cookie string
	show := func(method, path string) {
		req := httptest.NewRequest(method, path, http.NoBody)
		req.Header.Set("Cookie", cookie)
		res, err := app.Test(req, -1)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		for _, c := range res.Cookies() {
			cookie = c.Name + "=" + c.Value
		}
		body, _ := io.ReadAll(res.Body)
		fmt.Printf("%s\n", body)
	}
	show("POST", "/cart/apple")
	show("POST", "/cart/pear")
	show("GET", "/cart")
	// Output:
	// 1 in the cart
	// 2 in the cart
	// [apple pear]
}

// Error replies in the service's own form.
func ExampleOptions() {
	var sessions *session.Manager // from session.New

	app := fiber.New()
	app.Use(fibersession.New(sessions, fibersession.Options{
		ErrorHandler: func(c *fiber.Ctx, err error) error {
			log.Printf("%s %s: %v", c.Method(), c.Path(), err)
			c.Set(fiber.HeaderRetryAfter, session.RetryAfter)
			return c.Status(session.HTTPStatus(err)).JSON(fiber.Map{"error": "your session is not available right now"})
		},
	}))
}
