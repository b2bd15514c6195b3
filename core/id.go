package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// An ID is 144 random bits in base64url: always 24 characters, all of which
// count, so that no two texts mean the same ID.
const (
	idBytes = 18
	idChars = 24
)

func newID() string {
	var b [idBytes]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process if it cannot read
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// validID reports whether s has the form of an ID. Whatever else a client
// presents is ignored before it costs a hash or a store call.
func validID(s string) bool {
	if len(s) != idChars {
		return false
	}
	for i := range len(s) {
		if !idAlphabet[s[i]] {
			return false
		}
	}
	return true
}

var idAlphabet = func() (ok [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		ok[c] = true
	}
	return ok
}()

// storeKey hashes the namespace, prefixed by its length so that no namespace
// can be taken for part of an ID, and the ID.
func storeKey(namespace, id string) StoreKey {
	b := make([]byte, 0, 128)
	b = binary.AppendUvarint(b, uint64(len(namespace)))
	b = append(b, namespace...)
	b = append(b, id...)
	return sha256.Sum256(b)
}
