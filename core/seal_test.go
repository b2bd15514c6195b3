package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// testKey returns an encryption key.
func testKey(i byte) []byte {
	sum := sha256.Sum256([]byte{i, 'k', 'e', 'y'})
	return sum[:]
}

// sealer returns a Manager that can do no more than pack and unpack, with
// those keys.
func sealer(t testing.TB, cfg Config) *Manager {
	t.Helper()
	kr, err := newKeyring(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &Manager{cfg: cfg, keys: kr}
}

// The test vectors of c2sp.org/XAES-256-GCM. The nonce's second half is chosen
// inside of the standard library, so that they can be opened only.
func TestXAES_Vectors(t *testing.T) {
	for _, v := range []struct {
		key        byte
		associated string
		want       string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x, err := newXAES(bytes.Repeat([]byte{v.key}, keySize))
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := hex.DecodeString(v.want)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := x.open(append([]byte("ABCDEFGHIJKLMNOPQRSTUVWX"), sealed...), []byte(v.associated))
		if err != nil || string(plain) != "XAES-256-GCM" {
			t.Errorf("key %d: %q %v", v.key, plain, err)
		}
		if again, err := x.seal(nil, plain, []byte(v.associated)); err != nil || len(again) != 24+len(plain)+16 {
			t.Errorf("key %d: %d bytes, %v", v.key, len(again), err)
		}
	}
}

func TestSeal_TheFormIsAsDocumented(t *testing.T) {
	m, key := sealer(t, Config{EncryptionKeys: [][]byte{testKey(1), testKey(2)}}), StoreKey{7}
	c := text(500)
	frame := encodeFrame(c)
	a, b := mustPack(t, m, key, c), mustPack(t, m, key, c)
	for _, data := range [][]byte{a, b} {
		if !hasForm(data, formSealed) || len(data) != len(frame)+50 || len(data) != len(frame)+sealOverhead || cap(data) > len(data) {
			t.Errorf("%d bytes with room for %d, of %d", len(data), cap(data), len(frame))
		}
		if got, err := m.unpack(key, &Record{Data: data}); err != nil || !same(got, *c) {
			t.Error(err)
		}
	}
	if !bytes.Equal(a[:sealHeader], b[:sealHeader]) {
		t.Error("the key has two names")
	}
	// Nothing else is alike in two saves of the same: not by chance for 8
	// bytes at any of 500 places.
	for i := sealHeader; i+8 <= len(a); i++ {
		if bytes.Equal(a[i:i+8], b[i:i+8]) {
			t.Fatal("two saves are alike at", i)
		}
	}
}

// No byte of a sealed record can be changed, cut off or added.
func TestM18_NothingSealedCanBeChanged(t *testing.T) {
	for _, cfg := range []Config{{}, {Compress: true}} {
		cfg.EncryptionKeys = [][]byte{testKey(1), testKey(2)}
		for _, policy := range []Unencrypted{RefuseUnencrypted, ReadUnencrypted, WriteUnencrypted} {
			key, c := StoreKey{7}, text(compressFrom)
			good := mustPack(t, sealer(t, cfg), key, c)
			cfg := cfg
			cfg.Unencrypted = policy
			m := sealer(t, cfg)
			refused := func(what string, data []byte) {
				t.Helper()
				got, err := m.unpack(key, &Record{Data: data})
				if !errors.Is(err, ErrCorrupt) || len(got.items) > 0 {
					t.Errorf("%s: %v, %d values", what, err, len(got.items))
				}
			}
			for i := range good {
				for _, flip := range [...]byte{0x01, 0x80} {
					bad := bytes.Clone(good)
					bad[i] ^= flip
					refused(fmt.Sprintf("byte %d changed by %x", i, flip), bad)
				}
				refused(fmt.Sprintf("cut at %d", i), good[:i])
			}
			refused("longer", append(bytes.Clone(good), 0))
			refused("sealed twice", mustSeal(t, m, good, key))
			if got, err := m.unpack(key, &Record{Data: good}); err != nil || !same(got, *c) {
				t.Error(err)
			}
		}
	}
}

func mustSeal(t *testing.T, m *Manager, data []byte, key StoreKey) []byte {
	t.Helper()
	b, err := m.keys.seal(data, key, "")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A record opens under its StoreKey and beside its owner only, and under the
// key that it names.
func TestSeal_IsBoundToItsPlace(t *testing.T) {
	m := sealer(t, Config{EncryptionKeys: [][]byte{testKey(1), testKey(2)}})
	c := *text(100)
	c.owner = "anna"
	home := StoreKey{7, 31: 1}
	data := mustPack(t, m, home, &c)
	if got, err := m.unpack(home, &Record{Data: data, Owner: "anna"}); err != nil || !same(got, c) {
		t.Error(err)
	}
	otherName := bytes.Clone(data)
	copy(otherName[formHeader:], m.keys.keys[1].name[:])
	for name, tt := range map[string]struct {
		key   StoreKey
		owner string
		data  []byte
	}{
		"another StoreKey": {StoreKey{7, 31: 2}, "anna", data},
		"another owner":    {home, "admin", data},
		"no owner":         {home, "", data},
		"a longer owner":   {home, "annak", data},
		"another key":      {home, "anna", otherName},
	} {
		if _, err := m.unpack(tt.key, &Record{Data: tt.data, Owner: tt.owner}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSeal_OnlyWithTheKey(t *testing.T) {
	key, c := StoreKey{1}, text(100)
	data := mustPack(t, sealer(t, Config{EncryptionKeys: [][]byte{testKey(1)}}), key, c)
	var errs []error
	for name, tt := range map[string]struct {
		cfg   Config
		opens bool
	}{
		"no key":         {Config{}, false},
		"another key":    {Config{EncryptionKeys: [][]byte{testKey(2), testKey(3)}}, false},
		"in front":       {Config{EncryptionKeys: [][]byte{testKey(1), testKey(2)}}, true},
		"behind":         {Config{EncryptionKeys: [][]byte{testKey(2), testKey(3), testKey(1)}}, true},
		"writes plainly": {Config{EncryptionKeys: [][]byte{testKey(1)}, Unencrypted: WriteUnencrypted}, true},
	} {
		got, err := sealer(t, tt.cfg).unpack(key, &Record{Data: data})
		if tt.opens && (err != nil || !same(got, *c)) || !tt.opens && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, err := range errs {
		noKeyIn(t, err.Error())
	}
}

// noKeyIn fails the test if s contains one of the test's keys, or a part.
func noKeyIn(t testing.TB, s string) {
	t.Helper()
	for i := range byte(4) {
		k := testKey(i)
		for _, form := range []string{string(k[:8]), hex.EncodeToString(k[:8]), base64.StdEncoding.EncodeToString(k[:9]), strings.Trim(fmt.Sprint(k[:8]), "[]")} {
			if strings.Contains(s, form) {
				t.Errorf("a key is in %q", s)
			}
		}
	}
}

// The keys are the caller's: what becomes of them later has no effect, and a
// Manager does not keep them.
func TestSeal_KeysAreCopied(t *testing.T) {
	keys := [][]byte{testKey(1), testKey(2)}
	cfg := Config{EncryptionKeys: keys, ReapInterval: -1}
	m, err := New(unusedStore{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	data := mustPack(t, m, StoreKey{}, text(10))
	clear(keys[0])
	keys[1] = nil
	if _, err := m.unpack(StoreKey{}, &Record{Data: data}); err != nil {
		t.Error(err)
	}
	noKeyIn(t, fmt.Sprintf("%v %+v", m, m))
	if slices.ContainsFunc(m.cfg.EncryptionKeys, func(k []byte) bool { return k != nil }) {
		t.Error("the Manager keeps the keys")
	}
	for _, cfg := range []Config{
		{EncryptionKeys: [][]byte{testKey(1)[:20]}}, {EncryptionKeys: [][]byte{testKey(1), testKey(1)}},
		{EncryptionKeys: [][]byte{testKey(1)}, Unencrypted: 9},
	} {
		_, err := New(unusedStore{}, cfg)
		if err == nil {
			t.Fatal("accepted")
		}
		noKeyIn(t, err.Error())
	}
}

// unusedStore is a store that no test calls.
type unusedStore struct{ Store }

// Encrypted bytes cost no more than MaxSize, and what cannot be read not even
// that.
func TestSeal_HostileBytesCostNoMoreThanMaxSize(t *testing.T) {
	const limit = 1 << 20
	cfg := Config{EncryptionKeys: [][]byte{testKey(1)}, MaxSize: limit}
	m, key := sealer(t, cfg), StoreKey{1}
	largest := mustSeal(t, m, make([]byte, limit), key)
	tooLong := mustSeal(t, m, make([]byte, limit+1), key)
	unknown := mustSeal(t, sealer(t, Config{EncryptionKeys: [][]byte{testKey(2)}}), make([]byte, limit), key)
	bomb := mustSeal(t, m, deflated(8<<20, make([]byte, 8<<20)), key)
	for name, tt := range map[string]struct {
		data []byte
		cost uint64
	}{
		"the largest, which is no frame": {largest, limit},
		"too long":                       {tooLong, 0},
		"an unknown key":                 {unknown, 0},
		"a bomb":                         {bomb, uint64(len(bomb))},
	} {
		var err error
		cost := allocated(func() { _, err = m.unpack(key, &Record{Data: tt.data}) })
		if !errors.Is(err, ErrCorrupt) || cost > tt.cost+tt.cost/4+80<<10 {
			t.Errorf("%s: costs %d bytes, %v", name, cost, err)
		}
	}
}
