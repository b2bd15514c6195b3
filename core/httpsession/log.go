package httpsession

import (
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime"
	"strings"
)

// logSuperfluous says what net/http says when a handler sets the status twice,
// to the server's log, with the place in the handler.
func (w *Writer) logSuperfluous() {
	at := caller()
	msg := fmt.Sprintf("http: superfluous response.WriteHeader call from %s (%s:%d)",
		at.Function, path.Base(at.File), at.Line)
	srv, _ := w.req.Context().Value(http.ServerContextKey).(*http.Server)
	if srv != nil && srv.ErrorLog != nil {
		srv.ErrorLog.Print(msg)
		return
	}
	slog.WarnContext(w.req.Context(), msg)
}

// caller returns the innermost frame outside of this package and net/http.
func caller() (at runtime.Frame) {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "net/http.") &&
			!strings.HasPrefix(frame.Function, "github.com/sessionstate/sessionstate/core/httpsession.") {
			return frame
		}
		if !more {
			return frame
		}
	}
}
