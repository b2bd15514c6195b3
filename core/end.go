package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Ended is what OnEnd is told of a session.
type Ended struct {
	// Token names this end. It is equal when the same end is told again, and
	// differs from those of all other ends: keep it with what OnEnd stores,
	// to tell repeats by.
	Token Token

	// Reason is why the session ended: EndExpired, EndAbandoned or EndRevoked.
	Reason EndReason

	// Attempt is 1 the first time that a process was to tell OnEnd of this
	// end, 2 the second time, and so on. A process may have died before it
	// could, so the first call need not be Attempt 1.
	Attempt int

	// Key is what Session.StoreKey returned at the end.
	Key StoreKey

	// Owner is what Session.SetOwner had set; "" if nothing.
	Owner string

	// Created is when the session was first stored, by the store's clock.
	Created time.Time

	// Session is the session as it was stored last, to be read with its Keys
	// until OnEnd returns. It has no ID, and changes are refused with
	// ErrReadOnly. nil if Err is not.
	Session *Session

	// Err wraps ErrCorrupt if what was stored cannot be read (M18); else nil.
	Err error
}

// endToken names the end of a record for good: whoever claims it, and however
// often, its key and its last write are the same.
func endToken(e *Expired) (t Token) {
	b := make([]byte, 0, len(e.Key)+len(e.Record.Write))
	b = append(append(b, e.Key[:]...), e.Record.Write[:]...)
	sum := sha256.Sum256(b)
	copy(t[:], sum[:])
	return t
}

// forOnEnd returns data if it may have to be shown to OnEnd, else nil: then
// nobody needs it.
func (m *Manager) forOnEnd(data []byte) []byte {
	if m.cfg.OnEnd == nil {
		return nil
	}
	return data
}

// ended returns what OnEnd is told, under ctx.
func (c *claim) ended(ctx context.Context) Ended {
	rec := &c.end.Record
	e := Ended{
		Token: endToken(&c.end), Reason: c.end.Reason, Attempt: c.end.Attempts,
		Key: c.end.Key, Owner: rec.Owner, Created: rec.Created,
	}
	content, err := c.m.unpack(e.Key, rec)
	if err != nil {
		e.Err = err
		c.m.observe(ctx, Event{Kind: EventCorrupt, Mode: Snapshot, Err: err})
		return e
	}
	content.owner = rec.Owner
	e.Session = &Session{
		rq: &Request{m: c.m, ctx: ctx, ended: true}, mode: Snapshot,
		key: e.Key, rec: *rec, stored: true, over: true, content: content,
	}
	return e
}

const (
	// endAttempts is how often OnEnd is told of one end. The pauses between
	// them make about seven hours together, which most outages are shorter
	// than.
	endAttempts   = 16
	firstEndPause = 10 * time.Second
	lastEndPause  = time.Hour
)

var errEndExited = errors.New("session: OnEnd ended its goroutine")

// deliver tells OnEnd of the end, and sees to what follows from its answer.
// Should the store panic, the claim lapses, and the end is delivered again.
func (c *claim) deliver() {
	defer c.stop()
	m := c.m
	if !c.begin() {
		return // whoever has claimed it by now delivers it
	}
	// However often it was claimed: that answers of the store were lost, or
	// processes died, says nothing of OnEnd.
	begun := time.Now()
	err := c.call()
	took := time.Since(begun)
	switch {
	case err == nil:
		c.observe(EventEnded, took, nil)
		c.forget()
	case c.end.Attempts >= endAttempts:
		c.giveUp(took, err)
	default:
		c.observe(EventEndFailed, took, err)
		m.cfg.Logger.Warn("session: OnEnd failed; it will be told of that session's end again",
			"reason", c.end.Reason.String(), "attempt", c.end.Attempts, "error", err)
		c.postpone()
	}
}

// call runs OnEnd. A goroutine of its own, which ends with it, keeps whatever
// OnEnd does to its goroutine from this one.
func (c *claim) call() error {
	answer := make(chan error, 1)
	go func() {
		err := errEndExited
		var e Ended
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("session: OnEnd panicked: %v", v)
				c.m.cfg.Logger.Error("session: OnEnd panicked", "panic", v, "stack", string(debug.Stack()))
			}
			if s := e.Session; s != nil {
				s.mu.Lock()
				s.released.Store(true)
				if s.cancel != nil {
					s.cancel(ErrReleased)
				}
				s.mu.Unlock()
			}
			answer <- err
		}()
		e = c.ended(c.ctx)
		err = c.m.cfg.OnEnd(c.ctx, e)
	}()
	return <-answer
}

// giveUp forgets an end that was claimed too often, and that OnEnd has failed to
// hear of just now.
func (c *claim) giveUp(took time.Duration, err error) {
	c.observe(EventEndLost, took, err)
	c.m.cfg.Logger.Error("session: OnEnd failed too often; it will not be told of that session's end again",
		"reason", c.end.Reason.String(), "attempts", min(c.end.Attempts, endAttempts), "error", err)
	c.forget()
}

// forget removes the record, whose end has been dealt with. If that fails, it
// is dealt with again.
func (c *claim) forget() {
	m := c.m
	save := withLazyTimeout(m.background.ctx, m.cfg.SaveTimeout, errSaveTimeout)
	defer save.stop()
	m.failedInBackground(m.background.ctx, m.persist(save, "remove an end", func(ctx context.Context, _ bool) error {
		return m.store.Remove(ctx, c.end.Key, c.token, EndDelete)
	}))
}

// postpone keeps everybody, this process included, from claiming the end
// again before the next attempt is due. If that fails, it comes sooner.
func (c *claim) postpone() {
	c.stop()
	m := c.m
	pause := min(firstEndPause<<(max(c.end.Attempts, 1)-1), lastEndPause)
	m.failedInBackground(m.background.ctx, m.storeCall(m.background.ctx, "postpone an end", func(ctx context.Context) error {
		return m.store.Extend(ctx, c.end.Key, c.token, jitter(pause))
	}))
}

func (c *claim) observe(kind EventKind, took time.Duration, err error) {
	c.m.observe(c.m.background.ctx, Event{
		Kind: kind, Mode: Snapshot, Duration: took, Reason: c.end.Reason, Attempt: c.end.Attempts, Err: err,
	})
}
