package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	session "github.com/sessionstate/sessionstate/core"
)

// A deployment replaces the processes of one version by those of the next, one
// by one, so that two versions run at a time. Every second version writes with
// another codec and another key; the one before it has learned to read both, as
// Config.ReadCodecs and Config.EncryptionKeys say. So sessions of many versions
// lie side by side.

// configure adds to a Config what the version is about. Version 0 is that of a
// service that is not deployed anew: it does not encrypt. The mistake is to leave
// out the versions that only get ready.
func configure(cfg session.Config, version int, mistake bool) session.Config {
	if version == 0 {
		return cfg
	}
	if mistake {
		version *= 2
	}
	writes := version / 2 // versions 2n and 2n+1 write alike
	cfg.Codec = codecOf(writes)
	cfg.ReadCodecs = []session.Codec{hexadecimal{}}
	cfg.Compress = writes%2 == 1
	for n := range writes + 1 {
		cfg.EncryptionKeys = slices.Insert(cfg.EncryptionKeys, 0, keyOf(n)) // the newest first
	}
	if version%2 == 1 { // it gets ready for the next
		cfg.EncryptionKeys = append(cfg.EncryptionKeys, keyOf(writes+1))
	}
	return cfg
}

func codecOf(n int) session.Codec {
	return []session.Codec{session.JSON{}, hexadecimal{}, session.Gob{}}[n%3]
}

// keyOf returns a key for a test: nobody else's secret depends on it.
func keyOf(n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "a key of the tests, number %d", n))
	return sum[:]
}

// hexadecimal is a codec that only those know who were told of it.
type hexadecimal struct{}

func (hexadecimal) Name() string { return "hex-of-json" }

func (hexadecimal) Encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return hex.AppendEncode(nil, text), err
}

func (hexadecimal) Decode(data []byte, v any) error {
	text, err := hex.AppendDecode(nil, data)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
