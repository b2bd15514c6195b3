package main

import "math/rand/v2"

// kind is one way to present a cookie. It writes the header lines of a request.
type kind struct {
	name  string
	title string
	write func(rng *rand.Rand, b []byte) []byte
}

const noCookie = "none"

// kinds returns all there are; the first is what the others are compared with.
func kinds() []kind {
	return []kind{
		{noCookie, "no cookie at all", func(_ *rand.Rand, b []byte) []byte { return b }},
		{"random", "1 to 64 bytes of anything that HTTP lets pass", func(rng *rand.Rand, b []byte) []byte {
			b = append(b, "Cookie: session="...)
			for range 1 + rng.IntN(64) {
				c := byte(0x21 + rng.IntN(0xff-0x21)) // no control characters, and no space
				if c == 0x7f {
					c = '?'
				}
				b = append(b, c)
			}
			return append(b, "\r\n"...)
		}},
		{"forged", "an ID as the service makes them, that it has not made", func(rng *rand.Rand, b []byte) []byte {
			b = append(b, "Cookie: session="...)
			return append(appendID(rng, b), "\r\n"...)
		}},
		{"oversized", "32 KiB, most of it in the session's cookie", func(rng *rand.Rand, b []byte) []byte {
			b = append(b, "Cookie: session="...)
			for range 32 << 10 / idChars {
				b = appendID(rng, b)
			}
			return append(b, "\r\n"...)
		}},
		{"padded", "32 KiB in a header that is no cookie, for comparison", func(rng *rand.Rand, b []byte) []byte {
			b = append(b, "Padding: session="...)
			for range 32 << 10 / idChars {
				b = appendID(rng, b)
			}
			return append(b, "\r\n"...)
		}},
		{"duplicated", "64 forged IDs under the same name, in two headers", func(rng *rand.Rand, b []byte) []byte {
			for range 2 {
				b = append(b, "Cookie: session="...)
				b = appendID(rng, b)
				for range 31 {
					b = append(b, "; session="...)
					b = appendID(rng, b)
				}
				b = append(b, "\r\n"...)
			}
			return b
		}},
		{"crowded", "300 other cookies, and a forged ID behind them", func(rng *rand.Rand, b []byte) []byte {
			b = append(b, "Cookie: "...)
			for range 300 {
				n := len(b)
				b = appendID(rng, b)[:n+4] // the name
				b = append(b, "=1; "...)
			}
			b = append(b, "session="...)
			return append(appendID(rng, b), "\r\n"...)
		}},
	}
}

// An ID of the service's form.
const (
	idChars    = 24
	idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

func appendID(rng *rand.Rand, b []byte) []byte {
	for range idChars / 8 {
		for x, n := rng.Uint64(), 0; n < 8; x, n = x>>6, n+1 {
			b = append(b, idAlphabet[x&63])
		}
	}
	return b
}
