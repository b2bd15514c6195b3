package session

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// seldomInterval is how often a seldom logs at most.
const seldomInterval = time.Minute

// seldom logs what may come with every request, at most once per
// seldomInterval, and says then how often it has come since the last time.
// The Observer is told of each. The zero seldom is ready.
type seldom struct {
	mu       sync.Mutex
	next     time.Time
	unlogged int
}

func (s *seldom) log(ctx context.Context, logger *slog.Logger, level slog.Level, what string, attrs ...any) {
	s.mu.Lock()
	now, unlogged := time.Now(), s.unlogged
	if now.Before(s.next) {
		s.unlogged++
		s.mu.Unlock()
		return
	}
	s.next, s.unlogged = now.Add(seldomInterval), 0
	s.mu.Unlock()
	logger.Log(ctx, level, what, append(attrs, "unlogged", unlogged)...)
}
