package main

import (
	"net/http"
	"runtime"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// stats says what the process has in use. It collects garbage first, so that
// what it says can be compared.
func stats(w http.ResponseWriter, _ *http.Request) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	now := time.Now()
	answer(w, wire.Stats{
		Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc,
		Wall: now, Elapsed: now.Sub(started),
	})
}

// started is when the process started; its monotonic reading counts.
var started = time.Now()
