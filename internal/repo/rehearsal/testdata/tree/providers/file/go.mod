module github.com/sessionstate/sessionstate/providers/file

go 1.25.0

require github.com/sessionstate/sessionstate/core v0.1.0
