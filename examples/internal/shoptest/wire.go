package shoptest

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

// call is a request as it goes over the wire, byte for byte, so that clients
// can be played that no HTTP library would let one be. In all of it <id1> and
// so on stand for the IDs that were given out, in their order.
type call struct {
	method, target string
	header         []string // lines
	body           string
	bare           bool   // without the visitor's cookie
	raw            string // instead of all that
}

func get(target string, header ...string) call {
	return call{method: "GET", target: target, header: header}
}

func post(target string, form ...string) call {
	return call{method: "POST", target: target, body: encode(form...), header: formHeader}
}

// formHeader is what a browser sends with a form of the same site.
var formHeader = []string{"Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin"}

// stranger is the call as somebody makes it who has no cookie yet.
func (c call) stranger() call {
	c.bare = true
	return c
}

// with is the call with another Cookie header than the visitor's.
func (c call) with(cookie string) call {
	c.bare, c.header = true, append(slices.Clip(c.header), "Cookie: "+cookie)
	return c
}

// shown is the call as the transcript has it: without what is in all of them.
func (c call) shown(cookie string) []string {
	if c.raw != "" {
		var lines []string
		for line := range strings.SplitAfterSeq(strings.TrimSuffix(c.raw, "\r\n\r\n"), "\n") {
			lines = append(lines, abridged(line))
		}
		return lines
	}
	lines := []string{c.method + " " + c.target}
	for _, line := range c.header {
		if !slices.Contains(formHeader, line) {
			lines = append(lines, abridged(line))
		}
	}
	if cookie != "" && !c.bare {
		lines = append(lines, "Cookie: session="+cookie)
	}
	if c.body != "" {
		lines = append(lines, abridged(c.body))
	}
	return lines
}

func abridged(line string) string {
	const limit = 120
	if !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) {
		line = strconv.Quote(line)
	}
	if len(line) > limit {
		return fmt.Sprintf("%s… (%d bytes)", line[:limit], len(line))
	}
	return line
}

// wire is the call as it is sent.
func (c call) wire(cookie string) string {
	if c.raw != "" {
		return c.raw
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: shop.example\r\n", c.method, c.target)
	if cookie != "" && !c.bare {
		fmt.Fprintf(&b, "Cookie: session=%s\r\n", cookie)
	}
	for _, line := range c.header {
		b.WriteString(line + "\r\n")
	}
	if c.method == "POST" || c.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(c.body))
	}
	b.WriteString("\r\n" + c.body)
	return b.String()
}

// answerer is a connection on which a request was sent.
type answerer struct {
	net.Conn
	*bufio.Reader
}

// send sends a request on a connection of its own.
func send(addr, wire string) (*answerer, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	// What the server refuses it may refuse before it has read all of it, so
	// that an error here tells nothing: the answer counts.
	_, _ = io.WriteString(conn, wire)
	return &answerer{conn, bufio.NewReader(conn)}, nil
}

// exchange sends a request and reads the answer to its end. Status 0 is none.
func exchange(addr, method, wire string) (reply, error) {
	conn, err := send(addr, wire)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	res, err := http.ReadResponse(conn.Reader, &http.Request{Method: method})
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return reply{}, nil
	}
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		body, err = append(body, " (cut off)"...), nil
	}
	if n := conn.Buffered(); n > 0 { // of a reply to HEAD, say, or with 204
		body = fmt.Appendf(body, " (and %d bytes after the end)", n)
	}
	return reply{res.StatusCode, res.Header, string(body)}, err
}

// unsaid are the headers that say nothing of the shop: when, and how the bytes
// are counted.
var unsaid = []string{"Date", "Content-Length", "Transfer-Encoding"}

// fields returns what the transcript says of an answer.
func (r reply) fields(method string) map[string][]string {
	if r.status == 0 {
		return map[string][]string{"status": {"none: the connection is closed"}}
	}
	fields := map[string][]string{
		"status": {strings.TrimSpace(fmt.Sprint(r.status, " ", http.StatusText(r.status)))},
		"body":   {described(r.body)},
	}
	secure := shop.SecurityHeaders()
	for name, values := range r.header {
		counted := method == http.MethodHead || r.status == http.StatusPartialContent
		switch {
		case slices.Contains(unsaid, name) && (name != "Content-Length" || !counted):
		case len(values) == 1 && values[0] == secure[name]:
			delete(secure, name)
		case name == "Last-Modified": // depends on when the tree was checked out
			fields[name] = []string{"<time>"}
		case name == "Allow": // a set, in no order
			methods := strings.Split(strings.Join(values, ", "), ", ")
			slices.Sort(methods)
			fields[name] = []string{strings.Join(methods, ", ")}
		default:
			fields[name] = values
		}
	}
	for name := range secure { // all replies have them, so only what lacks is worth a line
		fields[name] = append(fields[name], "(missing)")
	}
	if text := visible(r); text != "" {
		fields["text"] = []string{text}
	}
	return fields
}

// described is a body as it is, or how long it is and its hash.
func described(body string) string {
	body = durations.ReplaceAllString(body, `"$1":0`)
	switch {
	case body == "":
		return "none"
	case len(body) > 200 || !utf8.ValidString(body):
		return fmt.Sprintf("%d bytes, sha256 %.8x", len(body), sha256.Sum256([]byte(body)))
	case strconv.CanBackquote(body):
		return "`" + body + "`"
	default:
		return strconv.Quote(body)
	}
}

var (
	durations = regexp.MustCompile(`"(waited|held)":[0-9.]+`)
	unseen    = regexp.MustCompile(`(?s)^.*?<nav[^>]*>|<ul class="shelf">.*?</ul>|<table.*</table>|<footer.*$`)
	tags      = regexp.MustCompile(`<[^>]*>`)
)

// visible is what a visitor reads on a page, without the shelf.
func visible(r reply) string {
	if !strings.HasPrefix(r.body, "<!DOCTYPE") {
		return ""
	}
	text := tags.ReplaceAllString(unseen.ReplaceAllString(r.body, ""), " ")
	return abridgedText(strings.Join(strings.Fields(html.UnescapeString(text)), " "))
}

func abridgedText(text string) string {
	runes := []rune(text)
	if len(runes) > 240 {
		return string(runes[:240]) + "…"
	}
	return text
}
