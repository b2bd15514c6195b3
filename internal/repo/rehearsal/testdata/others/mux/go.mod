module example.com/mux

go 1.25.0

require example.com/base v1.0.0
