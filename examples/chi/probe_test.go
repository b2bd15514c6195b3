package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
)

// buildProbed is build with the probes of the script.
func buildProbed(sessions *session.Manager, sh *shop.Shop) serve.Server {
	r := routes(sessions, sh)
	for path, action := range shoptest.Actions() {
		r.Get(path, acquire(action))
	}
	r.Route("/probe", probes)
	return serve.HTTP(r)
}

func probes(r chi.Router) {
	r.Get("/redirect", touched(func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		http.Redirect(w, r, "/cart", code)
	}))
	r.Get("/nothing", touched(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	tagged := touched(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"probe"`)
		if r.Header.Get("If-None-Match") == `"probe"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		text(w, "tagged")
	})
	r.Get("/tagged", tagged)
	r.Head("/tagged", tagged)
	r.Get("/silent", touched(func(http.ResponseWriter, *http.Request) {}))
	r.Get("/cookie", touched(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark", Path: "/"})
		w.Header().Set("Vary", "Accept")
		w.Header().Set("Cache-Control", "private")
		text(w, "own")
	}))
	r.Get("/begins", touched(func(w http.ResponseWriter, _ *http.Request) {
		text(w, "begun")
		_ = http.NewResponseController(w).Flush()
		panic(shoptest.ErrProbe)
	}))
	r.Get("/stream", touched(func(w http.ResponseWriter, r *http.Request) {
		text(w, "one ")
		_ = http.NewResponseController(w).Flush()
		io.WriteString(w, "two")
		_ = shoptest.Touch(chisession.From(r)) // stored at the end, if it can be
	}))
	r.Get("/events", touched(func(w http.ResponseWriter, r *http.Request) {
		if err := chisession.From(r).Release(r.Context()); err != nil {
			chisession.Fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range shoptest.Events(shoptest.StreamFor(r.FormValue("for"))) {
			fmt.Fprintf(w, "data: %s\n\n", event)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	r.Get("/download", touched(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.Copy(w, strings.NewReader(shoptest.Download()))
		_ = shoptest.Touch(chisession.From(r))
	}))
	file := touched(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, shoptest.File) })
	r.Get("/file", file)
	r.Head("/file", file)
}

// touched makes a handler that changes the session before it replies.
func touched(reply http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := chisession.Acquire(r)
		if err == nil {
			err = shoptest.Touch(s)
		}
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		reply(w, r)
	}
}

func text(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, body)
}
