package cosmosstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// TestStaleReads_EndNothing: a process that reads from a replica that lags far
// behind, or that has nothing yet, denies nobody a session, a lock or a removal
// because of it.
func TestStaleReads_EndNothing(t *testing.T) {
	t.Parallel()
	renamed := func(content string) session.Record { // which a first patch refuses
		rec := record(content)
		rec.IdleTimeout *= 2
		return rec
	}
	token, to := session.NewToken(), newKey()
	for _, c := range []struct {
		what string
		// before is what the replica has; nil: nothing.
		before func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error
		after  func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error
		do     func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error
		want   error
		then   func(t *testing.T, s *cosmosstore.Store, key session.StoreKey, token session.Token)
	}{
		{
			"Acquire of what is new and held", nil, createHeld(token),
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				_, err := s.Acquire(ctx, key, session.NewToken(), lease)
				return err
			}, session.ErrLocked, contentAfter("old", true),
		},
		{
			"Save under a lock that was handed over", createHeld(session.Token{9}),
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				return s.Save(ctx, key, record("old"), session.Token{9}, session.Commit{Keep: lease, Next: token})
			},
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				return s.Save(ctx, key, renamed("new"), token, session.Commit{})
			}, nil, contentAfter("new", false),
		},
		{
			"a move under a lock that was handed over", createHeld(session.Token{9}),
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				return s.Save(ctx, key, record("old"), session.Token{9}, session.Commit{Keep: lease, Next: token})
			},
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				return s.Save(ctx, key, record("new"), token, session.Commit{MoveTo: to})
			}, nil, goneAfter,
		},
		{
			"Extend for longer of a lock that is new", createHeld(session.Token{9}),
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				return s.Save(ctx, key, record("old"), session.Token{9}, session.Commit{Keep: lease, Next: token})
			},
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				return s.Extend(ctx, key, token, 2*time.Hour)
			}, nil, contentAfter("old", true),
		},
		{
			"Touch of what is new and not due", nil, createHeld(token),
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error { return s.Touch(ctx, key) },
			nil, contentAfter("old", true),
		},
		{
			"Remove of what is new, with events", nil, createWithEvents,
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				return s.Remove(ctx, key, nobody, session.EndRevoked)
			}, nil, goneAfter,
		},
		{
			"Load of what had expired and was used", func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				rec := record("old")
				rec.IdleTimeout, rec.Refresh = time.Millisecond, 0
				return s.Create(ctx, key, rec, token, time.Second)
			},
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				return s.Extend(ctx, key, token, lease)
			},
			func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
				s.Skip(2 * time.Second)
				_, err := s.Load(ctx, key, false)
				return err
			}, nil, contentAfter("old", true),
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			cfg := fresh(t)
			other := open(t, cfg)
			l := &lagging{body: make(map[string][]byte)}
			cfg.Transport = l
			s, ctx, key := open(t, cfg), t.Context(), newKey()
			if c.before != nil {
				if err := c.before(ctx, other, key); err != nil {
					t.Fatal(err)
				}
				item, err := containerClient(t, cfg).ReadItem(ctx, partitionOf(key), idOf(key), nil)
				if err != nil {
					t.Fatal(err)
				}
				l.body["/dbs/"+cfg.Database+"/colls/"+cfg.Container+"/docs/"+idOf(key)] = item.Value
			}
			if err := c.after(ctx, other, key); err != nil {
				t.Fatal(err)
			}
			l.lag = 1000
			if err := c.do(ctx, s, key); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			c.then(t, other, key, token)
		})
	}
}

func createHeld(token session.Token) func(context.Context, *cosmosstore.Store, session.StoreKey) error {
	return func(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
		return s.Create(ctx, key, record("old"), token, lease)
	}
}

func createWithEvents(ctx context.Context, s *cosmosstore.Store, key session.StoreKey) error {
	rec := record("old")
	rec.Events = true
	return s.Create(ctx, key, rec, nobody, 0)
}

// TestS11_SettledByAnother: two ask for a session that has moved and is not
// settled. One is faster, and the other one's reads lag behind.
func TestS11_SettledByAnother(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.MaxRetryAttempts = -1
	mover, n := behind(t, cfg)
	other := open(t, cfg)
	_, to, _, _ := crashed(t, mover, n, 3)
	item, err := containerClient(t, cfg).ReadItem(t.Context(), partitionOf(to), idOf(to), nil)
	if err != nil {
		t.Fatal(err)
	}
	contentAfter("moved", false)(t, other, to, nobody)
	cfg.Transport = &lagging{lag: 1000, body: map[string][]byte{
		"/dbs/" + cfg.Database + "/colls/" + cfg.Container + "/docs/" + idOf(to): item.Value,
	}}
	contentAfter("moved", false)(t, open(t, cfg), to, nobody)
}
