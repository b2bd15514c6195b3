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
	return []shoptest.Difference{
		{
			Why:    "Echo redirects without a body, where net/http has a link in it",
			Steps:  []string{"a redirect with 302", "a redirect with 303", "a redirect with 307"},
			Fields: shoptest.Fields{"Content-Type": "", "body": "none"},
		},
		{
			Why:    "Echo answers OPTIONS by itself",
			Steps:  []string{"OPTIONS of a page"},
			Fields: shoptest.Fields{"status": "204 No Content", "Allow": "GET, OPTIONS", "Cache-Control": "", "Content-Type": "", "body": "none", "text": ""},
		},
		{
			Why:    "and so allows it",
			Steps:  []string{"HEAD of a page", "a method that a page does not have"},
			Fields: shoptest.Fields{"Allow": "GET, OPTIONS"},
		},
		{
			Why:    "and so allows it",
			Steps:  []string{"POST to a static file"},
			Fields: shoptest.Fields{"Allow": "GET, HEAD, OPTIONS"},
		},
	}
}
