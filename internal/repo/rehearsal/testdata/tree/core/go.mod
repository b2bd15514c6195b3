module github.com/sessionstate/sessionstate/core

go 1.25.0
