package sessiontest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// The times that checks use unless they say otherwise. All are minutes, so
// that a slow machine's seconds change no result.
const (
	lease    = time.Minute
	idle     = 20 * time.Minute
	refresh  = 2 * time.Minute
	lifetime = 24 * time.Hour
	grace    = 5 * time.Minute
)

const (
	slack       = 2 * time.Second  // by how much a time may be off that a quick check finds: a database's clock runs on
	callTimeout = 30 * time.Second // the most that a call may take when nothing is wrong
	wakeTimeout = 5 * time.Second  // the most that a wake may take
	turnTimeout = 20 * time.Second // the most that a turn among many waiters may take
	remembered  = 8                // writes that a store remembers (S6)
)

// owner is whose records the kit's are.
const owner = "somebody"

// nobody is the zero Token.
var nobody session.Token

// kit is what a check works with: a harness and a vocabulary. Failures to set
// a scene up end the check (must); findings are collected (expect and want…),
// and may come from any goroutine.
type kit struct {
	testing.TB
	Harness
	want      Want
	namespace string

	here, there caller // Store and Second

	mu       sync.Mutex
	begun    time.Time
	advanced time.Duration // for how much of the time since then Advance slept; under mu
}

func newKit(t testing.TB, h Harness, want Want) *kit {
	t.Helper()
	if h.Store == nil || h.Second == nil || h.Advance == nil {
		t.Fatal("sessiontest: Harness needs Store, Second and Advance")
	}
	k := &kit{
		TB: t, Harness: h, want: want, namespace: "kit-" + rand.Text(),
		here: caller{h.Store}, there: caller{h.Second}, begun: time.Now(),
	}
	k.Advance = func(d time.Duration) {
		begun := time.Now()
		h.Advance(d)
		if time.Since(begun) >= d { // in a bubble it is no more than time that passes
			k.mu.Lock()
			defer k.mu.Unlock()
			k.advanced += d
		}
	}
	return k
}

// elapsed returns how long the check has run, which on a busy machine is long.
func (k *kit) elapsed() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Since(k.begun) - k.advanced
}

// both returns the two stores, for what must hold at either.
func (k *kit) both() [2]caller { return [2]caller{k.here, k.there} }

// must ends the check if err is not nil.
func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatalf("unexpected: %v", err)
	}
}

// expect reports err unless it is one of those wanted, of which nil may be one.
func (k *kit) expect(err error, what string, wanted ...error) {
	k.Helper()
	for _, w := range wanted {
		if err == nil && w == nil || w != nil && errors.Is(err, w) {
			return
		}
	}
	if len(wanted) == 1 {
		k.Errorf("%s: got %v, want %v", what, err, wanted[0])
	} else {
		k.Errorf("%s: got %v, want one of %v", what, err, wanted)
	}
}

// wantNear reports a duration that is not about what it should be.
func (k *kit) wantNear(what string, got, want time.Duration) {
	k.Helper()
	if d, off := got-want, slack+k.elapsed(); d < -off || d > off {
		k.Errorf("%s is %v, want about %v", what, got, want)
	}
}

// wantLocked reports err unless it is a *LockedError that names token's lock
// with plausible times, and returns what it says.
func (k *kit) wantLocked(err error, what string, token session.Token) (info session.LockInfo) {
	k.Helper()
	var locked *session.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, session.ErrLocked) {
		k.Errorf("%s: got %v, want a *LockedError", what, err)
		return info
	}
	k.wantLock(what, &locked.LockInfo, token)
	return locked.LockInfo
}

// wantLock reports a lock that is not token's, or whose times make no sense.
func (k *kit) wantLock(what string, lock *session.LockInfo, token session.Token) {
	k.Helper()
	switch {
	case lock == nil:
		k.Errorf("%s: no lock, want one", what)
	case lock.Holder != token.Holder():
		k.Errorf("%s: the holder is another than the token's", what)
	case lock.Age < 0 || lock.Left <= 0:
		k.Errorf("%s: age %v and left %v, want neither negative and some left", what, lock.Age, lock.Left)
	}
}

