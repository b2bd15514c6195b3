package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// stored is a table of many sessions, made by the server itself.
type stored struct {
	*sqlstore.Store
	place *place
	n     int
}

// storeRows stores n sessions of 300 B, as providers/sql/schema has them. Their
// expiry is to be written again between now and refresh from now.
func storeRows(ctx context.Context, p *place, n int, idle, refresh time.Duration) (*stored, error) {
	st, err := sqlstore.New(ctx, p.Pool, sqlstore.Config{})
	if err != nil {
		return nil, err
	}
	const rows = `INSERT INTO session_state (id, data, writes, seen, namespace, created, placed, expires, idle, refresh, lifetime)
		SELECT sha256(int8send(i)), decode(left(repeat(md5(i::text), 19), 600), 'hex'), substr(sha256(int8send(i)), 1, 8), 1, '',
			now(), now(), now() + ($2::bigint + $3::bigint * random()) * interval '1 microsecond', $2::bigint, $3::bigint, 0
		FROM generate_series(0, $1::bigint - 1) i`
	_, err = p.Exec(ctx, rows, int64(n), idle.Microseconds(), refresh.Microseconds())
	if err == nil {
		_, err = p.Exec(ctx, "VACUUM ANALYZE session_state")
	}
	if err != nil {
		st.Close()
		return nil, err
	}
	return &stored{st, p, n}, nil
}

// openStored opens what there is in a schema already.
func (db *database) openStored(ctx context.Context, schema string, n int) (*stored, error) {
	p, err := db.again(ctx, schema)
	if err != nil {
		return nil, err
	}
	st, err := sqlstore.New(ctx, p.Pool, sqlstore.Config{Schema: sqlstore.SchemaVerify})
	if err != nil {
		p.Close()
		return nil, err
	}
	return &stored{st, p, n}, nil
}

// key is that of the i-th session.
func (s *stored) key(i int) session.StoreKey {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
}

func (s *stored) load(ctx context.Context, _, i int) error {
	_, err := s.Load(ctx, s.key(i), false)
	return err
}

// cycle is what an Exclusive request asks of the store.
func (s *stored) cycle(ctx context.Context, _, i int) error {
	token := session.NewToken()
	rec, err := s.Acquire(ctx, s.key(i), token, lease)
	if err != nil {
		return err
	}
	rec.Write = session.NewWriteID()
	return s.Save(ctx, s.key(i), rec, token, session.Commit{})
}

// glance is what an Exclusive request that changes nothing asks of the store.
func (s *stored) glance(ctx context.Context, _, i int) error {
	token := session.NewToken()
	if _, err := s.Acquire(ctx, s.key(i), token, lease); err != nil {
		return err
	}
	return s.Release(ctx, s.key(i), token)
}

func (s *stored) close() {
	s.Close()
	s.place.Close()
}

// repeat has clients call do so often, each with the sessions in turn that are
// its own. It returns how many operations a second that were.
func repeat(ctx context.Context, clients, sessions, times int, do clients.Operation) (float64, error) {
	var wg sync.WaitGroup
	var failure atomic.Pointer[error]
	begin := time.Now()
	for c := range clients {
		wg.Go(func() {
			i := c
			for range times / clients {
				if failure.Load() != nil {
					return
				}
				if err := do(ctx, c, i); err != nil {
					failure.CompareAndSwap(nil, &err)
				}
				if i += clients; i >= sessions {
					i = c
				}
			}
		})
	}
	wg.Wait()
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return float64(times) / time.Since(begin).Seconds(), nil
}
