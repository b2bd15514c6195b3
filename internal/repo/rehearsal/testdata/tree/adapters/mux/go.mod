module github.com/sessionstate/sessionstate/adapters/mux

go 1.25.0

require (
	example.com/mux v1.0.0
	github.com/sessionstate/sessionstate/core v0.1.0
)

require example.com/base v1.0.0 // indirect
