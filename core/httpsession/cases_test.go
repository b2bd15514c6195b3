package httpsession_test

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing/iotest"
	"time"
)

// testCase is a handler that is to behave with the middleware as it does
// without, and the request for it.
type testCase struct {
	name    string
	method  string
	body    string   // of the request
	request []string // its headers: name, value, name, value
	http1   bool     // HTTP/2 does not have it, or has it in another way
	sized   bool     // if the reply is held, its length may be known
	handler func(http.ResponseWriter, *http.Request, *observer)
}

var cases = append(append(append(plainCases, bodyCases()...), headerCases...), flowCases...)

func with(name string, h func(http.ResponseWriter, *http.Request, *observer)) testCase {
	return testCase{name: name, method: "GET", handler: h}
}

var plainCases = []testCase{
	with("nothing", func(http.ResponseWriter, *http.Request, *observer) {}),
	with("status only", func(w http.ResponseWriter, _ *http.Request, _ *observer) { w.WriteHeader(201) }),
	with("empty write", func(w http.ResponseWriter, _ *http.Request, o *observer) { o.see(w.Write(nil)) }),
	with("status and empty write", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.WriteHeader(202)
		o.see(w.Write(nil))
	}),
	with("http.Error", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		w.Header().Set("Content-Type", "application/json")
		http.Error(w, "no", 418)
	}),
	with("failure", func(w http.ResponseWriter, _ *http.Request, _ *observer) { http.Error(w, "broken", 500) }),
	with("not found", func(w http.ResponseWriter, r *http.Request, _ *observer) { http.NotFound(w, r) }),
	with("redirect", func(w http.ResponseWriter, r *http.Request, _ *observer) {
		http.Redirect(w, r, "/elsewhere", http.StatusSeeOther)
	}),
	with("no content", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.WriteHeader(204)
		o.see(w.Write([]byte("x")))
		o.see(io.WriteString(w, "x"))
		o.see(io.Copy(w, iotest.OneByteReader(strings.NewReader("xyz"))))
	}),
	with("not modified", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.Header().Set("Etag", `"1"`)
		w.WriteHeader(304)
		o.see(w.Write([]byte("x")))
	}),
	with("bad status", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		defer func() { o.see(recover()) }()
		w.WriteHeader(99)
	}),
	with("odd status", func(w http.ResponseWriter, _ *http.Request, _ *observer) { w.WriteHeader(799) }),
	with("status twice", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		w.WriteHeader(201)
		w.WriteHeader(500)
		w.WriteHeader(103)
	}),
	with("status after write", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		io.WriteString(w, "x")
		w.WriteHeader(500)
	}),
	with("early hints", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		w.Header().Add("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Add("Link", "</b.css>; rel=preload")
		w.WriteHeader(103)
		w.WriteHeader(201)
		io.WriteString(w, "x")
	}),
}

// bodyCases have bodies around every size at which something happens.
func bodyCases() (cs []testCase) {
	for _, size := range []int{1, 511, 512, 513, 2048, 2049, 4096, 4097, 32<<10 - 1, 32 << 10, 32<<10 + 1, 100_000} {
		text := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
		for _, method := range []string{"GET", "HEAD"} {
			add := func(name string, h func(http.ResponseWriter, *http.Request, *observer)) *testCase {
				c := with(method+" "+strconv.Itoa(size)+" "+name, h)
				c.method = method
				cs = append(cs, c)
				return &cs[len(cs)-1]
			}
			add("in one write", func(w http.ResponseWriter, _ *http.Request, o *observer) {
				o.see(w.Write([]byte(text)))
			})
			add("in two strings", func(w http.ResponseWriter, _ *http.Request, o *observer) {
				o.see(io.WriteString(w, text[:size/2]))
				o.see(io.WriteString(w, text[size/2:]))
			})
			add("with length", func(w http.ResponseWriter, _ *http.Request, o *observer) {
				w.Header().Set("Content-Length", strconv.Itoa(size))
				o.see(w.Write([]byte(text)))
				o.see(w.Write([]byte("too much")))
			}).http1 = true
			add("copied", func(w http.ResponseWriter, _ *http.Request, o *observer) {
				o.see(io.Copy(w, struct{ io.Reader }{strings.NewReader(text)}))
			}).sized = true
			add("served", func(w http.ResponseWriter, r *http.Request, _ *observer) {
				http.ServeContent(w, r, "x.txt", time.Unix(1e9, 0), strings.NewReader(text))
			})
		}
	}
	return cs
}

