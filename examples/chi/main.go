// The shop on chi. From the repository's root:
//
//	go run ./examples/chi
package main

import (
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

func main() { os.Exit(serve.Main(build)) }

func build(sessions *session.Manager, sh *shop.Shop) serve.Server {
	return serve.HTTP(routes(sessions, sh))
}

// routes gives the shop its addresses.
func routes(sessions *session.Manager, sh *shop.Shop) chi.Router {
	refuse := func(err error) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { write(w, sh.Error(err)) }
	}
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(refuse(shop.ErrOtherSite))

	r := chi.NewRouter()
	r.Use(
		middleware.Recoverer, // outside the sessions: a panic has released its session when it comes by here
		secure,
		sameOrigin.Handler,
		chisession.New(sessions, chisession.Options{ // costs nothing until a session is acquired
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { write(w, sh.Error(err)) },
		}),
	)
	r.NotFound(refuse(shop.ErrNotFound))
	static := http.StripPrefix("/static/", http.FileServerFS(sh.Static())) // acquires nothing
	r.Method("GET", "/static/*", static)
	r.Method("HEAD", "/static/*", static)

	r.Get("/", acquire(sh.Products)) // Exclusive, the default
	r.Post("/cart/add", acquire(sh.AddToCart))
	r.Post("/cart/remove", acquire(sh.RemoveFromCart))
	r.Post("/order", acquire(sh.Order))
	r.Post("/login", acquire(sh.Login))
	r.Post("/logout", acquire(sh.Logout, session.Snapshot))
	r.Group(func(r chi.Router) {
		r.Use(chisession.Require(session.ReadOnly))
		r.Get("/cart", acquired(sh.Cart))
		r.Get("/login", acquired(sh.LoginPage))
	})

	r.Get("/lab", acquire(sh.Lab))
	r.Post("/lab/reset", acquire(sh.LabReset))
	r.Post("/lab/update", labRequest(sh.LabUpdate))
	r.Get("/lab/count", labRequest(sh.LabCount))
	return r
}

// acquire makes a handler that acquires the session itself, when it has all it
// needs, and does an action with it.
func acquire(do shop.Action, mode ...session.Mode) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, err := shop.ReadForm(w, r)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		s, err := chisession.Acquire(r, mode...)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		res, err := do(s, form)
		reply(w, r, res, err)
	}
}

// acquired makes a handler behind Require, which has acquired the session or
// answered that it cannot.
func acquired(do shop.Action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		res, err := do(chisession.From(r), r.FormValue)
		reply(w, r, res, err)
	}
}

// labRequest makes a handler that acquires the session in the mode that the
// visitor chooses, and measures how long it waits.
func labRequest(do func(*session.Session, shop.Form, time.Duration) (shop.Result, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, err := shop.ReadForm(w, r)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		mode, err := shop.ParseMode(form("mode"))
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		asked := time.Now()
		s, err := chisession.Acquire(r, mode)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		res, err := do(s, form, time.Since(asked))
		reply(w, r, res, err)
	}
}

// secure adds the headers that every reply has, whatever becomes of it.
func secure(next http.Handler) http.Handler {
	headers := shop.SecurityHeaders()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

// reply answers with what came of an action. An error is the session's, and Fail
// gives it to the ErrorHandler.
func reply(w http.ResponseWriter, r *http.Request, res shop.Result, err error) {
	if err != nil {
		chisession.Fail(w, r, err)
		return
	}
	write(w, res)
}

func write(w http.ResponseWriter, res shop.Result) {
	for name, value := range res.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(res.Status)
	w.Write(res.Body) // an error here means that the client has gone
}
