package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// journal is a file of events. A line is one write, so that whatever SIGKILL
// interrupts, lines are whole.
type journal struct {
	mu   sync.Mutex
	file *os.File
	err  error // the first
}

func openJournal(name string) (*journal, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{file: f}, nil
}

func (j *journal) write(e wire.Event) {
	line, err := json.Marshal(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("journal: %w", err)
	}
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.Close(); j.err == nil {
		j.err = err
	}
	return j.err
}

// observed is a store that notes from when leases count.
type observed struct {
	session.Store
	session.Watcher
	session.OwnerIndex
	journal *journal

	mu      sync.Mutex
	holders map[session.Token]*visit
}

func (o *observed) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	asked := wire.Now()
	rec, err := o.Store.Acquire(ctx, key, token, lease)
	if v := visitOf(ctx); err == nil && v != nil {
		v.asked = asked
		o.mu.Lock()
		o.holders[token] = v
		o.mu.Unlock()
	}
	return rec, err
}

func (o *observed) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	asked := wire.Now()
	err := o.Store.Extend(ctx, key, token, lease)
	o.mu.Lock()
	v := o.holders[token]
	o.mu.Unlock()
	if err == nil && v != nil {
		o.journal.write(wire.Event{Kind: wire.Extend, ID: v.id, At: wire.Now(), Asked: asked})
	}
	return err
}

// Save ends the holder's lock, unless it fails: then it is kept in mind, which
// costs a few bytes.
func (o *observed) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	err := o.Store.Save(ctx, key, rec, token, how)
	if err == nil && how.Keep == 0 {
		o.forget(token)
	}
	return err
}

func (o *observed) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	defer o.forget(token)
	return o.Store.Release(ctx, key, token)
}

func (o *observed) forget(token session.Token) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.holders, token)
}
