package session

import "encoding/json"

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

// JSON is the default Codec: encoding/json.
type JSON struct{}

// Name returns "json".
func (JSON) Name() string { return "json" }

// Encode returns v as JSON.
func (JSON) Encode(v any) ([]byte, error) { return json.Marshal(v) }

// Decode reads JSON.
func (JSON) Decode(data []byte, v any) error { return json.Unmarshal(data, v) }
