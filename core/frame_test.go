package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

// Generate makes content of any shape that handlers can give it.
func (content) Generate(r *mathrand.Rand, size int) reflect.Value {
	c := content{remember: r.Intn(2) == 0}
	if r.Intn(2) == 0 {
		c.idle = time.Second + time.Duration(r.Int63n(int64(maxDuration-time.Second)))
	}
	codecs := []string{"json", "gob", strings.Repeat("c", maxCodecName)}
	for range r.Intn(size + 1) {
		name := make([]byte, 1+r.Intn(20))
		value := make([]byte, r.Intn(300))
		r.Read(name)
		r.Read(value)
		c.set(string(name), codecs[r.Intn(len(codecs))], value)
	}
	return reflect.ValueOf(c)
}

// same reports whether two contents are equal; an empty value equals none.
func same(a, b content) bool {
	if a.idle != b.idle || a.remember != b.remember || a.size != b.size || len(a.items) != len(b.items) {
		return false
	}
	for i := range a.items {
		if x, y := a.items[i], b.items[i]; !bytes.Equal(x.name, y.name) || x.codec != y.codec || !bytes.Equal(x.value, y.value) {
			return false
		}
	}
	return true
}

func TestFrame_RoundTrip(t *testing.T) {
	err := quick.Check(func(c content) bool {
		b := encodeFrame(&c)
		if len(b) != frameSize(&c) || cap(b) != len(b) {
			t.Errorf("%d bytes in %d, frameSize says %d", len(b), cap(b), frameSize(&c))
		}
		got, err := decodeFrame(b)
		return err == nil && same(got, c) && bytes.Equal(encodeFrame(&got), b)
	}, &quick.Config{MaxCount: 500})
	if err != nil {
		t.Error(err)
	}
}

func TestFrame_Extremes(t *testing.T) {
	var many, big content
	for i := range 5000 {
		many.set(fmt.Sprint("k", i), "json", []byte("1"))
	}
	big.set(strings.Repeat("n", maxName), strings.Repeat("c", maxCodecName), make([]byte, 5<<20))
	for name, c := range map[string]content{"empty": {}, "many": many, "big": big, "longest idle": {idle: maxDuration}, "shortest idle": {idle: 1}} {
		b := encodeFrame(&c)
		if got, err := decodeFrame(b); err != nil || !same(got, c) || len(b) != frameSize(&c) {
			t.Error(name, err)
		}
	}
}

// sample is a frame with one of everything.
func sample() []byte {
	c := content{remember: true, idle: 90 * time.Second}
	c.set("cart", "json", []byte(`{"items":["tea","milk"]}`))
	c.set("count", "json", []byte(`7`))
	c.set("blob", "raw", []byte{0, 1, 2, 255})
	c.set("none", "raw", nil)
	return encodeFrame(&c)
}

func TestFrame_EveryTruncation(t *testing.T) {
	b := sample()
	for n := range b {
		if _, err := decodeFrame(b[:n:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := decodeFrame(append(b, 0)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte too many: %v", err)
	}
	if _, err := decodeFrame(nil); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

// Whatever becomes of one byte, what comes out is an error or content that
// keeps the rules of content.
func TestFrame_EveryCorruption(t *testing.T) {
	good := sample()
	for i := range good {
		for v := range 256 {
			b := bytes.Clone(good)
			b[i] = byte(v)
			c, err := decodeFrame(b)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("byte %d = %d: %v", i, v, err)
				}
				continue
			}
			checkDecoded(t, c)
		}
	}
}

// checkDecoded is checkContent for content that shares its bytes with a frame.
func checkDecoded(t *testing.T, c content) {
	t.Helper()
	for i, it := range c.items {
		if cap(it.name) != len(it.name) || cap(it.value) != len(it.value) {
			t.Fatalf("item %d has room to grow into what follows", i)
		}
	}
	checkContent(t, c)
}

// checkContent fails the test unless c is as content has to be.
func checkContent(t *testing.T, c content) {
	t.Helper()
	size := 0
	for i, it := range c.items {
		size += len(it.name) + len(it.value)
		if len(it.name) == 0 || len(it.name) > maxName || len(it.codec) > maxCodecName || i > 0 && string(c.items[i-1].name) >= string(it.name) {
			t.Fatalf("item %d breaks the rules: %q after %q", i, it.name, c.items[max(i-1, 0)].name)
		}
	}
	if size != c.size || c.idle < 0 || c.idle > maxDuration {
		t.Fatalf("size %d, want %d; idle %v", c.size, size, c.idle)
	}
	again, err := decodeFrame(encodeFrame(&c))
	if err != nil || !same(again, c) {
		t.Fatalf("does not survive another round: %v", err)
	}
}

func TestFrame_VersionsAndFlags(t *testing.T) {
	good := sample()
	for what, change := range map[string]func(b []byte){
		"begin as a session":     func(b []byte) { b[0] = '{' },
		"version is 2":           func(b []byte) { b[1] = 2 },
		"version is 0":           func(b []byte) { b[1] = 0 },
		"flags":                  func(b []byte) { b[2] |= 8 },
		"idle timeout is out of": func(b []byte) { copy(b[3:], binary.AppendUvarint(nil, uint64(maxDuration)+1)) },
		"number of codecs":       func(b []byte) { *(*[10]byte)(b) = [10]byte{frameMagic, frameVersion, 0, 255, 255, 255, 255, 1} },
		"number of items":        func(b []byte) { *(*[10]byte)(b) = [10]byte{frameMagic, frameVersion, 0, 0, 255, 255, 255, 255, 1} },
		"item 1 of 4":            func(b []byte) { b[bytes.Index(b, []byte("blob"))-1] = 0 },
		"cut short or too long":  func(b []byte) { copy(b, []byte{frameMagic, frameVersion, 0, 0, 0}) },
	} {
		b := bytes.Clone(good)
		change(b)
		if _, err := decodeFrame(b); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), what) {
			t.Errorf("want an error that says %q, got %v", what, err)
		}
	}
	// Names out of order, and the same name twice.
	for _, names := range [][2]string{{"b", "a"}, {"a", "a"}} {
		c := content{items: items{{[]byte(names[0]), "json", nil}, {[]byte(names[1]), "json", nil}}, size: 2}
		if _, err := decodeFrame(encodeFrame(&c)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: %v", names, err)
		}
	}
}

