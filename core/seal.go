package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
)

// A sealed record is
//
//	magic, formSealed  2 bytes
//	key's name         8 bytes
//	nonce              24 random bytes
//	ciphertext         as long as what is in it: a frame, deflated or not
//	tag                16 bytes
//
// nonce, ciphertext and tag are XAES-256-GCM (c2sp.org/XAES-256-GCM): the first
// half of the nonce and the key make a key for this record alone, under which
// AES-256-GCM encrypts with the other half. With one key for all, 96 random
// bits of nonce would be too few: after 2^32 saves, which a busy service makes
// in days, two records with one nonce were likely enough to matter, and two
// such give their contents away. With 192 bits that point is beyond 2^80.
//
// Associated data are what stands before the nonce, the StoreKey, and the
// owner. So a record opens only under the StoreKey that it was sealed for, and
// only beside its owner.
const (
	keySize     = 32 // of AES-256
	keyNameSize = 8
	sealHeader  = formHeader + keyNameSize
	gcmNonce    = 12
	gcmTag      = 16

	// sealOverhead is how much longer a sealed record is than what is in it.
	sealOverhead = sealHeader + 2*gcmNonce + gcmTag
)

// Unencrypted says what a Manager that has EncryptionKeys does about sessions
// that are stored unencrypted. See Config.Unencrypted.
type Unencrypted uint8

const (
	// RefuseUnencrypted takes a session that is stored unencrypted for one
	// that cannot be read (M18).
	RefuseUnencrypted Unencrypted = iota
	// ReadUnencrypted reads it, and encrypts it when it is saved next.
	ReadUnencrypted
	// WriteUnencrypted reads it too, and encrypts nothing.
	WriteUnencrypted
)

// keyring is what EncryptionKeys and Unencrypted have become. A nil one has no
// keys.
type keyring struct {
	keys        []*recordKey // the first seals, all open
	unencrypted Unencrypted
}

// recordKey is one of the EncryptionKeys.
type recordKey struct {
	name [keyNameSize]byte
	aead xaes
}

// newKeyring returns the keyring of a Config; nil if that has no keys.
func newKeyring(cfg *Config) (*keyring, error) {
	switch {
	case cfg.Unencrypted > WriteUnencrypted:
		return nil, fmt.Errorf("session: Config.Unencrypted is %d: must be RefuseUnencrypted, ReadUnencrypted or WriteUnencrypted", cfg.Unencrypted)
	case cfg.EncryptionKeys == nil && cfg.Unencrypted != RefuseUnencrypted:
		return nil, errors.New("session: Config.Unencrypted is set, and Config.EncryptionKeys is not: set both or neither")
	case cfg.EncryptionKeys == nil:
		return nil, nil
	case len(cfg.EncryptionKeys) == 0:
		return nil, fmt.Errorf("session: Config.EncryptionKeys is empty: must have at least one key of %d bytes, or be nil to encrypt nothing", keySize)
	}
	kr := &keyring{unencrypted: cfg.Unencrypted}
	for i, key := range cfg.EncryptionKeys {
		if len(key) != keySize {
			return nil, fmt.Errorf("session: Config.EncryptionKeys[%d] has %d bytes: must have %d, from crypto/rand", i, len(key), keySize)
		}
		if subtle.ConstantTimeCompare(key, make([]byte, keySize)) == 1 {
			return nil, fmt.Errorf("session: Config.EncryptionKeys[%d] is all zeros: must be %d bytes from crypto/rand", i, keySize)
		}
		k, err := newRecordKey(key)
		if err != nil {
			return nil, fmt.Errorf("session: Config.EncryptionKeys[%d]: %w", i, err)
		}
		if j := slices.IndexFunc(kr.keys, func(other *recordKey) bool { return other.name == k.name }); j >= 0 {
			return nil, fmt.Errorf("session: Config.EncryptionKeys[%d] is the same as [%d]: give each key once", i, j)
		}
		kr.keys = append(kr.keys, k)
	}
	return kr, nil
}

// newRecordKey derives what encrypts, and a name for it that tells nothing of
// it, from a configured key.
func newRecordKey(key []byte) (*recordKey, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "sessionstate: key and name of XAES-256-GCM for records", keySize+keyNameSize)
	if err != nil {
		return nil, err
	}
	aead, err := newXAES(derived[:keySize])
	if err != nil {
		return nil, err
	}
	return &recordKey{[keyNameSize]byte(derived[keySize:]), aead}, nil
}

