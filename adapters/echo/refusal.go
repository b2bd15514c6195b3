package echosession

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	session "github.com/sessionstate/sessionstate/core"
)

// refusal makes of err the error from which Echo's HTTPErrorHandler makes the
// right reply: an *echo.HTTPError, or err itself if that is an error like any
// other, of which a middleware such as ContextTimeout may make more. What there
// is to the reply beside its status is added if one of that status is written:
// the handler may decide on another one.
func refusal(c echo.Context, err error) error {
	status := session.HTTPStatus(err)
	if he, ok := err.(*echo.HTTPError); ok && he.Code == status { //nolint:errorlint // Echo looks no deeper
		return err // it has been here before
	}
	if res := c.Response(); !res.Committed {
		res.Before(func() {
			if res.Status != status {
				return
			}
			h := res.Header()
			h.Set(echo.HeaderCacheControl, "no-store")
			if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
				h.Set(echo.HeaderRetryAfter, session.RetryAfter)
			}
		})
	}
	if status == http.StatusInternalServerError {
		return err
	}
	text := http.StatusText(status)
	if text == "" {
		text = "Client Closed Request" // 499, the one that net/http has no name for
	}
	return &echo.HTTPError{Code: status, Message: text, Internal: err}
}

// understood turns the errors of this project that handlers return as they are
// into those that Echo understands.
func understood(c echo.Context, err error) error {
	if _, ok := err.(*echo.HTTPError); ok || err == nil { //nolint:errorlint // Echo looks no deeper
		return err
	}
	for _, ours := range [...]error{
		session.ErrQueueFull, session.ErrAcquireTimeout, session.ErrUnavailable,
		session.ErrRenewed, session.ErrLockLost, session.ErrConflict, session.ErrTooManySessions, session.ErrTooLarge, session.ErrRedirect,
	} {
		if errors.Is(err, ours) {
			return refusal(c, err)
		}
	}
	return err
}

// statusOf returns the status that Echo's own HTTPErrorHandler answers err
// with.
func statusOf(err error) int {
	he, ok := err.(*echo.HTTPError) //nolint:errorlint // as Echo does
	if !ok {
		return http.StatusInternalServerError
	}
	if inner, ok := he.Internal.(*echo.HTTPError); ok { //nolint:errorlint // as Echo does
		he = inner
	}
	return he.Code
}
