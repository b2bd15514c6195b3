package main

import (
	"testing"

	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
)

func TestShop(t *testing.T) { shoptest.Run(t, build) }

func TestA10_Script(t *testing.T) { shoptest.Script(t, buildProbed, differences()...) }

func TestStream(t *testing.T) { shoptest.Stream(t, buildProbed) }

func TestBinaryEndsGracefully(t *testing.T) { shoptest.RunBinary(t) }

// differences are what this shop does otherwise than the transcript says.
func differences() []shoptest.Difference {
	return append(ofFiber(), ofFasthttp()...)
}

func ofFiber() []shoptest.Difference {
	return []shoptest.Difference{
		{
			Why:   "no reply begins while its handler runs, so that a panic can still be answered, and changes nothing (M13)",
			Steps: []string{"a panic when the reply has begun"},
			As:    "a handler panics",
		},
		{
			Why:    "Fiber redirects without a body, where net/http has a link in it",
			Steps:  []string{"a redirect with 302", "a redirect with 303", "a redirect with 307"},
			Fields: shoptest.Fields{"Content-Type": "", "body": "none"},
		},
		{
			Why:    "Get routes answer HEAD too",
			Steps:  []string{"HEAD of a page"},
			Fields: shoptest.Fields{"status": "200 OK", "Allow": "", "Content-Length": "1710"},
		},
		{
			Why:    "and so allow it",
			Steps:  []string{"a method that a page does not have", "OPTIONS of a page"},
			Fields: shoptest.Fields{"Allow": "GET, HEAD"},
		},
		{
			Why:    "the filesystem middleware serves no parts of files",
			Steps:  []string{"a static file needs no store", "HEAD of a static file"},
			Fields: shoptest.Fields{"Accept-Ranges": ""},
		},
		{
			Why:    "nor does it say the charset, unless it is to say one for pictures too",
			Steps:  []string{"a static file"},
			Fields: shoptest.Fields{"Accept-Ranges": "", "Content-Type": "text/css"},
		},
		{
			Why:   "it is a middleware and no route, so that its path has no method to allow",
			Steps: []string{"POST to a static file"},
			As:    "no such page",
		},
		{
			Why:    "Fiber does not take methods that it does not know for requests",
			Steps:  []string{"an unknown method"},
			Fields: shoptest.Fields{"status": "400 Bad Request"},
		},
	}
}

func ofFasthttp() []shoptest.Difference {
	return []shoptest.Difference{
		{
			Why:    "fasthttp writes the attributes of a handler's own cookies in lower case",
			Steps:  []string{"an own cookie and an own Vary"},
			Fields: shoptest.Fields{"Set-Cookie": "theme=dark; path=/"},
		},
		{
			Why:    "the same",
			Steps:  []string{"an own cookie of a new session"},
			Fields: shoptest.Fields{"Set-Cookie": "theme=dark; path=/\nsession=<id5>; Path=/; HttpOnly; SameSite=Lax"},
		},
		{
			Why:    "fasthttp does not say how long the file is of which a part was asked for that it does not have",
			Steps:  []string{"no such part of a file"},
			Fields: shoptest.Fields{"Content-Range": "", "body": "`Range Not Satisfiable`"},
		},
		{
			Why: "fasthttp lets all bytes pass in a header's value, and in a request all hosts that there are, none or two;" +
				" the ID among them counts as ever",
			Steps: []string{
				"a NUL byte in the cookie", "a control character in the cookie", "a carriage return in the cookie",
				"no host", "two hosts",
			},
			As: "lines without carriage returns",
		},
		{
			Why:   "and in a header's name, which is not Cookie then",
			Steps: []string{"a header without a name", "a header name with bytes that are no text"},
			As:    "another header's name",
		},
		{
			Why:    "the last of two lengths counts, and what it lets through is no form of the shop's",
			Steps:  []string{"two lengths"},
			Fields: shoptest.Fields{"status": "422 Unprocessable Entity"},
		},
		{
			Why:   "whatever comes behind the path is HTTP",
			Steps: []string{"an unknown protocol"},
			As:    "an absolute address",
		},
		{
			Why:    "an escape that cannot be read stays as it is, and such a path has no route",
			Steps:  []string{"a bad escape in the path"},
			Fields: shoptest.Fields{"status": "404 Not Found"},
		},
		{
			Why:    "Fiber's default for ReadBufferSize, which bounds all headers together, is 4096",
			Steps:  []string{"cookies of 20 kB"},
			Fields: shoptest.Fields{"status": "431 Request Header Fields Too Large", "text": ""},
		},
	}
}
