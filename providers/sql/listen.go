package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// listener keeps the connection on which other processes tell whom to wake.
type listener struct {
	st      *Store
	channel string
	once    sync.Once
	ctx     context.Context // ends with stop
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

const (
	listenTimeout = 20 * time.Second // to connect, to begin to listen, and to hear oneself
	hearTimeout   = 10 * time.Second // for the last of these alone: who hears nothing for so long is deaf
	listenCheck   = 4 * time.Second  // of silence, after which the connection is tried
	listenAnswer  = 3 * time.Second  // for that; a lease, which is the next resort, lasts longer
	listenPause   = 5 * time.Second  // the most between two attempts to listen
	deafPause     = 5 * time.Minute  // between two attempts where LISTEN hears nothing
)

// errDeaf: LISTEN was accepted, but nothing is heard.
var errDeaf = errors.New("LISTEN is accepted but hears nothing, as it is behind a pooler in transaction mode: set Config.Listen to ListenOff")

func (l *listener) init(st *Store, channel string) {
	l.st, l.channel = st, channel
	l.ctx, l.cancel = context.WithCancel(context.Background())
}

// start begins to listen, if it has not before.
func (l *listener) start() {
	l.once.Do(func() {
		l.wg.Add(1)
		go l.run() // ends with stop
	})
}

func (l *listener) stop() {
	l.once.Do(func() {}) // not to be started any more
	l.cancel()
	l.wg.Wait()
}

// run listens, and begins again after a failure. The first of several failures
// in a row is logged, and so is the recovery.
func (l *listener) run() {
	defer l.wg.Done()
	log := l.st.cfg.Logger
	for failures := 0; ; failures++ {
		err := l.listen(func() {
			if failures > 0 {
				log.Info("sqlstore: listens again for the end of locks")
			}
			failures = 0
			l.st.hub.set(true)
		})
		l.st.hub.set(false)
		if l.ctx.Err() != nil {
			return
		}
		if failures == 0 {
			log.Warn("sqlstore: cannot listen for the end of locks; requests that wait poll meanwhile", "error", withoutConfig(err))
		}
		most, n := listenPause, failures+6 // from about 64 ms
		if errors.Is(err, errDeaf) {
			most, n = deafPause, math.MaxInt
		}
		if !pause(l.ctx, n, most) {
			return
		}
	}
}

// listen listens until something fails. It calls up once it hears.
func (l *listener) listen(up func()) error {
	starting, cancel := context.WithTimeout(l.ctx, listenTimeout)
	defer cancel()
	taken, err := l.st.connection(starting)
	if err != nil {
		return err
	}
	db := taken.Hijack() // the pool makes another in its place
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		db.Close(closing)
	}()
	if _, err := db.Exec(starting, "LISTEN "+pgx.Identifier{l.channel}.Sanitize()); err != nil {
		return err
	}
	if err := l.hearOneself(starting, db); err != nil {
		if errors.Is(err, errDeaf) { // the pooler gives what it listens on now to somebody else
			stopping, cancel := context.WithTimeout(l.ctx, listenAnswer)
			defer cancel()
			_, _ = db.Exec(stopping, "UNLISTEN "+pgx.Identifier{l.channel}.Sanitize())
		}
		return err
	}
	up()
	for {
		silence, cancel := context.WithTimeout(l.ctx, listenCheck)
		n, err := db.WaitForNotification(silence)
		silent := silence.Err() != nil
		cancel()
		switch {
		case err == nil:
			if h, ok := parseHint(n.Payload); ok {
				l.st.hub.wake(h)
			}
		case l.ctx.Err() != nil || !silent:
			return err
		default: // the other end may have gone without a word
			checking, cancel := context.WithTimeout(l.ctx, listenAnswer)
			err := db.Ping(checking)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}

// hearOneself sends a notification on a connection of the pool and waits for
// it on db.
func (l *listener) hearOneself(ctx context.Context, db *pgx.Conn) error {
	word := "hear " + rand.Text()
	if _, err := l.st.pool.Exec(ctx, "SELECT pg_notify($1, $2)", l.channel, word); err != nil {
		return err
	}
	hearing, cancel := context.WithTimeout(ctx, hearTimeout)
	defer cancel()
	for {
		n, err := db.WaitForNotification(hearing)
		switch {
		case err != nil && hearing.Err() != nil && ctx.Err() == nil:
			return errDeaf
		case err != nil:
			return err
		case n.Payload == word:
			return nil
		}
	}
}