// wantContent reports a record that does not have the content of want: all
// that a caller stores.
func (k *kit) wantContent(what string, got, want session.Record) {
	k.Helper()
	if string(got.Data) != string(want.Data) {
		k.Errorf("%s: data is %s, want %s", what, abridged(got.Data), abridged(want.Data))
	}
	if got.Namespace != want.Namespace || got.Owner != want.Owner || got.Events != want.Events {
		k.Errorf("%s: namespace, owner, events are %q, %q, %v, want %q, %q, %v", what,
			got.Namespace, got.Owner, got.Events, want.Namespace, want.Owner, want.Events)
	}
	if got.IdleTimeout != want.IdleTimeout || got.Refresh != want.Refresh || got.Lifetime != want.Lifetime {
		k.Errorf("%s: idle timeout, refresh, lifetime are %v, %v, %v, want %v, %v, %v", what,
			got.IdleTimeout, got.Refresh, got.Lifetime, want.IdleTimeout, want.Refresh, want.Lifetime)
	}
	if got.Write != want.Write {
		k.Errorf("%s: another write than the one expected was the last", what)
	}
	if got.Repeat {
		k.Errorf("%s: Repeat is set, and a store never returns it", what)
	}
}

func abridged(data []byte) string {
	if len(data) > 40 {
		return fmt.Sprintf("%q… (%d bytes)", data[:40], len(data))
	}
	return fmt.Sprintf("%q", data)
}

// wantStored reports a key under which a store does not show the content of
// want.
func (k *kit) wantStored(key session.StoreKey, want session.Record) {
	k.Helper()
	for _, s := range k.both() {
		got, err := s.Load(key)
		if err != nil {
			k.Errorf("Load: %v", err)
			continue
		}
		k.wantContent("what is stored", got, want)
	}
}

// wantHolder reports a key that is not locked under token, or, for nobody's,
// that is locked.
func (k *kit) wantHolder(key session.StoreKey, token session.Token) {
	k.Helper()
	for _, s := range k.both() {
		got, err := s.Load(key)
		switch {
		case err != nil:
			k.Errorf("Load: %v", err)
		case token != nobody:
			k.wantLock("the stored lock", got.Lock, token)
		case got.Lock != nil:
			k.Errorf("the record is locked for another %v, want it free", got.Lock.Left)
		}
	}
}

// wantExpiresIn reports a key whose expiry is not about d away, as Load has it.
func (k *kit) wantExpiresIn(key session.StoreKey, d time.Duration) {
	k.Helper()
	for _, s := range k.both() {
		got, err := s.Load(key)
		if err != nil {
			k.Errorf("Load: %v", err)
			continue
		}
		k.wantNear("ExpiresIn", got.ExpiresIn, d)
	}
}

// wantGone reports a key that is not as good as absent to every operation.
func (k *kit) wantGone(key session.StoreKey) {
	k.Helper()
	for _, s := range k.both() {
		token := session.NewToken()
		rec := k.record("back from the dead")
		_, err := s.Acquire(key, token, lease)
		k.expect(err, "Acquire", session.ErrNotFound)
		_, err = s.Load(key)
		k.expect(err, "Load", session.ErrNotFound)
		_, err = s.LoadWaiting(key)
		k.expect(err, "Load with wait", session.ErrNotFound)
		k.expect(s.Touch(key), "Touch", session.ErrNotFound)
		k.expect(s.Swap(key, rec, session.NewWriteID()), "Swap", session.ErrNotFound)
		k.expect(s.Save(key, rec, token, session.Commit{}), "Save", session.ErrLockLost)
		k.expect(s.Extend(key, token, lease), "Extend", session.ErrLockLost)
		k.expect(s.Release(key, token), "Release", nil)
		k.expect(s.Remove(key, token, session.EndDelete), "Remove", nil)
		k.expect(s.Remove(key, token, session.EndAbandoned), "Remove with a reason", nil)
		k.expect(s.Remove(key, nobody, session.EndDelete), "Remove by nobody", nil)
		k.expect(s.Remove(key, nobody, session.EndRevoked), "Remove by nobody with a reason", nil)
	}
	k.wantUnlisted(key)
}

