package httpsession

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	session "github.com/sessionstate/sessionstate/core"
)

// Fail answers a request with the HTTP status that fits err, one of this
// project's errors: through the ErrorHandler that New was given, or with a
// short text/plain body that says nothing of err. Only the first reply of a
// request counts, as with http.Error. If the client is gone, nobody reads it,
// which is harmless. session.ErrRedirect is no failure, and never gets to an
// ErrorHandler.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	if hw := WriterOf(r); hw != nil && hw.fail != nil && !errors.Is(err, session.ErrRedirect) {
		hw.fail(w, r, err)
		return
	}
	Answer(w, err)
}

// Answer answers as the default ErrorHandler does: with the status that fits
// err, Retry-After where that helps, and a short text/plain body. It is for
// adapters, and for ErrorHandlers that have something to say on some errors
// only.
func Answer(w http.ResponseWriter, err error) {
	status := session.HTTPStatus(err)
	text := http.StatusText(status)
	if text == "" {
		text = "Client Closed Request" // 499, the one that net/http has no name for
	}
	h := w.Header()
	for name := range h {
		// Content-Encoding and cookies may be an outer middleware's: see
		// https://go.dev/issue/66343.
		if describes(name) && name != "Content-Encoding" && name != "Set-Cookie" {
			delete(h, name)
		}
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	setRetryAfter(h, err)
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// setRetryAfter tells the client when to try again, where that helps.
func setRetryAfter(h http.Header, err error) {
	switch session.HTTPStatus(err) {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", session.RetryAfter)
	}
}

// answerWith lets an ErrorHandler answer, and the default if it writes nothing:
// a client must not take silence, which is an empty 200, for success.
func answerWith(handler func(http.ResponseWriter, *http.Request, error), w http.ResponseWriter, r *http.Request, err error) {
	aw := &answerWriter{ResponseWriter: w, session: WriterOf(r)}
	setRetryAfter(w.Header(), err)
	handler(aw, r, err)
	if !aw.answered {
		Answer(w, err)
	}
}

// answerWriter is what an ErrorHandler writes to.
type answerWriter struct {
	http.ResponseWriter
	session  *Writer
	answered bool
}

// begin puts the cookie of what was stored earlier in the request back, if the
// handler has cleaned the headers.
func (w *answerWriter) begin() {
	if !w.answered && w.session != nil {
		w.session.restoreCookie()
	}
	w.answered = true
}

func (w *answerWriter) WriteHeader(code int) {
	if !informational(code) {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *answerWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// Unwrap makes http.ResponseController work.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// describes reports whether a header, in canonical form, says something of one
// reply, so that it would be wrong on another.
func describes(name string) bool {
	switch name {
	case "Etag", "ETag", "Last-Modified", "Location", "Accept-Ranges", "Cache-Control", "Expires",
		"Digest", "Repr-Digest", "Set-Cookie", "Trailer", "Transfer-Encoding":
		return true
	}
	if strings.HasPrefix(name, "Content-") {
		return !strings.HasPrefix(name, "Content-Security-Policy") // that is the site's
	}
	return strings.HasPrefix(name, http.TrailerPrefix)
}
