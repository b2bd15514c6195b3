package httpsession_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// A shopping cart behind http.ServeMux.
func Example() {
	type Cart struct{ Items []string }
	cartKey := session.NewKey[Cart]("cart")

	sessions, err := session.New(memstore.New(), session.Config{
		ID: session.Cookie{Insecure: true}, // the example has no TLS
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /cart/{item}", func(w http.ResponseWriter, r *http.Request) {
		s, err := httpsession.Acquire(r) // waits its turn
		if err != nil {
			httpsession.Fail(w, r, err)
			return
		}
		cart, _ := cartKey.Get(s)
		cart.Items = append(cart.Items, r.PathValue("item"))
		if err := cartKey.Set(s, cart); err != nil {
			httpsession.Fail(w, r, err)
			return
		}
		fmt.Fprintf(w, "%d in the cart", len(cart.Items))
	})
	read := httpsession.Require(session.ReadOnly)
	mux.Handle("GET /cart", read(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cart, _ := cartKey.Get(httpsession.From(r))
		fmt.Fprint(w, cart.Items)
	})))
	srv := httptest.NewServer(httpsession.New(sessions)(mux))
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

	sessionsInJSON := httpsession.New(sessions, httpsession.Options{
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(session.HTTPStatus(err))
			fmt.Fprintln(w, `{"error":"your session is not available right now"}`)
		},
	})
	_ = sessionsInJSON(http.DefaultServeMux)
}
