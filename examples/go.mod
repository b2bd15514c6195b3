module github.com/sessionstate/sessionstate/examples

go 1.25.0

require (
	github.com/go-chi/chi/v5 v5.5.0
	github.com/sessionstate/sessionstate/adapters/chi v0.1.0
	github.com/sessionstate/sessionstate/core v0.1.0
)
