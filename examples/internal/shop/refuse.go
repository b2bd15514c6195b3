package shop

import (
	"errors"
	"net/http"
	"net/url"
)

// StatusError is why a request gets no further than the framework's part: the
// HTTP status that says it. Error makes the page.
type StatusError int

// What a framework's part refuses.
const (
	ErrForm         = StatusError(http.StatusBadRequest)            // it cannot be read
	ErrOtherSite    = StatusError(http.StatusForbidden)             // it would change something
	ErrNotFound     = StatusError(http.StatusNotFound)              // no such address
	ErrFormTooLarge = StatusError(http.StatusRequestEntityTooLarge) // over MaxForm
	ErrMode         = StatusError(http.StatusUnprocessableEntity)   // the lab has no such mode
)

// Error says the status.
func (e StatusError) Error() string { return "shop: " + http.StatusText(int(e)) }

func (e StatusError) text() string {
	if e >= http.StatusInternalServerError {
		return wentWrong
	}
	switch e {
	case ErrForm:
		return "That could not be read."
	case ErrOtherSite:
		return "This came from another site, so nothing was done."
	case ErrNotFound:
		return "There is no such page."
	case ErrFormTooLarge:
		return "That was too long."
	case ErrMode:
		return "There is no such mode."
	default:
		return "That cannot be done."
	}
}

// wentWrong is for all that a visitor can do nothing about.
const wentWrong = "Something went wrong here, and nothing was saved."

// MaxForm is how many bytes a form may have.
const MaxForm = 64 << 10

// ReadForm reads a form, for frameworks on net/http. Call it before the session
// is acquired, so that nobody holds it for as long as a slow client sends. The
// error is ErrForm or ErrFormTooLarge.
func ReadForm(w http.ResponseWriter, r *http.Request) (Form, error) {
	r.Body = http.MaxBytesReader(w, r.Body, MaxForm)
	err := r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, ErrFormTooLarge
	case err != nil:
		return nil, ErrForm
	}
	return r.Form.Get, nil
}

// ParseForm is ReadForm for a framework that has read the request already. It is
// as strict as net/http: what cannot be read is not guessed.
func ParseForm(query, body []byte) (Form, error) {
	if len(body) > MaxForm {
		return nil, ErrFormTooLarge
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, ErrForm
	}
	address, err := url.ParseQuery(string(query))
	if err != nil {
		return nil, ErrForm
	}
	return func(name string) string {
		if form.Has(name) {
			return form.Get(name)
		}
		return address.Get(name)
	}, nil
}

// CheckOrigin is the Check of net/http's CrossOriginProtection for a framework
// that has no *http.Request: it returns ErrOtherSite if a form of another site
// would change something here. host is the Host header, and none that a proxy
// or a client has added.
func CheckOrigin(method, host string, header func(name string) string) error {
	r := &http.Request{Method: method, Host: host, URL: new(url.URL), Header: http.Header{}}
	for _, name := range []string{"Origin", "Sec-Fetch-Site"} { // all that it looks at
		r.Header.Set(name, header(name))
	}
	if http.NewCrossOriginProtection().Check(r) != nil {
		return ErrOtherSite
	}
	return nil
}