// record returns a new record with the times above and a fresh WriteID.
func (k *kit) record(data string) session.Record {
	return session.Record{
		Data:        []byte(data),
		Namespace:   k.namespace,
		Owner:       owner,
		IdleTimeout: idle,
		Refresh:     refresh,
		Lifetime:    lifetime,
		Write:       session.NewWriteID(),
	}
}

// next returns rec as a caller would write it next: new data, a new WriteID.
func next(rec session.Record, data string) session.Record {
	rec.Data = []byte(data)
	rec.Write = session.NewWriteID()
	return rec
}

// repeated returns rec as a caller gives it again after a lost answer.
func repeated(rec session.Record) session.Record {
	rec.Repeat = true
	return rec
}

// stored puts rec under a fresh key, unlocked.
func (k *kit) stored(rec session.Record) session.StoreKey {
	k.Helper()
	key := newKey()
	k.must(k.here.Create(key, rec, nobody, 0))
	return key
}

// locked puts rec under a fresh key, locked under a fresh token for lease.
func (k *kit) locked(rec session.Record) (session.StoreKey, session.Token) {
	k.Helper()
	key, token := newKey(), session.NewToken()
	k.must(k.here.Create(key, rec, token, lease))
	return key, token
}

// acquired locks key under a fresh token for lease.
func (k *kit) acquired(key session.StoreKey) session.Token {
	k.Helper()
	token := session.NewToken()
	_, err := k.here.Acquire(key, token, lease)
	k.must(err)
	return token
}

// loaded returns the record under key, which must be there.
func (k *kit) loaded(key session.StoreKey) session.Record {
	k.Helper()
	rec, err := k.here.Load(key)
	k.must(err)
	return rec
}

// written makes n more writes under token, which keeps the lock, and returns
// the record as written last.
func (k *kit) written(key session.StoreKey, rec session.Record, token session.Token, n int) session.Record {
	k.Helper()
	for range n {
		rec = next(rec, "another write")
		k.must(k.here.Save(key, rec, token, session.Commit{Keep: lease}))
	}
	return rec
}

// reaped claims everything that is claimable, under a token that it returns.
func (k *kit) reaped(s caller) ([]session.Expired, session.Token) {
	k.Helper()
	token := session.NewToken()
	got, err := s.Reap(k.namespace, 100, token, lease)
	k.must(err)
	return got, token
}

// wantReaped claims what is claimable, reports it unless it is exactly the
// record want with that reason and number of attempts, and returns the token.
func (k *kit) wantReaped(key session.StoreKey, want session.Record, reason session.EndReason, attempts int) session.Token {
	k.Helper()
	got, token := k.reaped(k.there)
	if len(got) != 1 {
		k.Errorf("Reap returned %d records, want 1", len(got))
		return token
	}
	e := got[0]
	if e.Key != key {
		k.Errorf("Reap returned another key")
	}
	k.wantContent("the claimed record", e.Record, want)
	if e.Record.ExpiresIn != 0 || e.Record.Lock != nil {
		k.Errorf("the claimed record has ExpiresIn %v and Lock %v, want neither", e.Record.ExpiresIn, e.Record.Lock)
	}
	if e.Reason != reason || e.Attempts != attempts {
		k.Errorf("the end is %v, attempt %d, want %v, attempt %d", e.Reason, e.Attempts, reason, attempts)
	}
	return token
}

// wantNothingToReap reports whatever can be claimed.
func (k *kit) wantNothingToReap() {
	k.Helper()
	for _, s := range k.both() {
		if got, _ := k.reaped(s); len(got) != 0 {
			k.Errorf("Reap returned %d records, want none", len(got))
		}
	}
}

// together runs f n times at once and waits for all.
func (k *kit) together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func newKey() (key session.StoreKey) {
	rand.Read(key[:])
	return key
}
