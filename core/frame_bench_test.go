package session

import (
	"bytes"
	"fmt"
	"testing"
)

func BenchmarkFrame(b *testing.B) {
	one := func(size int) (c content) {
		c.set("value", "json", bytes.Repeat([]byte("x"), size))
		return c
	}
	var fifty content
	for i := range 50 {
		fifty.set(fmt.Sprintf("key-%02d", i), "json", []byte(`{"id":12345,"name":"something"}`))
	}
	for name, c := range map[string]content{"300B": one(300), "4KB": one(4096), "50items": fifty} {
		frame := encodeFrame(&c)
		b.Run("encode/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				encodeFrame(&c)
			}
		})
		b.Run("decode/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decodeFrame(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
