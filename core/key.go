package session

import (
	"fmt"
	"reflect"
)

// Key names a value of type T in sessions. Make one for each value, once, as a
// package variable; it is safe for concurrent use.
//
//	var cartKey = session.NewKey[Cart]("cart")
//
// A value is encoded when it is set, so that one that cannot be stored fails
// there, and later changes to it do not leak in; and it is decoded when it is
// got, so that a value that is not asked for costs nothing.
type Key[T any] struct {
	name string
}

// NewKey returns the Key of that name, 1 to 1,024 bytes, for values of type T.
// Two Keys of one name are one value: their types must agree.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Name returns the key's name.
func (k Key[T]) Name() string { return k.name }

// Get returns the session's value: the zero value if there is none. It
// returns an error that wraps ErrCorrupt if the value cannot be decoded, and
// ErrReleased or ErrNoSession.
func (k Key[T]) Get(s *Session) (T, error) {
	v, _, err := k.Lookup(s)
	return v, err
}

// Lookup is Get that tells a zero value from none.
func (k Key[T]) Lookup(s *Session) (T, bool, error) {
	if err := s.lock(); err != nil {
		var none T
		return none, false, err
	}
	defer s.mu.Unlock()
	return k.decode(s, &s.content)
}

func (k Key[T]) decode(s *Session, c *content) (v T, found bool, err error) {
	i, found := c.items.find(k.name)
	if !found {
		return v, false, nil
	}
	it := &c.items[i]
	codec := s.rq.m.codec(it.codec)
	if codec == nil {
		return v, true, fmt.Errorf("%w: %q was written with the codec %q: set Config.Codec or ReadCodecs to it", ErrCorrupt, k.name, it.codec)
	}
	if err = codec.Decode(it.value, &v); err != nil {
		var zero T
		return zero, true, fmt.Errorf("%w: %q is no %v: %w", ErrCorrupt, k.name, reflect.TypeFor[T](), err)
	}
	return v, true, nil
}

func (k Key[T]) encode(s *Session, v T) ([]byte, error) {
	if k.name == "" || len(k.name) > maxName {
		return nil, fmt.Errorf("session: set: the key's name has %d bytes: must have from 1 to %d", len(k.name), maxName)
	}
	b, err := s.rq.m.cfg.Codec.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("session: set %q: a %v cannot be encoded as %s: %w", k.name, reflect.TypeFor[T](), s.rq.m.cfg.Codec.Name(), err)
	}
	return b, nil
}

// Set stores v in the session. To the value that is there already it is no
// change. Errors: that v cannot be encoded, with key and type; ErrTooLarge;
// ErrReadOnly, ErrHeadersSent, ErrReleased, ErrNoSession. After an error the
// value is what it was.
func (k Key[T]) Set(s *Session, v T) error {
	if s == nil {
		return ErrNoSession
	}
	b, err := k.encode(s, v)
	if err != nil {
		return err
	}
	return s.change(func(c *content) (bool, error) { return k.put(s, c, b) })
}

// put stores an encoded value, if there is room for it.
func (k Key[T]) put(s *Session, c *content, b []byte) (bool, error) {
	var before item
	if i, found := c.items.find(k.name); found {
		before = c.items[i]
	}
	if !c.set(k.name, s.rq.m.cfg.Codec.Name(), b) {
		return false, nil
	}
	limit := s.rq.m.cfg.MaxSize
	if limit <= 0 || len(b) < len(before.value) || c.size+maxOverhead*(len(c.items)+1) <= limit {
		return true, nil
	}
	if n := frameSize(c); n > limit {
		if before.name == nil {
			c.delete(k.name)
		} else {
			c.set(k.name, before.codec, before.value)
		}
		return false, fmt.Errorf("%w: with %q it would have %d bytes, Config.MaxSize is %d", ErrTooLarge, k.name, n, limit)
	}
	return true, nil
}

// Delete removes the value; nil if there is none. Errors as Session.Delete.
func (k Key[T]) Delete(s *Session) error { return s.Delete(k.name) }

// Take removes the value and returns it, if there is one: for messages that
// are shown once. Errors as Get and Delete; a value that cannot be decoded is
// left alone, and so is one that was taken by a handler that fails (M13). Of
// requests that come together one gets the value, if they are Exclusive (M1);
// Concurrent ones may all get it, and remove it together (M4).
func (k Key[T]) Take(s *Session) (T, bool, error) {
	var v T
	var found bool
	err := s.change(func(c *content) (_ bool, err error) {
		// In a merge it was taken already: what another request has made of
		// it meanwhile goes too, and the caller may be using v by then.
		if c == &s.content {
			if v, found, err = k.decode(s, c); err != nil {
				return false, err
			}
		}
		return c.delete(k.name), nil
	})
	return v, found && err == nil, err
}

// Update replaces the value by f of it (of the zero value if there is none).
// f must be a pure function that does not use the session: in Concurrent mode
// it is run again, at the save, on what other requests have made of the value
// meanwhile, so that a counter never loses a step (M4). Errors as Get and Set.
func (k Key[T]) Update(s *Session, f func(T) T) error {
	return s.change(func(c *content) (bool, error) {
		v, _, err := k.decode(s, c)
		if err != nil {
			return false, err
		}
		b, err := k.encode(s, f(v))
		if err != nil {
			return false, err
		}
		return k.put(s, c, b)
	})
}
