module example.com/base

go 1.25.0
