package session

import (
	"cmp"
	"context"
	"time"
)

// unbornLife is how long a session lives into which nothing is put after
// settle. Clients that come once, crawlers among them, leave no more behind
// than that; any other gets another one at its next request.
const unbornLife = 5 * time.Minute

// waste makes the record of a session into which nothing was put one that does
// not last, and whose end is nobody's business.
func (r *Record) waste() {
	r.IdleTimeout = min(cmp.Or(r.IdleTimeout, unbornLife), unbornLife)
	r.Refresh = min(r.Refresh, unbornLife/refreshFraction)
	r.Events = false
}

// settle stores a new session, empty but for what OnStart has put into it, and
// lets go of it; the error, ErrRedirect, sends its client to the URL that has
// the ID (M23). So a URL never has an ID that was not given out: who comes with
// one that the store does not know gets another.
func (s *Session) settle(ctx context.Context) error {
	s.mu.Lock()
	s.dirty, s.content.unborn = true, true
	s.mu.Unlock()
	if err := s.finish(ctx); err != nil {
		return err
	}
	rq := s.rq
	rq.mu.Lock()
	rq.id = "" // it is the next request's: this one does not keep it alive
	rq.mu.Unlock()
	return rq.path().send()
}

func (s *Session) isAbandoned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.abandoned
}
