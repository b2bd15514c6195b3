package session

import "time"

// How the lock goes from a request to the next one of this process (M5).
//
// A save that ends a request's hold passes the store's lock to a token that
// nobody has yet (Commit.Next), if somebody is in line at the session's gate.
// What it passed, a handover, goes to whoever is first in line when the save
// has returned: that request has the lock and the record without asking the
// store. So a request that had to wait costs one round trip, not two, and no
// other process can come between. The token is known to this process alone,
// so the request that saved cannot use it: of a request that has ended
// nothing can be written any more, whatever of it is still on its way.
//
// If the process dies before the next request has gone on, the lock ends with
// its lease, like any other. If the answer to the save is lost, the save is
// repeated as ever, with the same token; if its outcome stays unknown, both
// tokens are released in the background. If all of the line has left
// meanwhile, the new token is released. A handover whose save took long is
// confirmed by an Acquire under its token before it is used, since its lease
// counts from before the save; and so is one that goes to a request which came
// after the save was asked for, because all who were in line have left: that
// request must not find a session that had been ended from outside before it
// came (M15).
//
// Other processes get their turn all the same: after maxRow requests in a row
// of this one, the lock is given up to the store; and if another process was
// seen to wait, or the store cannot tell, the next in line here lets it go
// first.

// maxRow is for how many requests in a row a process keeps a session's lock,
// after the first one, while others may wait.
const maxRow = 8

// turn is what a request gets with its turn at a gate.
type turn struct {
	err    error     // not nil: it gets no turn, because of this
	handed *handover // the lock, if who had it before has passed it on; else the store is to be asked
	row    *row      // nil: this request begins a row
	yield  bool      // let other processes go first
}

// drop disposes of a turn that nobody in line wants.
func (t *turn) drop() {
	if h := t.handed; h != nil {
		h.m.releaseInBackground(h.key, h.token)
	}
	t.row.end()
}

// handover is a lock under a token that nobody uses yet, and the record.
type handover struct {
	m     *Manager
	key   StoreKey
	token Token
	rec   Record
	asked time.Time // when the store was asked for it: its lease counts from here
	last  uint64    // the number of who came last of those who were in line then
	late  bool      // who gets it came later
}

// fresh reports whether it can be used as it is: the lease is as young as a
// renewed one would be, and nobody has ended the session before its user came.
func (h *handover) fresh() bool {
	return !h.late && time.Since(h.asked) < h.m.cfg.LockLease/renewals
}

// row is a row of requests of this process which have had a session one after
// the other, and no other process in between. Its methods do nothing with a
// nil row. Only who has the turn uses it.
type row struct {
	length int // requests after the first
	wake   <-chan struct{}
	stop   func()
	others bool // another process may wait: one was woken by what one of these did, or the store cannot tell
}

// newRow begins a row. What it watches for are not wakes for this process,
// but those that show that somebody is waiting: see Watcher.
func newRow(m *Manager, key StoreKey) *row {
	r := &row{}
	if m.watcher != nil {
		r.wake, r.stop = m.watcher.Watch(key)
	}
	r.others = r.wake == nil
	return r
}

// look notes whether somebody was woken.
func (r *row) look() {
	if r == nil {
		return
	}
	select {
	case _, ok := <-r.wake:
		r.others = true
		if !ok { // the store can no longer tell
			r.wake = nil
		}
	default:
	}
}

// over reports whether it is others' turn.
func (r *row) over() bool { return r != nil && r.length >= maxRow }

func (r *row) end() {
	if r != nil && r.stop != nil {
		r.stop()
		r.stop, r.wake = nil, nil
	}
}

// offer returns a handover of rec, for a save that is about to end this
// request's hold; nil if nobody is in line, or it is others' turn. Until pass
// says that the save took effect, it is not known who holds the lock.
func (l *lease) offer(rec Record, created time.Time) *handover {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gate == nil || l.row.over() {
		return nil
	}
	last := l.gate.inLine()
	if last == 0 {
		return nil
	}
	if l.row == nil {
		l.row = newRow(l.m, l.key)
	}
	rec.Created = created
	l.offered = &handover{m: l.m, key: l.key, token: NewToken(), rec: rec, asked: time.Now(), last: last}
	return l.offered
}

// pass says that what was offered, if anything, is the next request's.
func (l *lease) pass() {
	l.mu.Lock()
	l.passed, l.offered = l.offered, nil
	l.mu.Unlock()
}

// nextTurn returns what the next in line at g gets, after a hold that passed
// the lock on, or did not.
func nextTurn(m *Manager, g *gate, r *row, passed *handover) turn {
	r.look()
	if r.over() && passed == nil {
		r.end()
		return turn{yield: r.others}
	}
	if r == nil && g.inLine() > 0 {
		r = newRow(m, g.key)
	}
	if r != nil {
		r.length++
	}
	return turn{handed: passed, row: r}
}
