package session

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"
)

// A frame is a session's content as the store keeps it:
//
//	magic, version      2 bytes
//	flags               1 byte
//	idle                uvarint, nanoseconds, if flagIdle
//	codecs              uvarint n ≤ 255, then n names
//	items               uvarint n, then n times: name, codec's index (1 byte), value
//
// Names and values are byte strings with a uvarint length before them. Items
// are sorted by name, no name comes twice, and nothing follows the last. The
// owner and all times but a session's own idle timeout are in the Record
// beside it, where the store can use them. The next version is 4: see
// stored.go for what 2 and 3 mean.
const (
	frameMagic   = 0xA5
	frameVersion = 1

	flagRemember = 1 << 0
	flagIdle     = 1 << 1
	flagUnborn   = 1 << 2
	flagsKnown   = flagRemember | flagIdle | flagUnborn

	// minItem is the shortest item: 1 byte of name with its length, codec,
	// length of an empty value. It bounds what a hostile count can make
	// decode allocate.
	minItem = 4

	maxName = 1024

	// maxOverhead is more than a frame has beside the content, and more than
	// it has for an item beside its name and value.
	maxOverhead = 48
)

// encodeFrame returns c as the store keeps it.
func encodeFrame(c *content) []byte {
	var room [2]string
	codecs := c.codecs(room[:0])
	b := make([]byte, 0, frameSize(c))
	flags := byte(0)
	if c.remember {
		flags |= flagRemember
	}
	if c.idle > 0 {
		flags |= flagIdle
	}
	if c.unborn {
		flags |= flagUnborn
	}
	b = append(b, frameMagic, frameVersion, flags)
	if c.idle > 0 {
		b = binary.AppendUvarint(b, uint64(c.idle))
	}
	b = binary.AppendUvarint(b, uint64(len(codecs)))
	for _, name := range codecs {
		b = appendBytes(b, name)
	}
	b = binary.AppendUvarint(b, uint64(len(c.items)))
	for i := range c.items {
		it := &c.items[i]
		b = appendBytes(b, it.name)
		b = append(b, byte(slices.Index(codecs, it.codec)))
		b = appendBytes(b, it.value)
	}
	return b
}

// codecs appends the names of the codecs of c's values: few, nearly always one.
func (c *content) codecs(names []string) []string {
	for i := range c.items {
		if name := c.items[i].codec; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// frameSize returns the length of c's frame.
func frameSize(c *content) int {
	var room [2]string
	codecs := c.codecs(room[:0])
	n := 3 + uvarintLen(len(codecs)) + uvarintLen(len(c.items)) + len(c.items) + c.size
	if c.idle > 0 {
		n += uvarintLen(int(c.idle))
	}
	for _, name := range codecs {
		n += uvarintLen(len(name)) + len(name)
	}
	for i := range c.items {
		n += uvarintLen(len(c.items[i].name)) + uvarintLen(len(c.items[i].value))
	}
	return n
}

func uvarintLen(n int) int { return (bits.Len64(uint64(n)|1) + 6) / 7 }

func appendBytes[S string | []byte](b []byte, s S) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// decodeFrame reads a frame. The content shares its bytes. A damaged or
// hostile frame is ErrCorrupt, and costs at most some 16 times its own size in
// memory: an item of minItem bytes takes 64 of them. One whose items are all
// that short but in order costs that too, since it is what a program may store.
func decodeFrame(data []byte) (content, error) {
	var c content
	r := frameReader{rest: data}
	if r.byte() != frameMagic || r.bad {
		return c, corrupt("it does not begin as a session does")
	}
	if v := r.byte(); v != frameVersion {
		return c, corrupt(fmt.Sprintf("its version is %d, this program reads %d: was it stored by a newer one?", v, frameVersion))
	}
	flags := r.byte()
	if flags&^flagsKnown != 0 {
		return c, corrupt("it has flags that this program does not know: was it stored by a newer one?")
	}
	c.remember, c.unborn = flags&flagRemember != 0, flags&flagUnborn != 0
	if flags&flagIdle != 0 {
		idle := r.uvarint()
		if idle == 0 || idle > uint64(maxDuration) {
			return c, corrupt("its idle timeout is out of range")
		}
		c.idle = time.Duration(idle)
	}
	n := r.uvarint()
	if n > math.MaxUint8 || n > uint64(len(r.rest)) {
		return c, corrupt("its number of codecs is out of range")
	}
	codecs := make([]string, n)
	for i := range codecs {
		codecs[i] = codecName(r.bytes(maxCodecName))
	}
	n = r.uvarint()
	if n > uint64(len(r.rest)/minItem) {
		return c, corrupt("its number of items is out of range")
	}
	if n > 0 {
		c.items = make(items, n)
	}
	for i := range c.items {
		it := &c.items[i]
		it.name = r.bytes(maxName)
		codec := int(r.byte())
		it.value = r.bytes(math.MaxInt)
		if r.bad || codec >= len(codecs) || len(it.name) == 0 ||
			i > 0 && string(it.name) <= string(c.items[i-1].name) {
			return content{}, corrupt(fmt.Sprintf("item %d of %d is damaged", i+1, n))
		}
		it.codec = codecs[codec]
		c.size += len(it.name) + len(it.value)
	}
	if r.bad || len(r.rest) > 0 {
		return content{}, corrupt("it is cut short or too long")
	}
	return c, nil
}

// codecName spares the commonest names their copies.
func codecName(b []byte) string {
	switch string(b) {
	case nameJSON:
		return nameJSON
	case nameGob:
		return nameGob
	}
	return string(b)
}

func corrupt(why string) error { return fmt.Errorf("%w: %s", ErrCorrupt, why) }

// frameReader takes a frame apart. After the first thing that is not there it
// is bad and returns zeros.
type frameReader struct {
	rest []byte
	bad  bool
}

func (r *frameReader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *frameReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// bytes returns the next byte string, with no room to grow into what follows.
func (r *frameReader) bytes(limit int) []byte {
	n := r.uvarint()
	if n > uint64(limit) || n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}