// seals reports whether records are to be encrypted.
func (kr *keyring) seals() bool { return kr != nil && kr.unencrypted != WriteUnencrypted }

// seal returns data sealed with the first key, for its place in the store.
func (kr *keyring) seal(data []byte, key StoreKey, owner string) ([]byte, error) {
	k := kr.keys[0]
	out := make([]byte, 0, sealOverhead+len(data))
	out = append(out, frameMagic, formSealed)
	out = append(out, k.name[:]...)
	out, err := k.aead.seal(out, data, associated(out, key, owner))
	if err != nil {
		return nil, fmt.Errorf("session: save: cannot be encrypted: %w", err)
	}
	return out, nil
}

// open returns what was sealed, or data that is not sealed, if that is
// allowed. Only the key that the record names is tried.
func (kr *keyring) open(data []byte, key StoreKey, owner string, limit int) ([]byte, error) {
	switch {
	case !hasForm(data, formSealed):
		if kr.unencrypted == RefuseUnencrypted {
			return nil, corrupt("it is not encrypted, and Config.Unencrypted does not allow that")
		}
		return data, nil
	case kr == nil:
		return nil, corrupt("it is encrypted, and Config.EncryptionKeys is not set")
	case len(data) < sealOverhead:
		return nil, corrupt("it is cut short")
	case limit > 0 && len(data)-sealOverhead > limit:
		return nil, corrupt(fmt.Sprintf("it holds %d bytes, Config.MaxSize is %d: was that larger before?", len(data)-sealOverhead, limit))
	}
	name := [keyNameSize]byte(data[formHeader:])
	for _, k := range kr.keys {
		if k.name != name {
			continue
		}
		plain, err := k.aead.open(data[sealHeader:], associated(data[:sealHeader], key, owner))
		if err != nil {
			return nil, corrupt("it was changed after it was encrypted, or was stored under another ID or for another owner")
		}
		return plain, nil
	}
	return nil, corrupt("it is encrypted with a key that is not in Config.EncryptionKeys")
}

// associated is what a record is bound to. The owner comes last, and all else
// has one length, so that no two places have the same.
func associated(header []byte, key StoreKey, owner string) []byte {
	b := make([]byte, 0, sealHeader+len(key)+len(owner))
	b = append(b, header...)
	b = append(b, key[:]...)
	return append(b, owner...)
}

// xaes is XAES-256-GCM with one key.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // CMAC's subkey (NIST SP 800-38B)
}

func newXAES(key []byte) (x xaes, err error) {
	if x.block, err = aes.NewCipher(key); err != nil {
		return x, err
	}
	var l [aes.BlockSize]byte
	x.block.Encrypt(l[:], l[:])
	for i := range l { // k1 is l times x in GF(2^128)
		x.k1[i] = l[i] << 1
		if i+1 < len(l) {
			x.k1[i] |= l[i+1] >> 7
		}
	}
	x.k1[len(l)-1] ^= (l[0] >> 7) * 0x87
	return x, nil
}

// derive returns AES-256-GCM under the key that the nonce's first half makes.
// It puts the nonce's other half before the ciphertext by itself: chosen at
// random when it seals, read from there when it opens.
func (x *xaes) derive(half []byte) (cipher.AEAD, error) {
	var key [keySize]byte
	for i := range 2 { // each a CMAC of one block
		b := key[i*aes.BlockSize : (i+1)*aes.BlockSize]
		copy(b, []byte{0, byte(i + 1), 'X', 0})
		copy(b[4:], half)
		subtle.XORBytes(b, b, x.k1[:])
		x.block.Encrypt(b, b)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal appends nonce, ciphertext and tag to dst.
func (x *xaes) seal(dst, plain, associated []byte) ([]byte, error) {
	var half [gcmNonce]byte
	rand.Read(half[:]) // never fails: crypto/rand ends the process if it cannot read
	aead, err := x.derive(half[:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(append(dst, half[:]...), nil, plain, associated), nil
}

// open returns what was sealed. sealed has at least room for nonce and tag.
func (x *xaes) open(sealed, associated []byte) ([]byte, error) {
	aead, err := x.derive(sealed[:gcmNonce])
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, sealed[gcmNonce:], associated)
}
