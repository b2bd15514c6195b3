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
	noPage := shoptest.Fields{"Cache-Control": "", "Content-Type": "", "body": "none", "text": ""}
	return []shoptest.Difference{
		{
			Why:    "middleware.Recoverer answers a panic with a status and no page",
			Steps:  []string{"a handler panics", "a handler panics after a change"},
			Fields: noPage,
		},
		{
			Why:    "of a handler for 405 chi asks that it finds out itself what to allow: the default does that, without a page",
			Steps:  []string{"a method that a page does not have", "OPTIONS of a page", "POST to a static file"},
			Fields: noPage,
		},
		{
			Why:    "the same, for a request that gets no body in any case",
			Steps:  []string{"HEAD of a page"},
			Fields: shoptest.Fields{"Cache-Control": "", "Content-Type": "", "Content-Length": ""},
		},
		{
			Why:   "http.FileServerFS has a text of its own for files that are not there",
			Steps: []string{"no such static file", "out of the static folder", "out of the static folder, encoded"},
			Fields: shoptest.Fields{
				"Cache-Control": "", "Content-Type": "text/plain; charset=utf-8", "body": `"404 page not found\n"`, "text": "",
			},
		},
	}
}
