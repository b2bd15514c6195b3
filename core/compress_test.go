package session

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/quick"
)

// packer returns a Manager that can do no more than pack and unpack.
func packer(cfg Config) *Manager { return &Manager{cfg: cfg} }

// text is content of about that size which deflates well.
func text(size int) *content {
	c := &content{}
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"id":%d,"name":"article %x"},`, i*7919%100_000, i*104_729)
	}
	c.set("cart", "json", []byte(b.String()[:size]))
	return c
}

// noise is content of about that size which does not deflate.
func noise(size int) *content {
	c, b := &content{}, make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b)
	c.set("blob", "raw", b)
	return c
}

func mustPack(t testing.TB, m *Manager, key StoreKey, c *content) []byte {
	t.Helper()
	b, err := m.pack(key, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCompress_WhatItIsWorth(t *testing.T) {
	on, off := packer(Config{Compress: true}), packer(Config{})
	for _, tt := range []struct {
		name     string
		c        *content
		deflated bool
	}{
		{"empty", &content{}, false},
		{"short", text(compressFrom - 100), false},
		{"long enough", text(compressFrom), true},
		{"long", text(100_000), true},
		{"longer than a window of deflate", text(1 << 20), true},
		{"does not get smaller", noise(100_000), false},
	} {
		b, plain := mustPack(t, on, StoreKey{}, tt.c), mustPack(t, off, StoreKey{}, tt.c)
		if got := hasForm(b, formDeflated); got != tt.deflated {
			t.Errorf("%s: deflated: %v", tt.name, got)
		}
		if !tt.deflated && !bytes.Equal(b, plain) {
			t.Errorf("%s: not stored as it is", tt.name)
		}
		if tt.deflated && len(b) > len(plain)/2 || cap(b) > len(b)+len(b)/2+64 {
			t.Errorf("%s: %d bytes with room for %d, of %d", tt.name, len(b), cap(b), len(plain))
		}
		// Whoever reads it, and whatever is their setting.
		for _, m := range []*Manager{on, off} {
			for _, data := range [][]byte{b, plain} {
				if got, err := m.unpack(StoreKey{}, &Record{Data: data}); err != nil || !same(got, *tt.c) {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
		}
	}
}

func TestCompress_RoundTrip(t *testing.T) {
	m := packer(Config{Compress: true, MaxSize: 1 << 20})
	err := quick.Check(func(c content) bool {
		before := encodeFrame(&c)
		b := deflate(before)
		if !bytes.Equal(before, encodeFrame(&c)) || len(b) > len(before) {
			t.Error("the frame was written to, or has grown")
		}
		got, err := m.unpack(StoreKey{}, &Record{Data: b})
		return err == nil && same(got, c)
	}, &quick.Config{MaxCount: 300})
	if err != nil {
		t.Error(err)
	}
}

// MaxSize is of the content, not of what is left of it.
func TestCompress_MaxSizeIsOfTheContent(t *testing.T) {
	m := packer(Config{Compress: true, MaxSize: 10_000})
	if _, err := m.pack(StoreKey{}, text(10_000)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	mustPack(t, m, StoreKey{}, text(9_900))
}

// deflated returns a record that claims to hold size bytes.
func deflated(size uint64, what []byte) []byte {
	b := bytes.NewBuffer(binary.AppendUvarint([]byte{frameMagic, formDeflated}, size))
	w, _ := flate.NewWriter(b, flate.BestCompression)
	_, _ = w.Write(what)
	_ = w.Close()
	return b.Bytes()
}

// A bomb costs no more than MaxSize, and nothing at all if it says what it is.
func TestM18_ABombIsRefusedByMaxSize(t *testing.T) {
	const limit = 1 << 20
	bomb := make([]byte, 8*limit)
	copy(bomb, []byte{frameMagic, frameVersion})
	frame := encodeFrame(text(limit - 1000))
	_, _ = inflate(deflate(frame), 0) // so that the pools are filled
	for _, tt := range []struct {
		name  string
		data  []byte
		limit int
		cost  uint64
	}{
		{"honest", deflated(uint64(len(bomb)), bomb), limit, 0},
		{"one byte over", deflated(limit+1, bomb[:limit+1]), limit, 0},
		{"claims less", deflated(limit, bomb), limit, limit},
		{"claims nothing", deflated(0, bomb), limit, 0},
		{"claims more than any stream of that length holds", deflated(limit, bomb[:2000]), limit, 0},
		{"claims a little more", deflated(3000, bomb[:2000]), limit, 3000},
		{"claims more than there is on Earth", deflated(1<<63, bomb), limit, 0},
		{"the same, without a limit", deflated(1<<63, bomb), -1, 0},
		{"and less than that", deflated(1<<40, bomb), -1, 0},
	} {
		var err error
		m := packer(Config{MaxSize: tt.limit})
		cost := allocated(func() { _, err = m.unpack(StoreKey{}, &Record{Data: tt.data}) })
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if cost > tt.cost+tt.cost/4+80<<10 { // a pool may have to make a reader, of 45 KB
			t.Errorf("%s: costs %d bytes", tt.name, cost)
		}
	}
	// The same reader reads what is good again.
	if got, err := inflate(deflate(frame), limit); err != nil || !bytes.Equal(got, frame) {
		t.Error(err)
	}
}

func TestCompress_DamageIsFound(t *testing.T) {
	frame := encodeFrame(text(3000))
	good := deflate(frame)
	if !hasForm(good, formDeflated) {
		t.Fatal("not deflated")
	}
	for i := range good {
		if _, err := packer(Config{}).unpack(StoreKey{}, &Record{Data: good[:i]}); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	random := encodeFrame(noise(3000))
	again := deflated(uint64(len(good)+100), good)
	for name, b := range map[string][]byte{
		"something follows":  append(bytes.Clone(good), 0),
		"deflated twice":     again,
		"a length too long":  append([]byte{frameMagic, formDeflated, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, good...),
		"no frame in it":     deflated(3000, make([]byte, 3000)),
		"longer than it was": deflated(uint64(len(random)), random),
	} {
		if _, err := packer(Config{}).unpack(StoreKey{}, &Record{Data: b}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzStored reads hostile bytes as a store would return them, with and
// without keys.
func FuzzStored(f *testing.F) {
	const limit = 64 << 10
	key := StoreKey{1, 2, 3}
	kr, err := newKeyring(&Config{EncryptionKeys: [][]byte{testKey(1), testKey(2)}, Unencrypted: ReadUnencrypted})
	if err != nil {
		f.Fatal(err)
	}
	strict := *kr
	strict.unencrypted = RefuseUnencrypted
	plain := packer(Config{MaxSize: limit, Compress: true})
	both := &Manager{cfg: plain.cfg, keys: kr}
	sealed := &Manager{cfg: plain.cfg, keys: &strict}
	genuine := mustPack(f, sealed, key, text(2000))
	for _, m := range []*Manager{plain, sealed} {
		for _, c := range []*content{{}, text(100), text(5000), noise(2000)} {
			f.Add(mustPack(f, m, key, c))
		}
	}
	f.Add(genuine)
	f.Add([]byte{})
	f.Add(sample())
	f.Add([]byte{frameMagic, formSealed})
	f.Add(genuine[:sealOverhead])
	f.Add(deflated(limit, make([]byte, limit)))
	f.Add(deflated(1<<40, make([]byte, 1000)))
	f.Add(deflated(2000, encodeFrame(text(1900))))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		for i, m := range []*Manager{plain, both, sealed} {
			c, err := m.unpack(key, &Record{Data: data})
			switch {
			case !bytes.Equal(data, before):
				t.Fatal("the stored bytes were written to")
			case err != nil:
				if !errors.Is(err, ErrCorrupt) || len(c.items) > 0 {
					t.Fatal(i, err)
				}
				continue
			case m == sealed && !hasForm(data, formSealed):
				t.Fatal("what is not encrypted was accepted")
			case m == plain && hasForm(data, formSealed):
				t.Fatal("opened without a key")
			}
			if !hasForm(data, frameVersion) && c.size > limit {
				t.Fatalf("%d bytes out of %d", c.size, len(data))
			}
			checkDecoded(t, c)
			again, err := m.pack(key, &c)
			if err != nil {
				if !errors.Is(err, ErrTooLarge) {
					t.Fatal(err)
				}
				continue
			}
			if got, err := m.unpack(key, &Record{Data: again}); err != nil || !same(got, c) {
				t.Fatal(i, err)
			}
		}
	})
}

// A stream that keeps the reader busy without giving anything is refused, and
// takes no memory.
func TestCompress_EmptyBlocks(t *testing.T) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		data := emptyBlocks(size)
		if len(data) < size-200 || len(data) >= size {
			t.Fatal(len(data))
		}
		var err error
		cost := allocated(func() { _, err = inflate(data, 1<<20) })
		if !errors.Is(err, ErrCorrupt) || cost > uint64(size)+uint64(size)/4+80<<10 {
			t.Errorf("%d bytes: %v, costs %d", size, err, cost)
		}
	}
}