// Hostile counts cost no more than a small multiple of the frame's own size.
func TestFrame_MemoryIsBounded(t *testing.T) {
	head := []byte{frameMagic, frameVersion, 0}
	rest := make([]byte, 1<<16)
	hostile := map[string][]byte{"all zero": append(head, rest...)}
	for _, n := range []uint64{255, 256, 1 << 16, 1 << 14, 1 << 32, math.MaxInt64, math.MaxUint64} {
		codecs := append(binary.AppendUvarint(bytes.Clone(head), n), rest...)
		items := append(binary.AppendUvarint(append(bytes.Clone(head), 0), n), rest...)
		name := append(binary.AppendUvarint(append(bytes.Clone(head), 1), n), rest...)
		hostile[fmt.Sprint(n, " codecs")] = codecs
		hostile[fmt.Sprint(n, " items")] = items
		hostile[fmt.Sprint("a codec's name of ", n)] = name
	}
	for what, b := range hostile {
		if n := allocated(func() { _, _ = decodeFrame(b) }); n > 20*uint64(len(b)) {
			t.Errorf("%s: %d bytes for a frame of %d", what, n, len(b))
		}
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Content that was decoded can be changed without touching the frame, which
// belongs to the store.
func TestFrame_ContentNeverWritesToTheFrame(t *testing.T) {
	b := sample()
	before := bytes.Clone(b)
	c, err := decodeFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	c.set("cart", "json", []byte("{}"))
	c.set("aaa", "json", []byte("1"))
	c.delete("count")
	c.set("blob", "raw", bytes.Repeat([]byte{7}, 4))
	c.clear()
	if !bytes.Equal(b, before) {
		t.Error("the frame was written to")
	}
}

func TestContent_SizeIsKept(t *testing.T) {
	var c content
	for range 10_000 {
		name, value := fmt.Sprint(rand.N(20)), make([]byte, rand.N(10))
		switch rand.N(4) {
		case 0:
			c.delete(name)
		default:
			c.set(name, "json", value)
		}
		checkContent(t, c)
	}
}

// The namespace's length is a part of what is hashed: no namespace and ID make
// the key of another pair.
func TestStoreKey_SeparatesNamespaces(t *testing.T) {
	id := newID()
	seen := map[StoreKey]string{}
	for _, namespace := range []string{"", "a", "a" + id[:1], id, "\x01a", strings.Repeat("n", 127), strings.Repeat("n", 128), strings.Repeat("n", 255)} {
		for _, id := range []string{id, id[1:], "a" + id, "\x01a" + id, ""} {
			key := storeKey(namespace, id)
			if what, found := seen[key]; found {
				t.Errorf("%q and %q have one key", what, namespace+"|"+id)
			}
			seen[key] = namespace + "|" + id
		}
	}
	if want := sha256.Sum256([]byte("\x03app" + id)); storeKey("app", id) != want {
		t.Error("the key is not what other programs would reckon: existing sessions would be lost")
	}
}

func TestID_Valid(t *testing.T) {
	for range 1000 {
		if id := newID(); !validID(id) {
			t.Fatalf("%q", id)
		}
	}
	for _, bad := range []string{"", strings.Repeat("a", 23), strings.Repeat("a", 25), strings.Repeat("a", 23) + "=", strings.Repeat("a", 23) + " ", strings.Repeat("a", 22) + "é"} {
		if validID(bad) {
			t.Errorf("%q is no ID", bad)
		}
	}
}
