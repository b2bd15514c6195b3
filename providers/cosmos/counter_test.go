package cosmosstore_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// broken breaks 20 % of the exchanges, half of them after they took effect, and
// throttles and delays others.
func broken(_ int, req *http.Request) (f fault) {
	if req.URL.Path == "/" {
		return f
	}
	before, after := []faultKind{cutBefore, failBefore}, []faultKind{cutAfter, failAfter, timeoutHit}
	switch roll := rand.N(100); {
	case roll < 10:
		f.kind = before[rand.N(len(before))]
	case roll < 20:
		f.kind = after[rand.N(len(after))]
	case roll < 23:
		f.kind = throttle
	case roll < 26:
		f.kind = retryWith
	}
	if rand.N(4) == 0 {
		f.delay = rand.N(5 * time.Millisecond)
	}
	return f
}

// TestS6_CountsEverySaveWhateverBreaks: several clients with many goroutines
// append to one list, each save a word of its own, while exchanges break. What
// was reported as saved is in the list, once, and nothing that was reported as
// lost.
func TestS6_CountsEverySaveWhateverBreaks(t *testing.T) {
	t.Parallel()
	const clients, goroutines, rounds = 4, 32, 4
	cfg := fresh(t)
	var stores [clients]session.Store
	for i := range stores {
		s, n := behind(t, cfg)
		n.on(broken)
		stores[i] = s
	}
	plain := open(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	key := newKey()
	rec := record("")
	if err := plain.Create(ctx, key, rec, session.Token{}, 0); err != nil {
		t.Fatal(err)
	}

	var mu sync.Mutex
	var saved, lost, unknown []string
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			s := stores[g%clients]
			for range rounds {
				token := session.NewToken()
				got, err := turn(ctx, s, key, token)
				if err != nil {
					t.Errorf("Acquire: %v", err)
					return
				}
				word := session.NewWriteID()
				next := record(string(got.Data) + hexWord(word) + " ")
				next.Write = word
				err = s.Save(ctx, key, next, token, session.Commit{})
				for errors.Is(err, session.ErrUnavailable) && ctx.Err() == nil {
					next.Repeat = true
					err = s.Save(ctx, key, next, token, session.Commit{})
				}
				mu.Lock()
				switch {
				case err == nil:
					saved = append(saved, hexWord(word))
				case errors.Is(err, session.ErrLockLost):
					lost = append(lost, hexWord(word))
				case errors.Is(err, session.ErrOutcomeUnknown):
					unknown = append(unknown, hexWord(word))
				default:
					t.Errorf("Save: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got, err := plain.Load(ctx, key, false)
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Fields(string(got.Data))
	t.Logf("%d saved, %d lost, %d unknown; the list has %d", len(saved), len(lost), len(unknown), len(list))
	for _, word := range saved {
		if !slices.Contains(list, word) {
			t.Error("a save was reported as done and is not there")
		}
	}
	for _, word := range lost {
		if slices.Contains(list, word) {
			t.Error("a save was reported as lost and is there")
		}
	}
	slices.Sort(list)
	if n := len(slices.Compact(slices.Clone(list))); n != len(list) {
		t.Errorf("%d saves took effect twice", len(list)-n)
	}
	if len(list) < len(saved) || len(list) > len(saved)+len(unknown) {
		t.Errorf("the list has %d words after %d saves, %d of unknown outcome", len(list), len(saved), len(unknown))
	}
	if len(saved) < goroutines*rounds*9/10 {
		t.Errorf("%d of %d saves were done: breaking a fifth of the exchanges should not cost so many", len(saved), goroutines*rounds)
	}
}

// TestS9_SwapsCountWhateverBreaks is the same for Swap, without a lock.
func TestS9_SwapsCountWhateverBreaks(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	plain := open(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	key := newKey()
	if err := plain.Create(ctx, key, record(""), session.Token{}, 0); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var saved, unknown []string
	var wg sync.WaitGroup
	for range 4 {
		s, n := behind(t, cfg)
		n.on(broken)
		wg.Go(func() {
			for range 10 {
				word := session.NewWriteID()
				var err error
				for repeat := false; ctx.Err() == nil; {
					var got session.Record
					if got, err = s.Load(ctx, key, false); err != nil {
						continue
					}
					next := record(string(got.Data) + hexWord(word) + " ")
					next.Write, next.Repeat = word, repeat
					if err = s.Swap(ctx, key, next, got.Write); !errors.Is(err, session.ErrConflict) && !errors.Is(err, session.ErrUnavailable) {
						break
					}
					repeat = repeat || errors.Is(err, session.ErrUnavailable)
				}
				mu.Lock()
				switch {
				case err == nil:
					saved = append(saved, hexWord(word))
				case errors.Is(err, session.ErrOutcomeUnknown):
					unknown = append(unknown, hexWord(word))
				default:
					t.Errorf("Swap: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got, err := plain.Load(ctx, key, false)
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Fields(string(got.Data))
	for _, word := range saved {
		if n := strings.Count(string(got.Data), word); n != 1 {
			t.Errorf("a swap that was reported as done took effect %d times", n)
		}
	}
	if len(list) > len(saved)+len(unknown) {
		t.Errorf("the list has %d words after %d swaps, %d of unknown outcome", len(list), len(saved), len(unknown))
	}
}

// turn acquires key as soon as it is free, whatever breaks.
func turn(ctx context.Context, s session.Store, key session.StoreKey, token session.Token) (session.Record, error) {
	for {
		got, err := s.Acquire(ctx, key, token, 30*time.Second)
		if !errors.Is(err, session.ErrLocked) && !errors.Is(err, session.ErrUnavailable) || ctx.Err() != nil {
			return got, err
		}
		select {
		case <-time.After(time.Millisecond + rand.N(10*time.Millisecond)):
		case <-ctx.Done():
		}
	}
}
