package sqlstore

import (
	"context"
	"sync"
	"time"
)

// notifier tells other processes whom to wake. It is apart from the statements
// that give a lock up because NOTIFY takes a lock of the whole database until
// its transaction's commit: in one that waits for the disk, all writers of all
// sessions would wait for each other. The transactions here do not.
type notifier struct {
	st      *Store
	channel string
	ctx     context.Context // ends with stop
	cancel  context.CancelFunc

	mu      sync.Mutex
	pending map[hint]struct{}
	running bool
	stopped bool // nothing more is begun
	wg      sync.WaitGroup
}

// notifyTimeout is how long a notification is tried to be sent. Later it would
// be of little use: who waits looks by itself when the lease ends.
const notifyTimeout = 5 * time.Second

func (n *notifier) init(st *Store, channel string) {
	n.st, n.channel = st, channel
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.pending = make(map[hint]struct{})
}

// add has a notification sent.
func (n *notifier) add(h hint) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[h] = struct{}{}
	if !n.running && !n.stopped {
		n.running = true
		n.wg.Add(1)
		go n.run() // ends when nothing is pending
	}
}

// run sends what is pending: what came while a statement was under way goes
// together with the next one.
func (n *notifier) run() {
	defer n.wg.Done()
	for {
		n.mu.Lock()
		hints := make([]string, 0, len(n.pending))
		for h := range n.pending {
			hints = append(hints, h.String())
		}
		clear(n.pending)
		if len(hints) == 0 || n.ctx.Err() != nil {
			n.running = false
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
		n.send(hints)
	}
}

func (n *notifier) send(hints []string) {
	ctx, cancel := context.WithTimeout(n.ctx, notifyTimeout)
	defer cancel()
	err := n.st.call(ctx, "notify", func(c *conn) error {
		_, err := c.db.Exec(c.ctx, n.st.sql.notify, n.channel, hints)
		return err
	})
	if err != nil && n.ctx.Err() == nil {
		n.st.cfg.Logger.Warn("sqlstore: waiting requests of other processes could not be told that a session is free; "+
			"they look again by themselves", "error", err)
	}
}

// stop lets what is under way finish, for a moment, and ends it.
func (n *notifier) stop() {
	n.mu.Lock()
	n.stopped = true
	n.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the last statement, which cancel ends
		n.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	n.cancel()
	<-done
}
