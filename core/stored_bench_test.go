package session

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// BenchmarkStored is what Compress and EncryptionKeys cost a save and a read,
// the frame included. The content is JSON, which deflates to a third or so.
func BenchmarkStored(b *testing.B) {
	for _, setting := range []struct {
		name string
		cfg  Config
	}{
		{"plain", Config{}},
		{"compress", Config{Compress: true}},
		{"encrypt", Config{EncryptionKeys: [][]byte{testKey(1)}}},
		{"both", Config{Compress: true, EncryptionKeys: [][]byte{testKey(1)}}},
	} {
		for _, size := range []int{300, 4096, 65536} {
			setting.cfg.MaxSize = 1 << 20
			m, c, key := sealer(b, setting.cfg), text(size), StoreKey{1}
			rec := Record{Data: mustPack(b, m, key, c)}
			b.Run(fmt.Sprintf("%s/%dB/pack", setting.name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := m.pack(key, c); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(rec.Data)), "B-stored")
			})
			b.Run(fmt.Sprintf("%s/%dB/unpack", setting.name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := m.unpack(key, &rec); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkHostile is the worst that a megabyte of a deflate stream can do:
// blocks of 12 bytes, each with tables of its own, which hold nothing.
func BenchmarkHostile(b *testing.B) {
	const limit = 1 << 20
	data := emptyBlocks(limit)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := inflate(data, limit); err == nil {
			b.Fatal("accepted")
		}
	}
}

// emptyBlocks returns a record that claims to hold size bytes, nearly as long
// as that, of blocks with Huffman tables (RFC 1951, 3.2.7) that hold nothing.
func emptyBlocks(size int) []byte {
	var bits, n uint64
	out := binary.AppendUvarint([]byte{frameMagic, formDeflated}, uint64(size))
	put := func(v, width uint64) {
		bits |= v << n
		for n += width; n >= 8; n -= 8 {
			out = append(out, byte(bits))
			bits >>= 8
		}
	}
	for len(out) < size-20 {
		put(0b100, 3) // not the last; with tables of its own
		put(0, 10)    // 257 lengths of literals, 1 of distances
		put(14, 4)    // 18 lengths of lengths, in the standard's order:
		for i := range 18 {
			used := i == 2 || i == 17 // 18, a run of zeros, and 1, a length
			put(map[bool]uint64{true: 1}[used], 3)
		}
		put(1|(138-11)<<1, 8) // 138 zeros
		put(1|(118-11)<<1, 8) // 118 zeros
		put(0, 2)             // the end of the block, and a distance: 1 bit each
		put(0, 1)             // the end of the block
	}
	return append(out, byte(bits), 0)
}
