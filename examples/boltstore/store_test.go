package boltstore

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestConformance proves the store rules S1 to S16.
func TestConformance(t *testing.T) {
	sessiontest.RunStore(t, func(t testing.TB) sessiontest.Harness {
		store, _ := open(t, filepath.Join(t.TempDir(), "sessions.db"))
		var ahead atomic.Int64 // how far the store's clock is ahead of the machine's
		store.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		return sessiontest.Harness{
			Store:   store,
			Second:  store, // bbolt's files are one process's
			Advance: func(d time.Duration) { ahead.Add(int64(d)) },
		}
	}, sessiontest.Want{})
}

// TestSurvivesRestart: what was confirmed is there when the file is opened again,
// the lock included.
func TestSurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	store, db := open(t, path)
	key, token := session.StoreKey{1}, session.NewToken()
	rec := session.Record{Data: []byte("here"), IdleTimeout: time.Hour, Write: session.NewWriteID()}
	if err := store.Create(t.Context(), key, rec, token, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	store, _ = open(t, path)
	got, err := store.Load(t.Context(), key, false)
	if err != nil || string(got.Data) != "here" || got.Lock == nil || got.Lock.Holder != token.Holder() {
		t.Errorf("after the restart: %+v, %v", got, err)
	}
	if err := store.Save(t.Context(), key, rec, token, session.Commit{}); err != nil {
		t.Errorf("a repeat after the restart: %v", err)
	}
}

// TestS15_AClosedFileIsUnavailable: an error of the file is one that a Manager
// knows, and wraps its cause.
func TestS15_AClosedFileIsUnavailable(t *testing.T) {
	store, db := open(t, filepath.Join(t.TempDir(), "sessions.db"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, loaded := store.Load(t.Context(), session.StoreKey{}, false)
	for _, err := range []error{loaded, store.Touch(t.Context(), session.StoreKey{})} {
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, berrors.ErrDatabaseNotOpen) {
			t.Errorf("%v, want ErrUnavailable and bbolt's error", err)
		}
	}
	if _, err := New(db); !errors.Is(err, berrors.ErrDatabaseNotOpen) {
		t.Errorf("New: %v, want bbolt's error", err)
	}
}

// TestS12_OneEndOfAKeyAtATime: of several ends of one key one Reap claims one, so
// that who is done with it does not remove another.
func TestS12_OneEndOfAKeyAtATime(t *testing.T) {
	store, _ := open(t, filepath.Join(t.TempDir(), "sessions.db"))
	key := session.StoreKey{1}
	for _, data := range []string{"first", "second"} {
		rec := session.Record{Data: []byte(data), Events: true, IdleTimeout: time.Hour, Write: session.NewWriteID()}
		if err := store.Create(t.Context(), key, rec, session.Token{}, 0); err != nil {
			t.Fatal(err)
		}
		if err := store.Remove(t.Context(), key, session.Token{}, session.EndRevoked); err != nil {
			t.Fatal(err)
		}
	}
	told := make(map[string]bool)
	for range 2 {
		token := session.NewToken()
		ends, err := store.Reap(t.Context(), "", 10, token, time.Minute)
		if err != nil || len(ends) != 1 {
			t.Fatalf("Reap: %d ends, %v, want 1", len(ends), err)
		}
		told[string(ends[0].Record.Data)] = true
		if err := store.Remove(t.Context(), key, token, session.EndDelete); err != nil {
			t.Fatal(err)
		}
	}
	if !told["first"] || !told["second"] {
		t.Errorf("told of %v, want both", told)
	}
	if ends, err := store.Reap(t.Context(), "", 10, session.NewToken(), time.Minute); err != nil || len(ends) != 0 {
		t.Errorf("afterwards: %d ends, %v", len(ends), err)
	}
}

// open returns the store in a file, which the test closes at its end.
func open(t testing.TB, path string) (*Store, *bolt.DB) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	store, err := New(db)
	if err != nil {
		t.Fatal(err)
	}
	return store, db
}
