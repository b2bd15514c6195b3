package shoptest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// inspector looks into the store, as another process of the service would. That
// the store is down for the shop does not matter to it.
type inspector struct {
	store    *memstore.Store
	sessions *session.Manager
}

func newInspector(t *testing.T, st *store) *inspector {
	t.Helper()
	sessions, err := session.New(st.Store, session.Config{
		ID: session.Cookie{Insecure: true}, Logger: slog.New(slog.DiscardHandler), ReapInterval: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := sessions.Close(ctx); err != nil {
			t.Error("Close:", err)
		}
	})
	return &inspector{st.Store, sessions}
}

// contents returns what is in the store, by session. ids are those that the
// shop has given out.
func (in *inspector) contents(ctx context.Context, ids []string) (map[string]string, error) {
	stored := map[session.StoreKey]session.Info{}
	for info, err := range in.store.All(ctx, "") {
		if err != nil {
			return nil, err
		}
		stored[info.Key] = info
	}
	contents := map[string]string{}
	for i, id := range ids {
		key, line, err := in.read(ctx, id)
		if err != nil {
			return nil, err
		}
		info, found := stored[key]
		if !found {
			continue
		}
		delete(stored, key)
		if info.Locked && !in.unlocked(ctx, key) {
			line += " (locked)"
		}
		contents[nameOf(i)] = line
	}
	if len(stored) > 0 {
		contents["others"] = fmt.Sprintf(" %d of which nobody was told", len(stored))
	}
	return contents, nil
}

// unlocked waits until a session is free: after a save of which it is not known
// what came of it, the lock is given up in the background.
func (in *inspector) unlocked(ctx context.Context, key session.StoreKey) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wake, stop := in.store.Watch(key)
	defer stop()
	for {
		if rec, err := in.store.Load(ctx, key, true); err != nil || rec.Lock == nil {
			return true
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return false
		}
	}
}

// changes returns a line for each session that differs.
func changes(before, after map[string]string) (lines []string) {
	for name, line := range after {
		if was, found := before[name]; !found || was != line {
			lines = append(lines, name+line)
		}
	}
	for name := range before {
		if _, found := after[name]; !found {
			lines = append(lines, name+" is gone")
		}
	}
	if lines == nil {
		return []string{"unchanged"}
	}
	slices.Sort(lines)
	return lines
}

// read returns what is stored under an ID.
func (in *inspector) read(ctx context.Context, id string) (key session.StoreKey, line string, err error) {
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: id})
	httpsession.New(in.sessions)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var s *session.Session
		if s, err = httpsession.Acquire(r, session.Snapshot); err != nil {
			return
		}
		key = s.StoreKey()
		var b strings.Builder
		if s.Owner() != "" {
			fmt.Fprintf(&b, " owner=%q", s.Owner())
		}
		for _, name := range s.Keys() {
			var value json.RawMessage
			if value, err = session.NewKey[json.RawMessage](name).Get(s); err != nil {
				return
			}
			fmt.Fprintf(&b, " %s=%s", name, value)
		}
		line = b.String()
	})).ServeHTTP(httptest.NewRecorder(), r)
	if errors.Is(err, session.ErrRenewed) {
		return key, "", nil // it lives under another ID
	}
	return key, line, err
}

// use counts the requests that have a session, in whichever mode: it is the
// Observer of the shop's Manager.
type use struct {
	mu     sync.Mutex
	n      int           // under mu
	waited int           // how many had to wait for it; under mu
	none   chan struct{} // made by whoever waits for n to be 0, who then finds it closed; under mu
}

func (u *use) Observe(_ context.Context, e session.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch e.Kind {
	case session.EventAcquired:
		u.n++
		if e.Waited {
			u.waited++
		}
	case session.EventReleased:
		u.n--
	default:
		return
	}
	if u.n == 0 && u.none != nil {
		close(u.none)
		u.none = nil
	}
}

// over waits until no request has a session: a client may have read the last
// byte of a reply while its handler still returns.
func (u *use) over() error {
	u.mu.Lock()
	if u.n == 0 {
		u.mu.Unlock()
		return nil
	}
	none := make(chan struct{})
	u.none = none
	u.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-time.After(patience):
		return errors.New("all requests are answered, and one has not given its session back")
	}
}

// expire waits until the store has nothing under an ID any more.
func (in *inspector) expire(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key, _, err := in.read(ctx, id)
	if err != nil {
		return err
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		switch _, err := in.store.Load(ctx, key, false); {
		case errors.Is(err, session.ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return errors.New("the session does not expire")
		}
	}
}

// waits returns how many requests had to wait for a session that another had.
func (u *use) waits() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.waited
}
