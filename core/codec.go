package session

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Codec turns the values of a session into bytes and back. Its name is stored
// beside each value, so that sessions outlive a change of codec. It must be
// safe for concurrent use, and equal values should give equal bytes: a value
// that is set to what it was does then not count as a change.
type Codec interface {
	// Name identifies the format: 1 to 32 bytes, never to be reused for
	// another format.
	Name() string
	// Encode returns v's bytes, which are the caller's to keep.
	Encode(v any) ([]byte, error)
	// Decode stores into v, a pointer, what data holds. It keeps no
	// reference to data.
	Decode(data []byte, v any) error
}

const maxCodecName = 32

const (
	nameJSON = "json"
	nameGob  = "gob"
)

// JSON is the default Codec: encoding/json.
type JSON struct{}

// Name returns "json".
func (JSON) Name() string { return nameJSON }

// Encode returns v as JSON.
func (JSON) Encode(v any) ([]byte, error) { return json.Marshal(v) }

// Decode reads JSON.
func (JSON) Decode(data []byte, v any) error { return json.Unmarshal(data, v) }

// Gob is the Codec of encoding/gob, for values that JSON cannot hold or does
// not give back as they were: maps with keys of any type, complex numbers,
// interfaces inside of values, once their types are registered with
// gob.Register.
//
// Each value carries the description of its type, which costs time and room.
// The bytes of a map, and of one type in two processes, may differ where the
// values do not, so that setting such a value to what it is may count as a
// change. The T of a Key cannot be an interface type: it is stored, and cannot
// be got.
//
// encoding/gob is not made for hostile bytes: where others can write to the
// store, set Config.EncryptionKeys too.
type Gob struct{}

// Name returns "gob".
func (Gob) Name() string { return nameGob }

// Encode returns v as a gob stream of one value.
func (Gob) Encode(v any) ([]byte, error) {
	// The package panics at a nil pointer, and writes nothing for a pointer to
	// one. Nobody needs more than a few; a pointer to itself would never end.
	p := reflect.ValueOf(v)
	for range 4 {
		if p.Kind() != reflect.Pointer {
			break
		}
		if p.IsNil() {
			return nil, errors.New("gob cannot hold a nil pointer")
		}
		p = p.Elem()
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	return bytes.Clone(b.Bytes()), nil
}

// Decode reads a gob stream of one value.
func (Gob) Decode(data []byte, v any) error {
	if !wholeMessages(data) {
		return errors.New("it is cut short")
	}
	in := bytes.NewReader(data)
	if err := gob.NewDecoder(in).Decode(v); err != nil {
		return err
	}
	if in.Len() > 0 {
		return errors.New("something follows the value")
	}
	return nil
}

// wholeMessages reports whether a gob stream has all that its messages claim
// to have. The package makes room for what they claim before it looks.
func wholeMessages(data []byte) bool {
	for len(data) > 0 {
		n := uint64(data[0])
		data = data[1:]
		if n > 0x7f { // the length of the length, negated
			size := -int(int8(n))
			if size > 8 || size > len(data) {
				return false
			}
			n = 0
			for _, b := range data[:size] {
				n = n<<8 | uint64(b)
			}
			data = data[size:]
		}
		if n > uint64(len(data)) {
			return false
		}
		data = data[n:]
	}
	return true
}

// readCodecs returns a checked copy of Config.ReadCodecs, with those that are
// always there.
func readCodecs(codec Codec, others []Codec) ([]Codec, error) {
	if name := codec.Name(); name == "" || len(name) > maxCodecName {
		return nil, fmt.Errorf("session: Config.Codec has the name %q: must have from 1 to %d bytes", name, maxCodecName)
	}
	for i, c := range others {
		if c == nil {
			return nil, fmt.Errorf("session: Config.ReadCodecs[%d] is nil: must be a codec", i)
		}
		name := c.Name()
		if name == "" || len(name) > maxCodecName {
			return nil, fmt.Errorf("session: Config.ReadCodecs[%d] has the name %q: must have from 1 to %d bytes", i, name, maxCodecName)
		}
		if j := slices.IndexFunc(others[:i], func(c Codec) bool { return c.Name() == name }); j >= 0 {
			return nil, fmt.Errorf("session: Config.ReadCodecs[%d] has the name %q, as [%d] has: one of them must go", i, name, j)
		}
	}
	return append(slices.Clip(others), JSON{}, Gob{}), nil
}

// codec returns the codec of that name, nil if the Manager has none.
func (m *Manager) codec(name string) Codec {
	if m.cfg.Codec.Name() == name {
		return m.cfg.Codec
	}
	for _, c := range m.cfg.ReadCodecs {
		if c.Name() == name {
			return c
		}
	}
	return nil
}
