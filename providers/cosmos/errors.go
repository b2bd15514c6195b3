package cosmosstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	session "github.com/sessionstate/sessionstate/core"
)

// failed says in which operation err occurred. A *session.LockedError needs no
// such words: it is no failure, and the caller's loop gets it again and again.
func failed(op string, err error) error { return fmt.Errorf("cosmosstore: %s: %w", op, err) }

// unavailable is what is left of a failure that retries did not mend (S15).
func unavailable(cause error) error {
	if errors.Is(cause, session.ErrUnavailable) {
		return cause
	}
	return fmt.Errorf("%w: %w", session.ErrUnavailable, cause)
}

// corrupt is the error of a document that cannot be read (M18).
func corrupt(cause error) error { return fmt.Errorf("%w: %w", session.ErrCorrupt, cause) }

// answerError is an answer of the service that says that something is wrong.
// The SDK's own error prints the request's URL, in which the document's id
// stands, and the whole answer: it is never wrapped.
type answerError struct {
	status    int
	substatus string
	activity  string // names the request in the service's logs
}

func (e *answerError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the service answered %d %s", e.status, http.StatusText(e.status))
	if e.substatus != "" && e.substatus != "0" {
		fmt.Fprintf(&b, ", sub-status %s", e.substatus)
	}
	if advice := advice(e.status, e.substatus); advice != "" {
		b.WriteString(" (" + advice + ")")
	}
	if e.activity != "" {
		b.WriteString(", activity " + e.activity)
	}
	return b.String()
}

// advice says what helps against an answer.
func advice(status int, substatus string) string {
	switch {
	case status == http.StatusUnauthorized:
		return "is the key right, and this machine's clock within 15 minutes?"
	case status == http.StatusForbidden && substatus == subPartitionFull:
		return "a logical partition is full: use PartitionCount \"*\" with a new container"
	case status == http.StatusForbidden && substatus == subNotByIdentity:
		return "an identity cannot make databases and containers"
	case status == http.StatusForbidden && substatus == subWriteForbidden:
		return "the region takes no writes: a failover may be under way"
	case status == http.StatusForbidden:
		return "does the firewall admit this machine, and may the identity read and write items?"
	case status == http.StatusNotFound:
		return "does the container still exist?"
	case status == http.StatusTooManyRequests:
		return "throttled: give the container more throughput"
	}
	return ""
}

// Sub-statuses that tell answers of one status apart.
const (
	subNotInSession   = "1002" // 404: the replica has not seen the session token yet
	subNoContainer    = "1003" // 404: there is no such container or database
	subPartitionFull  = "1014" // 403
	subWriteForbidden = "3"    // 403
	subNotByIdentity  = "5300" // 403
)

// redacted returns what may be told of an error of the SDK or of the transport.
func redacted(err error) error {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		e := &answerError{status: answer.StatusCode}
		if answer.RawResponse != nil {
			e.substatus = answer.RawResponse.Header.Get(headerSubStatus)
			e.activity = answer.RawResponse.Header.Get(headerActivity)
		}
		return e
	}
	var broken *brokenError
	if errors.As(err, &broken) {
		err = broken.cause
	}
	var at *url.Error
	if errors.As(err, &at) { // its text has the URL
		return redacted(at.Err)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	var network net.Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return dns
	case errors.As(err, &network):
		return network
	case strings.Contains(err.Error(), "://"): // of a kind that nobody has seen yet
		return fmt.Errorf("the request failed with %T", err)
	}
	return err
}

// notInSession says whether no replica has seen what the session tokens ask for.
func notInSession(err error) bool {
	var answer *answerError
	return errors.As(err, &answer) && answer.status == http.StatusNotFound && answer.substatus == subNotInSession
}

// brokenError is an exchange that broke off when the service may have got the
// request. The SDK does not recognize it, and so does not wait a second and
// send the request again by itself.
type brokenError struct{ cause error }

func (e *brokenError) Error() string { return "the exchange with the service broke off" }
