module github.com/sessionstate/sessionstate/internal/aid

go 1.25.0
