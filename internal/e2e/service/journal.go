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
	session.OwnerIndex
	journal *journal

	mu      sync.Mutex
	holders map[session.Token]*visit
	handed  map[session.StoreKey]grant // by the last Save that handed its lock on
}

// grant is a lock that a Save has handed on, and when it was asked to.
type grant struct {
	token session.Token
	asked int64
}

// watching is an observed store that tells of ends of locks, as the store below
// it does.
type watching struct {
	*observed
	session.Watcher
}

// observe returns store with notes for the journal, and what notes them. Whether
// it can be watched depends on the store below.
func observe(store, below session.Store, j *journal) (session.Store, *observed) {
	owners, _ := below.(session.OwnerIndex)
	o := &observed{Store: store, OwnerIndex: owners, journal: j, holders: make(map[session.Token]*visit), handed: make(map[session.StoreKey]grant)}
	if w, ok := below.(session.Watcher); ok {
		return watching{o, w}, o
	}
	return o, o
}

// entered notes that a request holds the session. If it has not asked for the
// lock itself, the one before it has handed it on.
func (o *observed) entered(v *visit, key session.StoreKey) {
	now := wire.Now()
	o.mu.Lock()
	if g, handed := o.handed[key]; handed && v.asked == 0 {
		v.asked, v.tokens = g.asked, append(v.tokens, g.token)
		o.holders[g.token] = v
		delete(o.handed, key)
	}
	o.mu.Unlock()
	if v.asked == 0 {
		v.asked = now // nobody has seen how it got it: let its lease be judged strictly
	}
	v.entered = true
	o.journal.write(wire.Event{Kind: wire.Enter, ID: v.id, At: now, Asked: v.asked})
}

func (o *observed) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	asked := wire.Now()
	rec, err := o.Store.Acquire(ctx, key, token, lease)
	if v := visitOf(ctx); err == nil && v != nil {
		o.mu.Lock()
		v.asked, v.tokens = asked, append(v.tokens, token)
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

// left forgets what a request has held: it is over, whatever became of its locks.
func (o *observed) left(v *visit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, token := range v.tokens {
		delete(o.holders, token)
	}
}

// Save ends the holder's lock, unless it fails.
func (o *observed) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	if how.Next != (session.Token{}) {
		o.mu.Lock()
		o.handed[key] = grant{how.Next, wire.Now()} // even if the answer is lost
		o.mu.Unlock()
	}
	err := o.Store.Save(ctx, key, rec, token, how)
	if err == nil && (how.Keep == 0 || how.Next != session.Token{}) {
		o.forget(key, token)
	}
	return err
}

func (o *observed) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	defer o.forget(key, token)
	return o.Store.Release(ctx, key, token)
}

func (o *observed) forget(key session.StoreKey, token session.Token) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.holders, token)
	if o.handed[key].token == token {
		delete(o.handed, key)
	}
}
