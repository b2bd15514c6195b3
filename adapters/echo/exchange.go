package echosession

import (
	"io"
	"maps"
	"net/http"

	"github.com/labstack/echo/v4"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// exchange is one request and its reply. The echo.Response, which keeps track
// of what the handler writes, writes to session; and session, once the session
// is stored, through the exchange to the writer that New has found.
type exchange struct {
	http.ResponseWriter
	session httpsession.Writer
	c       echo.Context
	res     *echo.Response
	refused http.Header // those of the reply that says that storing failed
}

// Unwrap returns the writer below, for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteString is here because the one below may have it.
func (x *exchange) WriteString(s string) (int, error) { return io.WriteString(x.ResponseWriter, s) }

// ReadFrom is here because the one below may have it.
func (x *exchange) ReadFrom(src io.Reader) (int64, error) { return io.Copy(x.ResponseWriter, src) }

// serve runs the rest of the chain and finishes the session. Echo's
// HTTPErrorHandler comes later, when all middlewares have returned.
func (x *exchange) serve(o *Options, next echo.HandlerFunc) (err error) {
	returned := false
	defer func() {
		if !returned { // a panic goes up
			x.leave()
			x.withdraw()
		}
	}()
	errStore := x.session.Run(func() session.Outcome {
		err = understood(x.c, next(x.c))
		return x.outcome(err)
	})
	returned = true
	x.leave()
	if errStore == nil || x.session.Sent() {
		return err
	}
	x.withdraw()
	// The handler may have gone on setting headers when its reply had been
	// dropped.
	h := x.Header()
	clear(h)
	maps.Copy(h, x.refused)
	x.res.Status = session.HTTPStatus(errStore)
	return o.answer(x.c, errStore)
}

// outcome tells httpsession of the status that the handler's error is going to
// have.
func (x *exchange) outcome(err error) session.Outcome {
	if err == nil {
		return session.Outcome{}
	}
	status := statusOf(err)
	if status < 500 && (x.res.Committed || x.session.Sent()) {
		return session.Outcome{} // what was written counts
	}
	return session.Outcome{Status: status, Err: err}
}

// leave takes the session's writer out of the echo.Response. Middlewares that
// put a writer of their own around it and have left it there go on using it.
func (x *exchange) leave() {
	if x.res.Writer == http.ResponseWriter(&x.session) {
		x.res.Writer = x.ResponseWriter
		x.session.Close()
	}
}

// withdraw makes Echo forget a reply that was dropped, so that there can be
// another one.
func (x *exchange) withdraw() {
	if x.session.Sent() {
		return
	}
	x.res.Writer = x.ResponseWriter // whoever is in between has its part in that reply
	x.res.Committed, x.res.Status, x.res.Size = false, http.StatusOK, 0
	x.c.SetResponse(x.res) // echo.WrapMiddleware leaves another one
}
