package sessiontest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// sharingChecks prove S15 as far as a client can see it, and S16.
func sharingChecks() []check {
	return []check{
		{name: "S15/contention is retried inside the store", run: contention},
		{name: "S15/errors carry no key and no token", run: errorsKeepSecrets},
		{name: "S16/both stores see the same times", run: sameTimes},
		{name: "S16/a lease ends at both stores at once", run: sameLease},
		{name: "S16/an expiry and a Grace pass at both stores at once", run: sameExpiry},
	}
}

// contention has many callers do everything to few records. Each of their
// answers is one of the contract: a deadlock or a failed serialization is the
// store's own affair.
func contention(k *kit) {
	contract := []error{
		nil, session.ErrNotFound, session.ErrRenewed, session.ErrExists, session.ErrLocked,
		session.ErrLockLost, session.ErrConflict,
	}
	var keys [4]session.StoreKey
	for i := range keys {
		keys[i] = k.stored(k.record("content"))
	}
	k.together(16, func(i int) {
		s := k.both()[i%2]
		for range 25 {
			key, other := keys[rand.N(len(keys))], keys[rand.N(len(keys))]
			token := session.NewToken()
			rec := k.record("content")
			rec.Events = rand.N(2) == 0
			var what string
			var err error
			switch rand.N(9) {
			case 0, 1:
				what = "Acquire and Save"
				if _, err = s.Acquire(key, token, lease); err == nil {
					err = s.Save(key, rec, token, session.Commit{})
				}
			case 2:
				what = "Acquire and Save with MoveTo"
				if _, err = s.Acquire(key, token, lease); err == nil && key != other {
					err = s.Save(key, rec, token, session.Commit{MoveTo: other})
					k.expect(s.Release(key, token), "Release", nil) // where it could not move
				}
			case 3:
				what = "Load and Swap"
				var got session.Record
				if got, err = s.Load(key); err == nil {
					err = s.Swap(key, rec, got.Write)
				}
			case 4:
				what, err = "Touch", s.Touch(key)
			case 5, 6:
				what, err = "Create", s.Create(key, rec, nobody, 0)
			case 7:
				what, err = "Remove", s.Remove(key, nobody, session.EndReason(rand.N(4)))
			case 8:
				what = "Reap"
				_, err = s.Reap(k.namespace, rand.N(5)-2, token, lease)
			}
			k.expect(err, what, contract...)
		}
	})
}

// errorsKeepSecrets collects an error of every kind and looks for what must
// not be in it.
func errorsKeepSecrets(k *kit) {
	rec := k.reported("some content")
	held, token := k.locked(rec)
	old, oldToken, _, _ := k.moved()
	absent, foreign := newKey(), session.NewToken()
	tooMuch := k.record(strings.Repeat("x", k.MaxSize+1)) // if there is a limit
	inTime, cancel := inTime()
	defer cancel()
	ended, cancel := context.WithCancel(inTime)
	cancel()

	var errs []error
	add := func(err error) { errs = append(errs, err) }
	for _, s := range k.both() {
		for _, key := range []session.StoreKey{absent, held, old} {
			for _, ctx := range []context.Context{inTime, ended} {
				_, err := s.store.Acquire(ctx, key, foreign, lease)
				add(err)
				_, err = s.store.Load(ctx, key, false)
				add(err)
				add(s.store.Create(ctx, key, tooMuch, nobody, 0))
				add(s.store.Save(ctx, key, rec, foreign, session.Commit{MoveTo: held}))
				add(s.store.Save(ctx, key, repeated(next(rec, "x")), foreign, session.Commit{}))
				add(s.store.Swap(ctx, key, next(rec, "x"), session.NewWriteID()))
				add(s.store.Extend(ctx, key, foreign, lease))
				add(s.store.Touch(ctx, key))
				add(s.store.Remove(ctx, key, foreign, session.EndRevoked))
			}
		}
		add(s.Create(held, next(rec, "x"), nobody, 0))
	}
	keys := []session.StoreKey{absent, held, old}
	tokens := []session.Token{foreign, token, oldToken}
	for _, err := range errs {
		if err == nil {
			continue
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err)} {
			for _, key := range keys {
				k.wantWithout(text, key[:], "a key")
			}
			for _, token := range tokens {
				k.wantWithout(text, token[:], "a token")
			}
			if strings.Contains(text, string(rec.Data)) {
				k.Error("an error carries a record's data")
			}
		}
	}
}

