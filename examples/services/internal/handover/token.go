package handover

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Claims say that account knows a visitor, to one party, for one state.
type Claims struct {
	Party   string `json:"aud"`
	User    string `json:"sub"`
	Login   string `json:"sid"` // what ends with the session at account
	State   string `json:"state"`
	Expires int64  `json:"exp"` // as of Unix
}

// Logout says that logins have ended, to one party. It may be sent again: it
// stays true.
type Logout struct {
	Party   string   `json:"aud"`
	Logins  []string `json:"sids"`
	Expires int64    `json:"exp"`
}

// life is how long a message is good for. The browser brings Claims at once.
const life = time.Minute

// maxMessage bounds what is read of others.
const maxMessage = 64 << 10

// Purposes are the contexts of Ed25519ctx: a message for one is none for another.
const (
	forHandover = "sessionstate example: hand-over, 1"
	forLogout   = "sessionstate example: logout, 1"
)

// ErrRefused is why a hand-over or a message is not accepted. What it wraps is
// for the log: visitors are told all the same.
var ErrRefused = errors.New("handover: refused")

var strict = base64.RawURLEncoding.Strict()

// Signer signs for account, which alone has it. It is safe for concurrent use.
type Signer struct{ key ed25519.PrivateKey }

// NewSeed returns a new key for NewSigner.
func NewSeed() string {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	return base64.StdEncoding.EncodeToString(seed)
}

// NewSigner returns the Signer of a seed: 32 random bytes in base64, as
// `openssl rand -base64 32` makes them.
func NewSigner(seed string) (*Signer, error) {
	b, err := base64.StdEncoding.DecodeString(seed)
	if err != nil || len(b) != ed25519.SeedSize {
		return nil, errors.New("handover: the signing key must be 32 bytes in base64: `openssl rand -base64 32` makes one")
	}
	return &Signer{ed25519.NewKeyFromSeed(b)}, nil
}

// PublicKey returns what ParseKeys reads.
func (s *Signer) PublicKey() string {
	return base64.StdEncoding.EncodeToString(s.key[ed25519.SeedSize:])
}

// Handover signs claims that are good until a minute from now.
func (s *Signer) Handover(c Claims, now time.Time) (string, error) {
	c.Expires = now.Add(life).Unix()
	return s.sign(forHandover, c)
}

// Logout signs a message that is good until a minute from now.
func (s *Signer) Logout(l Logout, now time.Time) (string, error) {
	l.Expires = now.Add(life).Unix()
	return s.sign(forLogout, l)
}

func (s *Signer) sign(purpose string, v any) (string, error) {
	message, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("handover: %w", err)
	}
	signature, err := s.key.Sign(nil, message, &ed25519.Options{Context: purpose})
	if err != nil {
		return "", fmt.Errorf("handover: sign: %w", err)
	}
	return strict.EncodeToString(message) + "." + strict.EncodeToString(signature), nil
}

// Keys are public keys of account's. Who has them can check and not sign.
type Keys []ed25519.PublicKey

// ParseKeys reads public keys in base64 with commas between them. To change the
// key, add the new one here first, and take the old one out when account signs
// with the new one.
func ParseKeys(list string) (Keys, error) {
	var keys Keys
	for text := range strings.SplitSeq(list, ",") {
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(b) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("handover: public key %d is not 32 bytes in base64: `services keys` prints it", len(keys)+1)
		}
		keys = append(keys, b)
	}
	return keys, nil
}

// Handover checks the claims that account has signed, for whichever party.
func (k Keys) Handover(token string, now time.Time) (c Claims, err error) {
	if err := k.open(forHandover, token, &c); err != nil {
		return Claims{}, err
	}
	if err := fresh(c.Expires, now); err != nil {
		return Claims{}, err
	}
	return c, nil
}

// logout checks a Logout for a party.
func (k Keys) logout(message, party string, now time.Time) (l Logout, err error) {
	if err := k.open(forLogout, message, &l); err != nil {
		return Logout{}, err
	}
	if l.Party != party {
		return Logout{}, fmt.Errorf("%w: it is for another party", ErrRefused)
	}
	if err := fresh(l.Expires, now); err != nil {
		return Logout{}, err
	}
	return l, nil
}

// open reads nothing of a message before its signature is known to be good.
func (k Keys) open(purpose, token string, v any) error {
	if len(token) > maxMessage {
		return fmt.Errorf("%w: it is too long", ErrRefused)
	}
	first, second, found := strings.Cut(token, ".")
	message, err1 := strict.DecodeString(first)
	signature, err2 := strict.DecodeString(second)
	if !found || err1 != nil || err2 != nil {
		return fmt.Errorf("%w: it is not in the form of a message", ErrRefused)
	}
	for _, key := range k {
		if ed25519.VerifyWithOptions(key, message, signature, &ed25519.Options{Context: purpose}) == nil {
			if err := json.Unmarshal(message, v); err != nil {
				return fmt.Errorf("%w: %w", ErrRefused, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: account has not signed it", ErrRefused)
}

// fresh refuses what has expired, and what claims to be good for longer than
// anything that account signs.
func fresh(expires int64, now time.Time) error {
	if left := time.Unix(expires, 0).Sub(now); left <= 0 || left > 2*life {
		return fmt.Errorf("%w: its time is over", ErrRefused)
	}
	return nil
}
