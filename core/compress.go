package session

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A deflated frame is
//
//	magic, formDeflated  2 bytes
//	size                 uvarint, the length of the frame
//	the frame            one deflate stream (RFC 1951), to the end
//
// It is always shorter than the frame, else the frame is stored as it is.
const (
	// compressFrom is the shortest frame that is worth it. Below, what a
	// store has beside the content outweighs what can be saved.
	compressFrom = 1024

	// compressLevel: the stronger ones take two to ten times as long for a
	// tenth less, and clear a table of half a megabyte first.
	compressLevel = flate.BestSpeed

	// maxRatio is what deflate can reach: 258 bytes out of 2 bits.
	maxRatio = 258 * 8 / 2

	// maxPooled is the largest buffer that is kept for the next session.
	maxPooled = 64 << 10
)

// deflater is a writer of deflate streams, which is over a megabyte large, and
// what it writes to.
type deflater struct {
	w     *flate.Writer
	out   []byte
	limit int // out must be shorter
}

var deflaters = sync.Pool{New: func() any {
	d := &deflater{}
	d.w, _ = flate.NewWriter(d, compressLevel) // an error only for a wrong level
	return d
}}

var errNoGain = errors.New("does not get shorter")

// Write takes what is deflated, until it is clear that it is not worth it.
func (d *deflater) Write(p []byte) (int, error) {
	if len(d.out)+len(p) >= d.limit {
		return 0, errNoGain
	}
	d.out = append(d.out, p...)
	return len(p), nil
}

// deflate returns the frame deflated, or the frame if that is not longer.
func deflate(frame []byte) []byte {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.limit = len(frame)
	d.out = binary.AppendUvarint(append(d.out[:0], frameMagic, formDeflated), uint64(len(frame)))
	d.w.Reset(d)
	_, err := d.w.Write(frame)
	if err == nil {
		err = d.w.Close()
	}
	if err == nil {
		frame = bytes.Clone(d.out) // of its size: some stores keep it
	}
	if cap(d.out) > maxPooled {
		d.out = nil
	}
	return frame
}

// inflater is a reader of deflate streams, and what it reads from.
type inflater struct {
	in bytes.Reader
	r  io.ReadCloser // also a flate.Resetter
}

var inflaters = sync.Pool{New: func() any {
	i := &inflater{}
	i.r = flate.NewReader(&i.in)
	return i
}}

// inflate returns the frame of data, which has the form formDeflated. The
// frame's length is known before anything is inflated: what claims more than
// limit (0 or less: none), or than so short a stream can hold, is refused at
// once, and not a byte more than it claims is ever made. What is left to a
// hostile stream is time, in proportion to its own length, which is less than
// limit too: see BenchmarkHostile.
func inflate(data []byte, limit int) ([]byte, error) {
	size, n := binary.Uvarint(data[formHeader:])
	if n <= 0 {
		return nil, corrupt("it is cut short or too long")
	}
	stream := data[formHeader+n:]
	switch {
	case limit > 0 && size > uint64(limit):
		return nil, corrupt(fmt.Sprintf("it is said to inflate to %d bytes, Config.MaxSize is %d: was that larger before?", size, limit))
	case size <= uint64(len(data)), size > maxRatio*uint64(len(stream)):
		return nil, corrupt("its length and that of what it holds contradict each other")
	}
	i := inflaters.Get().(*inflater)
	defer inflaters.Put(i)
	i.in.Reset(stream)
	defer i.in.Reset(nil) // the pool does not hold on to the stored bytes
	if err := i.r.(flate.Resetter).Reset(&i.in, nil); err != nil {
		return nil, corrupt("it cannot be inflated")
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(i.r, frame); err != nil {
		return nil, corrupt("it cannot be inflated")
	}
	var more [1]byte
	if n, err := i.r.Read(more[:]); n > 0 || err != io.EOF || i.in.Len() > 0 {
		return nil, corrupt("it is cut short or too long")
	}
	return frame, nil
}