// wantWithout reports a text that has secret in it, in one of the ways that
// bytes are usually written.
func (k *kit) wantWithout(text string, secret []byte, what string) {
	k.Helper()
	lower := strings.ToLower(text)
	plain := strings.Trim(fmt.Sprint(secret), "[]")
	if strings.Contains(lower, hex.EncodeToString(secret)) ||
		strings.Contains(text, base64.RawStdEncoding.EncodeToString(secret)) ||
		strings.Contains(text, base64.RawURLEncoding.EncodeToString(secret)) ||
		strings.Contains(text, plain) || strings.Contains(text, string(secret)) {
		k.Errorf("an error carries %s", what)
	}
}

func sameTimes(k *kit) {
	rec := k.record("content")
	for i, s := range k.both() {
		key, token := newKey(), session.NewToken()
		k.must(s.Create(key, rec, token, 10*time.Minute))
		k.Advance(4 * time.Minute)
		here, err := k.here.Load(key)
		k.must(err)
		there, err := k.there.Load(key)
		k.must(err)
		if !here.Created.Equal(there.Created) {
			k.Errorf("Created by store %d is %v at one store and %v at the other", i, here.Created, there.Created)
		}
		for _, got := range []session.Record{here, there} {
			k.wantNear("ExpiresIn", got.ExpiresIn, idle+refresh-4*time.Minute)
			k.wantLock("the lock", got.Lock, token)
			if got.Lock != nil {
				k.wantNear("the lock's age", got.Lock.Age, 4*time.Minute)
				k.wantNear("the lease left", got.Lock.Left, 6*time.Minute)
			}
		}
	}
	one, two := newKey(), newKey()
	k.must(k.here.Create(one, rec, nobody, 0))
	k.must(k.there.Create(two, next(rec, "content"), nobody, 0))
	if d := k.loaded(two).Created.Sub(k.loaded(one).Created); d < 0 || d > slack {
		k.Errorf("of two records the second was created %v after the first, by another store", d)
	}
}

func sameLease(k *kit) {
	for i, s := range k.both() {
		other := k.both()[1-i]
		key, token := k.stored(k.record("content")), session.NewToken()
		_, err := s.Acquire(key, token, lease)
		k.must(err)
		k.Advance(lease - 10*time.Second)
		_, err = other.Acquire(key, session.NewToken(), lease)
		k.wantLocked(err, "Acquire at the other store within the lease", token)
		k.Advance(10*time.Second + slack)
		_, err = other.Acquire(key, session.NewToken(), lease)
		k.expect(err, "Acquire at the other store after the lease", nil)
	}
}

func sameExpiry(k *kit) {
	for i, s := range k.both() {
		other := k.both()[1-i]
		key, old, to, token := newKey(), newKey(), newKey(), session.NewToken()
		rec := k.record("content")
		rec.IdleTimeout, rec.Refresh, rec.Lifetime = 0, 0, grace
		k.must(s.Create(key, rec, nobody, 0))
		k.must(s.Create(old, next(rec, "first"), token, lease))
		k.must(s.Save(old, next(rec, "moved"), token, session.Commit{MoveTo: to, Grace: grace}))
		k.Advance(grace - 10*time.Second)
		for _, s := range []caller{s, other} {
			_, err := s.Load(key)
			k.expect(err, "Load before the expiry", nil)
			_, err = s.Load(old)
			k.expect(err, "Load within Grace", session.ErrRenewed)
		}
		k.Advance(10*time.Second + slack)
		for _, s := range []caller{s, other} {
			for _, key := range []session.StoreKey{key, old} {
				_, err := s.Load(key)
				k.expect(err, "Load after the expiry or Grace", session.ErrNotFound)
			}
		}
	}
}
