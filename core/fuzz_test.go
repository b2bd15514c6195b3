package session

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func FuzzFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add(sample())
	f.Add(encodeFrame(&content{}))
	f.Add([]byte{frameMagic, frameVersion, flagIdle, 0x80, 0x80, 0x01, 0, 0}) // a number that is longer than need be
	f.Add([]byte{frameMagic, frameVersion, 0, 2, 1, 'j', 1, 'j', 1, 1, 'a', 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		c, err := decodeFrame(data)
		if !bytes.Equal(data, before) {
			t.Fatal("the frame was written to")
		}
		if err != nil {
			if !errors.Is(err, ErrCorrupt) || len(c.items) > 0 {
				t.Fatal(err)
			}
			return
		}
		checkDecoded(t, c)
		if n := len(c.items)*minItem + c.size; n > minItem*len(data)+len(data) {
			t.Fatalf("%d items of %d bytes from %d", len(c.items), c.size, len(data))
		}
		if n := len(encodeFrame(&c)); n != frameSize(&c) {
			t.Fatalf("%d bytes, frameSize says %d", n, frameSize(&c))
		}
	})
}

// headers is an Exchange that only has request headers.
type headers http.Header

func (h headers) RequestHeader(name string) []string { return h[name] }
func (h headers) ReplyHeader(string) []string        { return nil }
func (h headers) SetReplyHeader(string, ...string)   {}
func (h headers) Secure() bool                       { return true }

// checkFound fails the test unless id is "" or an ID that the lines contain.
func checkFound(t *testing.T, id string, lines ...string) {
	t.Helper()
	if id == "" {
		return
	}
	if !validID(id) {
		t.Fatalf("%q is no ID", id)
	}
	for _, line := range lines {
		if strings.Contains(line, id) {
			return
		}
	}
	t.Fatalf("%q is not in the header", id)
}

func FuzzCookieID(f *testing.F) {
	id := strings.Repeat("aB3-_z", 4)
	for _, line := range []string{
		"", "session=" + id, "a=1; session=" + id + "; b", `session="` + id + `"`, "session=x; session=" + id,
		";;session==" + id, "session =" + id, "\tsession=" + id + "\x00", "session=" + id + id,
	} {
		f.Add(line, "session", "a=b")
	}
	f.Fuzz(func(t *testing.T, line, name, second string) {
		source, err := Cookie{Name: name}.checked()
		if err != nil {
			return
		}
		c := source.(Cookie)
		got := c.read(headers{"Cookie": {line, second}})
		checkFound(t, got, line, second)

		// What net/http finds is found here, but for names that are followed
		// by space: no client sends them.
		rq := http.Request{Header: http.Header{"Cookie": {line}}}
		if strings.Contains(line, " =") || strings.Contains(line, "\t=") {
			rq.Header = nil
		}
		for _, ck := range rq.CookiesNamed(c.Name) {
			if validID(ck.Value) {
				if found := findCookie(line, c.Name); found == "" {
					t.Fatalf("net/http finds a cookie in %q", line)
				}
			}
		}
		// And the ID stands after the name, alone.
		if found := findCookie(line, c.Name); found != "" && !strings.Contains(line, c.Name+"="+found) && !strings.Contains(line, c.Name+`="`+found+`"`) {
			t.Fatalf("%q is no cookie of that name in %q", found, line)
		}
	})
}

func FuzzHeaderID(f *testing.F) {
	f.Add(strings.Repeat("aB3-_z", 4), "")
	f.Add("short", strings.Repeat("x", 24))
	f.Add(strings.Repeat("x", 23)+"=", strings.Repeat("x", 25))
	f.Fuzz(func(t *testing.T, first, second string) {
		source, err := Header{}.checked()
		if err != nil {
			t.Fatal(err)
		}
		id := source.read(headers{"Session-Id": {first, second}})
		if id != "" && id != first && id != second {
			t.Fatalf("%q was not presented as a whole", id)
		}
		if want := validID(first) || validID(second); (id != "") != want {
			t.Fatalf("found %q", id)
		}
		checkFound(t, id, first, second)
	})
}
