package cosmosstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
)

const (
	headerSubStatus  = "x-ms-substatus"
	headerActivity   = "x-ms-activity-id"
	headerRetryAfter = "x-ms-retry-after-ms"
	headerSession    = "x-ms-session-token"
)

// The answers of the service that are no failures.
var (
	errAbsent  = errors.New("there is no such document")                // 404
	errRefused = errors.New("the condition does not hold")              // 412
	errPresent = errors.New("there is a document of that key already")  // 409
	errChanged = errors.New("the record changes faster than this call") // of attempt.again
)

// attempt is one operation of the Store: one round trip if all goes well. It
// repeats what fails, within its budget, and remembers whether something that
// failed may have taken effect.
type attempt struct {
	s   *Store
	ctx context.Context
	op  string

	// unsure says that the answer to a write was lost. Whoever sent it finds
	// out by sending it again; where even that tells nothing, the caller has
	// to be told so (S6).
	unsure bool

	retries int           // made so far
	waited  time.Duration // for retries, so far
	rounds  int           // calls of again
}

func (s *Store) begin(ctx context.Context, op string) *attempt {
	return &attempt{s: s, ctx: ctx, op: op}
}

// fail says in which operation err occurred.
func (a *attempt) fail(err error) error { return failed(a.op, err) }

// ended returns the error of an operation whose context has ended. A deadline
// that passes under way means that the service did not answer in time.
func (a *attempt) ended() error {
	cause := context.Cause(a.ctx)
	if errors.Is(a.ctx.Err(), context.DeadlineExceeded) {
		return unavailable(cause)
	}
	return cause
}

// verdict is what is to be done about an answer.
type verdict uint8

const (
	done    verdict = iota // it is an answer
	resend                 // it did not take effect: send it again
	unknown                // it may have taken effect: send it again, and remember that
	hopeless
)

// ask makes a request that changes nothing, and write one that does. They make it
// again as often as that may help, and return nil, one of the answers above, or
// what the caller of the Store gets.
func (a *attempt) ask(request func(context.Context) (answer, error)) (answer, error) {
	got, _, err := a.call(request)
	return got, err
}

func (a *attempt) write(request func(context.Context) (answer, error)) (answer, error) {
	got, lost, err := a.call(request)
	a.unsure = a.unsure || lost
	return got, err
}

// call says besides whether an answer was lost, so that the request may have
// taken effect more than once.
func (a *attempt) call(request func(context.Context) (answer, error)) (got answer, lost bool, err error) {
	for {
		if a.ctx.Err() != nil {
			return answer{}, lost, a.ended()
		}
		ctx, cancel := context.WithTimeout(policy.WithRetryOptions(a.ctx, noRetries), a.s.cfg.RequestTimeout)
		sent := time.Now()
		got, err = request(ctx)
		cancel()
		header, asked := got.exchange(err)
		a.s.watchWriters(asked)
		a.s.clock.observe(sent, header)
		a.s.tokens.learn(header.Get(headerSession))
		if err == nil {
			return got, lost, nil
		}
		v, left := judge(err, header)
		if v == done || v == hopeless {
			return answer{}, lost, left
		}
		lost = lost || v == unknown
		switch err := a.pause(retryAfter(header)); {
		case a.ctx.Err() != nil:
			return answer{}, lost, a.ended()
		case err != nil:
			return answer{}, lost, left
		}
	}
}

// noRetries keeps the SDK from repeating requests by itself, which would hide
// whether a write took effect; also where the client was given to New.
var noRetries = policy.RetryOptions{MaxRetries: -1}

// answer is what the service answered to a request for a document.
type answer struct {
	data     []byte
	etag     azcore.ETag
	response *http.Response
}

func itemAnswer(r azcosmos.ItemResponse, err error) (answer, error) {
	return answer{r.Value, r.ETag, r.RawResponse}, err
}

// exchange returns the headers of the answer, whether it is one of success or in
// err, never nil, so that they can be asked; and the request, or nil.
func (r answer) exchange(err error) (http.Header, *http.Request) {
	var refusal *azcore.ResponseError
	switch {
	case err == nil && r.response != nil:
		return r.response.Header, r.response.Request
	case errors.As(err, &refusal) && refusal.RawResponse != nil:
		return refusal.RawResponse.Header, refusal.RawResponse.Request
	}
	return http.Header{}, nil
}

// judge says what an error means, and what is left of it when nothing helps.
func judge(err error, header http.Header) (verdict, error) {
	var refusal *azcore.ResponseError
	if !errors.As(err, &refusal) {
		if notSent(err) {
			return resend, unavailable(redacted(err))
		}
		return unknown, unavailable(redacted(err))
	}
	left := unavailable(redacted(err))
	substatus := header.Get(headerSubStatus)
	switch refusal.StatusCode {
	case http.StatusNotFound:
		switch substatus {
		case subNotInSession:
			return resend, left
		case subNoContainer:
			return hopeless, left
		}
		return done, errAbsent
	case http.StatusConflict:
		return done, errPresent
	case http.StatusPreconditionFailed:
		return done, errRefused
	case http.StatusRequestEntityTooLarge:
		return done, session.ErrTooLarge
	case http.StatusTooManyRequests, 449:
		return resend, left
	case http.StatusForbidden:
		if substatus == subWriteForbidden {
			return resend, left
		}
		return hopeless, left
	case http.StatusBadRequest, http.StatusUnauthorized:
		return hopeless, left
	}
	return unknown, left
}

// notSent says that an error of the transport is one of making the connection.
func notSent(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return true
	case errors.As(err, &op) && op.Op == "dial":
		return true
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// retryAfter is how long a throttled caller is asked to wait.
func retryAfter(header http.Header) time.Duration {
	ms, err := strconv.ParseFloat(header.Get(headerRetryAfter), 64)
	if err != nil || ms <= 0 || ms > float64(time.Hour/time.Millisecond) {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// The first retry comes after up to shortest, and each after up to twice as
// long as the one before, but never longer than slowest.
const (
	shortest = 5 * time.Millisecond
	slowest  = time.Second
)

// pause waits before a retry: as long as the service asked for, or with
// exponential backoff, and with jitter in both cases. It returns an error, at
// once, if the budget is used up.
func (a *attempt) pause(asked time.Duration) error {
	backoff := min(shortest<<min(a.retries, 10), slowest)
	wait := rand.N(backoff) + 1
	if asked > 0 {
		wait = asked + rand.N(asked/4+1)
	}
	a.retries++
	if a.retries > a.s.cfg.MaxRetryAttempts || a.waited+wait > a.s.cfg.MaxRetryWait {
		return errChanged // the caller has something better to say
	}
	a.waited += wait
	return a.sleep(wait)
}

func (a *attempt) sleep(wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-a.ctx.Done():
		return a.ended()
	}
}

// crowded is how often an operation starts over because others have changed the
// record between two of its steps.
const crowded = 100

// again is called before an operation starts over because what it had read was
// no longer so. Whoever changed the record has got on, so this ends.
func (a *attempt) again() error {
	if a.rounds++; a.rounds > crowded {
		return unavailable(errChanged)
	}
	if a.rounds == 1 {
		return nil
	}
	return a.sleep(rand.N(min(time.Millisecond<<min(a.rounds, 6), 50*time.Millisecond)) + 1)
}
