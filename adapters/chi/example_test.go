package chisession_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/go-chi/chi/v5"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

func Example() {
	sessions, err := session.New(memstore.New(), session.Config{
		ID: session.Cookie{Insecure: true}, // the example has no TLS
	})
	if err != nil {
		log.Fatal(err)
	}
	visits := session.NewKey[int]("visits")

	r := chi.NewRouter()
	r.Use(chisession.New(sessions))
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		s, err := chisession.Acquire(r) // waits its turn
		if err == nil {
			err = visits.Update(s, func(n int) int { return n + 1 })
		}
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		fmt.Fprint(w, "counted")
	})
	r.With(chisession.Require(session.ReadOnly)).Get("/visits", func(w http.ResponseWriter, r *http.Request) {
		n, _ := visits.Get(chisession.From(r)) // acquired by Require
		fmt.Fprintf(w, "%d visits", n)
	})

	srv := httptest.NewServer(r)
	defer srv.Close()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	for _, path := range []string{"/", "/", "/visits"} {
		res, err := client.Get(srv.URL + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Printf("%s\n", body)
	}
	// Output:
	// counted
	// counted
	// 2 visits
}
