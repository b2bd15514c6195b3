package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
)

const (
	bareSchema = `CREATE TABLE bare (id bytea PRIMARY KEY, data bytea NOT NULL)`
	bareSelect = `SELECT data FROM bare WHERE id = $1`
	bareUpdate = `UPDATE bare SET data = $2 WHERE id = $1`
	// The same, as far as a lock's update can be one: it waits for no disk.
	bareAsync = `UPDATE bare SET data = $2 WHERE id = $1 RETURNING set_config('synchronous_commit', 'off', true), data`
)

// openBare is no library: two statements by the primary key, and the number in
// the first bytes of the data. It is the limit for whoever keeps nothing but
// bytes, locks nothing, and lets nothing expire.
func openBare(ctx context.Context, p *place, n, size int) (*contender, error) {
	if _, err := p.Exec(ctx, bareSchema); err != nil {
		return nil, err
	}
	c := newContender("bare SELECT, bare UPDATE", p, nil)
	c.close = p.Close
	get := func(ctx context.Context, id []byte) (data []byte, err error) {
		err = p.QueryRow(ctx, bareSelect, id).Scan(&data)
		return data, err
	}
	set := func(ctx context.Context, id, data []byte) error {
		tag, err := p.Exec(ctx, bareUpdate, id, data)
		if err == nil && tag.RowsAffected() != 1 {
			return pgx.ErrNoRows
		}
		return err
	}
	ofCookie := func(r *http.Request) ([]byte, error) {
		cookie, err := r.Cookie("id")
		if err != nil {
			return nil, err
		}
		return base64.RawURLEncoding.DecodeString(cookie.Value)
	}
	handler := clients.Library{
		Fill: func(r *http.Request, text string) error {
			id, err := ofCookie(r)
			if err != nil {
				return err
			}
			data := append(binary.BigEndian.AppendUint64(nil, 1), text...)
			_, err = p.Exec(r.Context(), "INSERT INTO bare VALUES ($1, $2)", id, data)
			return err
		},
		Read: func(r *http.Request) (int, error) {
			id, err := ofCookie(r)
			if err != nil {
				return 0, err
			}
			data, err := get(r.Context(), id)
			if err != nil {
				return 0, err
			}
			return int(binary.BigEndian.Uint64(data)), nil
		},
		Step: func(r *http.Request) (int, error) {
			id, err := ofCookie(r)
			if err != nil {
				return 0, err
			}
			data, err := get(r.Context(), id)
			if err != nil {
				return 0, err
			}
			n := binary.BigEndian.Uint64(data)
			binary.BigEndian.PutUint64(data, n+1)
			return int(n), set(r.Context(), id, data)
		},
	}.Routes()
	c.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == clients.Fill {
			id := make([]byte, 32)
			rand.Read(id)
			cookie := &http.Cookie{Name: "id", Value: base64.RawURLEncoding.EncodeToString(id)}
			http.SetCookie(w, cookie)
			r.AddCookie(cookie)
		}
		handler.ServeHTTP(w, r)
	})
	ids := make([][]byte, n)
	err := c.FillAll(ctx, n, size, conns, func(i int, _ http.Header) (err error) {
		ids[i], err = base64.RawURLEncoding.DecodeString(c.Cookies[i][len("id="):])
		return err
	})
	c.load = func(ctx context.Context, _, i int) error {
		_, err := get(ctx, ids[i])
		return err
	}
	c.write = func(ctx context.Context, _, i int) error {
		data, err := get(ctx, ids[i])
		if err != nil {
			return err
		}
		return set(ctx, ids[i], data)
	}
	return c, err
}

// openUpdates is what locking costs at least: two updates, of which the first
// waits for no disk and the second does.
func openUpdates(ctx context.Context, p *place, n, size int) (*contender, error) {
	c, err := openBare(ctx, p, n, size)
	if err != nil {
		return nil, err
	}
	c.Name = "bare UPDATE without the disk, bare UPDATE"
	c.load, c.Handler = nil, nil
	ids := make([][]byte, n)
	for i := range ids {
		if ids[i], err = base64.RawURLEncoding.DecodeString(c.Cookies[i][len("id="):]); err != nil {
			return nil, err
		}
	}
	data := []byte(clients.Text(size+8, 1))
	c.write = func(ctx context.Context, _, i int) error {
		var off string
		var back []byte
		if err := p.QueryRow(ctx, bareAsync, ids[i], data).Scan(&off, &back); err != nil {
			return err
		}
		_, err := p.Exec(ctx, bareUpdate, ids[i], back)
		return err
	}
	return c, nil
}

// openUpdate is a durable update alone.
func openUpdate(ctx context.Context, p *place, n, size int) (*contender, error) {
	c, err := openUpdates(ctx, p, n, size)
	if err != nil {
		return nil, err
	}
	c.Name = "bare UPDATE alone"
	ids := make([][]byte, n)
	for i := range ids {
		if ids[i], err = base64.RawURLEncoding.DecodeString(c.Cookies[i][len("id="):]); err != nil {
			return nil, err
		}
	}
	data := []byte(clients.Text(size+8, 1))
	c.write = func(ctx context.Context, _, i int) error {
		_, err := p.Exec(ctx, bareUpdate, ids[i], data)
		return err
	}
	return c, nil
}
