package main

import (
	"net/http"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
)

// sessions is how many sessions every contender has.
const sessions = 9984 // divides by 16 and by 64

// contender is a way to keep sessions in PostgreSQL, with sessions of one size
// stored.
type contender struct {
	*clients.Service
	pool  *place
	close func()

	// What the store's part of a request is, without HTTP. One that is nil
	// has no such part.
	load  clients.Operation // read only
	write clients.Operation // acquire or find, then save
}

func newContender(name string, p *place, h http.Handler) *contender {
	return &contender{Service: &clients.Service{Name: name, Handler: h}, pool: p}
}
