package sessiontest

import (
	"context"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// caller makes the calls of a store, each within callTimeout.
type caller struct{ store session.Store }

func inTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTimeout)
}

func (c caller) Acquire(key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Acquire(ctx, key, token, lease)
}

func (c caller) Load(key session.StoreKey) (session.Record, error) {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Load(ctx, key, false)
}

func (c caller) LoadWaiting(key session.StoreKey) (session.Record, error) {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Load(ctx, key, true)
}

func (c caller) Create(key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Create(ctx, key, rec, token, lease)
}

func (c caller) Save(key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Save(ctx, key, rec, token, how)
}

func (c caller) Swap(key session.StoreKey, rec session.Record, old session.WriteID) error {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Swap(ctx, key, rec, old)
}

func (c caller) Release(key session.StoreKey, token session.Token) error {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Release(ctx, key, token)
}

func (c caller) Extend(key session.StoreKey, token session.Token, lease time.Duration) error {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Extend(ctx, key, token, lease)
}

func (c caller) Touch(key session.StoreKey) error {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Touch(ctx, key)
}

func (c caller) Remove(key session.StoreKey, token session.Token, reason session.EndReason) error {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Remove(ctx, key, token, reason)
}

func (c caller) Reap(namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	ctx, cancel := inTime()
	defer cancel()
	return c.store.Reap(ctx, namespace, limit, token, lease)
}
