package session

import "fmt"

// What a store gets of a session is its frame (frame.go), in one of three
// forms. The second byte tells which:
//
//	magic, 1  the frame itself
//	magic, 2  the frame deflated (compress.go)
//	magic, 3  one of the two above, sealed (seal.go)
//
// So the bytes say how they are stored, not the Config of who reads them:
// every Manager reads what any other has stored, whatever their settings for
// Compress are, and with the keys for it also what is sealed.
const (
	formDeflated = 2
	formSealed   = 3

	formHeader = 2 // bytes that all forms begin with
)

// hasForm reports whether data is in that form.
func hasForm(data []byte, form byte) bool {
	return len(data) >= formHeader && data[0] == frameMagic && data[1] == form
}

// pack returns c as the store gets it under key, for what MaxSize allows.
func (m *Manager) pack(key StoreKey, c *content) ([]byte, error) {
	data := encodeFrame(c)
	if limit := m.cfg.MaxSize; limit > 0 && len(data) > limit {
		return nil, fmt.Errorf("%w: %d bytes, Config.MaxSize is %d", ErrTooLarge, len(data), limit)
	}
	if m.cfg.Compress && len(data) >= compressFrom {
		data = deflate(data)
	}
	if m.keys.seals() {
		return m.keys.seal(data, key, c.owner)
	}
	return data, nil
}

// unpack reads what a store has under key; the owner stays in rec. What cannot
// be read is ErrCorrupt (M18). Hostile bytes are refused before they have been
// made into more than MaxSize.
func (m *Manager) unpack(key StoreKey, rec *Record) (content, error) {
	data := rec.Data
	var err error
	if m.keys != nil || hasForm(data, formSealed) {
		if data, err = m.keys.open(data, key, rec.Owner, m.cfg.MaxSize); err != nil {
			return content{}, err
		}
	}
	if hasForm(data, formDeflated) {
		if data, err = inflate(data, m.cfg.MaxSize); err != nil {
			return content{}, err
		}
	}
	return decodeFrame(data)
}
