package httpsession

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// maxHeld is how much of a body is held before the session is stored ahead of
// the handler's end.
const maxHeld = 32 << 10

// held is a reply that waits for its session to be stored. Until it is sent it
// tells the handler what net/http's writer would.
type held struct {
	header  http.Header // as it was when the reply began, plus the cookie
	body    *[]byte     // nil: none yet
	length  int64       // declared by Content-Length; -1: not declared
	written int64       // by the handler
}

func hold(h http.Header) held {
	snapshot := h.Clone()
	if snapshot == nil {
		snapshot = make(http.Header)
	}
	length, err := strconv.ParseInt(snapshot.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 {
		length = -1 // the writer below complains of it when it is sent
	}
	return held{header: snapshot, length: length}
}

// admit reports whether n more bytes of body can be held.
func (h *held) admit(n, status int, method string) (fits bool, err error) {
	if n == 0 {
		return true, nil
	}
	if !bodyAllowed(status) {
		return false, http.ErrBodyNotAllowed
	}
	h.written += int64(n) // counted even if refused, as net/http does
	if h.length >= 0 && h.written > h.length {
		return false, http.ErrContentLength
	}
	size := 0
	if h.body != nil {
		size = len(*h.body)
	}
	// A reply to HEAD fits always: its body is only counted. What is held of
	// it lets the writer below work out the headers that GET would get.
	return size+n <= maxHeld || method == http.MethodHead, nil
}

// keep holds p, or as much of it as there is room for.
func keep[T string | []byte](h *held, p T) {
	if len(p) == 0 {
		return
	}
	if h.body == nil {
		h.body = takeBuffer()
	}
	if room := maxHeld - len(*h.body); len(p) > room {
		p = p[:room]
	}
	*h.body = append(*h.body, p...)
}

// send sends the reply to w in one go.
func (h *held) send(w http.ResponseWriter, status int) error {
	defer h.free()
	// The handler's header map must look as it did when the reply began, but
	// for trailers: they may be set at any time until the handler returns.
	live := w.Header()
	trailers := lateTrailers(live, h.header)
	replaceHeader(live, h.header)
	w.WriteHeader(status)
	for name, values := range trailers {
		if values == nil {
			delete(live, name)
		} else {
			live[name] = values
		}
	}
	if h.body == nil {
		return nil
	}
	_, err := w.Write(*h.body)
	return err
}

func (h *held) free() {
	if h.body != nil {
		giveBuffer(h.body)
		h.body = nil
	}
}

// lateTrailers returns the trailers that live has now: those that the reply
// declares, with nil for one that is not set, and those with
// http.TrailerPrefix.
func lateTrailers(live, reply http.Header) http.Header {
	var trailers http.Header
	add := func(name string) {
		if trailers == nil {
			trailers = make(http.Header)
		}
		trailers[name] = live[name]
	}
	for _, line := range reply["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				add(http.CanonicalHeaderKey(name))
			}
		}
	}
	for name := range live {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			add(name)
		}
	}
	return trailers
}

// replaceHeader makes h equal to with. It works on the map itself, which
// handlers and outer writers have in hand.
func replaceHeader(h, with http.Header) {
	clear(h)
	maps.Copy(h, with)
}

// bodyAllowed reports whether a status goes with a body (RFC 9110 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// checkStatus panics for a status that net/http panics for. It says so in the
// handler, where the mistake is, and not when the reply is sent.
func checkStatus(code int) {
	if code < 100 || code > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", code))
	}
}

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 2<<10)
	return &b
}}

func takeBuffer() *[]byte { return buffers.Get().(*[]byte) }

func giveBuffer(b *[]byte) {
	if cap(*b) <= 2*maxHeld {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
