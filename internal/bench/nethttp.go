package main

import (
	"net/http"
	"net/http/httptest"
)

// ok is what every handler answers.
var ok = []byte("ok")

// httpClient calls an http.Handler.
type httpClient struct {
	h http.Handler
	w writer
}

func newHTTPClient(h http.Handler) *httpClient {
	return &httpClient{h: h, w: writer{header: make(http.Header)}}
}

func (c *httpClient) prepare(path, cookies string) func() {
	original := httptest.NewRequest(http.MethodGet, path, nil)
	if cookies != "" {
		original.Header.Set("Cookie", cookies)
	}
	r := new(http.Request)
	return func() {
		clear(c.w.header)
		c.w.status, c.w.body = 0, c.w.body[:0]
		// A fresh copy: gorilla's sessions overwrite the request that they are
		// given, and would find themselves in it the next time.
		*r = *original
		c.h.ServeHTTP(&c.w, r)
	}
}

func (c *httpClient) reply() reply {
	return reply{c.w.status, string(c.w.body), c.w.header["Set-Cookie"]}
}

// writer is an http.ResponseWriter that allocates nothing once its body has
// been as long as it gets.
type writer struct {
	header http.Header
	status int
	body   []byte
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}