var headerCases = []testCase{
	with("changed after the status", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		h := w.Header()
		h.Set("X-Kept", "1")
		h.Add("X-Kept", "2")
		h.Set("X-Removed-Late", "still there")
		w.WriteHeader(200)
		h.Set("X-Late", "no")
		h.Set("X-Kept", "no")
		h.Del("X-Removed-Late")
		io.WriteString(w, "x")
	}),
	{name: "length too short", method: "GET", http1: true, handler: func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.Header().Set("Content-Length", "3")
		o.see(io.WriteString(w, "ab"))
		o.see(io.WriteString(w, "cd"))
		o.see(io.WriteString(w, "e"))
	}},
	{name: "length too long", method: "GET", handler: func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.Header().Set("Content-Length", "30")
		o.see(io.WriteString(w, "ab"))
	}},
	{name: "length invalid", method: "GET", http1: true, handler: func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.Header().Set("Content-Length", "many")
		o.see(io.WriteString(w, "ab"))
	}},
	with("sniffed", func(w http.ResponseWriter, _ *http.Request, _ *observer) { io.WriteString(w, "<html><body>") }),
	with("not sniffed", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		w.Header()["Content-Type"] = nil
		w.Header().Set("Content-Encoding", "br")
		io.WriteString(w, "<html><body>")
	}),
	with("odd names", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		w.Header()["x-lower"] = []string{"1"}
		w.Header()["Date"] = nil
		io.WriteString(w, "x")
	}),
	with("connection close", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "x")
	}),
	{name: "identity", method: "GET", http1: true, handler: func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		w.Header().Set("Transfer-Encoding", "identity")
		io.WriteString(w, "x")
	}},
	with("own cookies and caching", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
		w.Header().Set("Cache-Control", "private")
		w.Header().Set("Vary", "Accept")
		io.WriteString(w, "x")
	}),
	with("declared trailers", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.Header().Set("Trailer", "X-Sum, X-Early")
		w.Header().Add("Trailer", "x-unset")
		w.Header().Set("X-Early", "as header")
		w.WriteHeader(200)
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "1")
		w.Header().Set("X-Early", "as trailer")
		w.Header().Set("X-Undeclared", "no")
	}),
	with("declared trailers of a flushed reply", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "0")
		o.see(http.NewResponseController(w).Flush())
		w.Header().Set("X-Sum", "1")
	}),
	with("prefixed trailers", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		io.WriteString(w, "x")
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}),
	with("prefixed trailers of a long reply", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		io.WriteString(w, strings.Repeat("x", 10_000))
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}),
	with("prefixed trailers set before", func(w http.ResponseWriter, _ *http.Request, _ *observer) {
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
		io.WriteString(w, "x")
	}),
}

var flowCases = []testCase{
	with("flush first", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.(http.Flusher).Flush()
		w.Header().Set("X-Late", "no")
		io.WriteString(w, "x")
	}),
	with("flush between", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		io.WriteString(w, "<html>")
		o.see(http.NewResponseController(w).Flush())
		io.WriteString(w, "y")
		w.WriteHeader(500)
	}),
	with("flush of a status", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		w.WriteHeader(204)
		o.see(http.NewResponseController(w).Flush())
	}),
	with("copy of nothing, then a status", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		o.see(io.Copy(w, struct{ io.Reader }{strings.NewReader("")}))
		http.Error(w, "none", 404)
	}),
	with("copy of a failing reader", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		o.see(io.Copy(w, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errors.New("broken")))))
	}),
	with("copies and writes in turns", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		for range 5 {
			io.WriteString(w, "<")
			o.see(io.Copy(w, io.LimitReader(endless{}, 9_000)))
			io.WriteString(w, ">")
		}
	}),
	{name: "range", method: "GET", request: []string{"Range", "bytes=2-5"}, handler: serveText},
	{name: "ranges", method: "GET", request: []string{"Range", "bytes=90-"}, handler: serveText},
	{name: "no such range", method: "GET", request: []string{"Range", "bytes=2000-"}, handler: serveText},
	{name: "unmodified", method: "GET", request: []string{"If-None-Match", `"v1"`}, handler: serveText},
	{name: "unmodified HEAD", method: "HEAD", request: []string{"If-Modified-Since", time.Unix(2e9, 0).UTC().Format(http.TimeFormat)}, handler: serveText},
	{name: "echo", method: "POST", body: strings.Repeat("body ", 20_000), handler: func(w http.ResponseWriter, r *http.Request, o *observer) {
		o.see(http.NewResponseController(w).EnableFullDuplex())
		o.see(io.Copy(w, r.Body))
	}},
	{name: "body left unread", method: "POST", body: strings.Repeat("body ", 100), handler: func(w http.ResponseWriter, r *http.Request, o *observer) {
		io.WriteString(w, "x")
	}},
	{name: "body expected", method: "POST", body: "body", request: []string{"Expect", "100-continue"}, handler: func(w http.ResponseWriter, r *http.Request, o *observer) {
		b, err := io.ReadAll(r.Body)
		o.see(string(b), err)
		io.WriteString(w, "x")
	}},
	with("deadlines and full duplex", func(w http.ResponseWriter, _ *http.Request, o *observer) {
		rc := http.NewResponseController(w)
		o.see(rc.SetReadDeadline(time.Now().Add(patience)), rc.SetWriteDeadline(time.Now().Add(patience)), rc.EnableFullDuplex())
		io.WriteString(w, "x")
		o.see(rc.SetWriteDeadline(time.Now().Add(patience)))
	}),
}

func serveText(w http.ResponseWriter, r *http.Request, _ *observer) {
	w.Header().Set("Etag", `"v1"`)
	http.ServeContent(w, r, "x.txt", time.Unix(1e9, 0), strings.NewReader(strings.Repeat("0123456789", 10)))
}

// endless is an endless reader of one letter.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'z'
	}
	return len(p), nil
}
