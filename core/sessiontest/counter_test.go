package sessiontest_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// everyOp calls every operation of a store with all interfaces once.
func everyOp(ctx context.Context, s session.Store) (errs []error) {
	key, token := session.StoreKey{1}, session.Token{1}
	rec := session.Record{Namespace: "ns", Owner: "ann", Write: session.WriteID{1}}
	_, stop := s.(session.Watcher).Watch(key)
	stop()
	add := func(err error) { errs = append(errs, err) }
	add(s.Create(ctx, key, rec, session.Token{}, 0))
	_, err := s.Acquire(ctx, key, token, time.Minute)
	add(err)
	_, err = s.Load(ctx, key, false)
	add(err)
	rec.Write = session.WriteID{2}
	add(s.Save(ctx, key, rec, token, session.Commit{Keep: time.Minute}))
	add(s.Extend(ctx, key, token, time.Minute))
	add(s.Release(ctx, key, token))
	rec.Write = session.WriteID{3}
	add(s.Swap(ctx, key, rec, session.WriteID{2}))
	add(s.Touch(ctx, key))
	_, err = s.Reap(ctx, "ns", 1, token, time.Minute)
	add(err)
	_, err = s.(session.OwnerIndex).ListOwner(ctx, "ns", "ann")
	add(err)
	for _, err := range s.(session.Iterator).All(ctx, "ns") {
		add(err)
	}
	_, err = s.(session.OwnerIndex).RemoveOwner(ctx, "ns", "ann", session.EndDelete)
	add(err)
	add(s.Remove(ctx, key, session.Token{}, session.EndDelete))
	add(s.(session.Pinger).Ping(ctx))
	return errs
}

func TestCounter_CountsEveryOperation(t *testing.T) {
	counter := sessiontest.NewCounter(newModel())
	for i, err := range everyOp(t.Context(), counter.Store) {
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	want := map[sessiontest.Op]int{
		sessiontest.OpAcquire: 1, sessiontest.OpLoad: 1, sessiontest.OpCreate: 1, sessiontest.OpSave: 1,
		sessiontest.OpSwap: 1, sessiontest.OpRelease: 1, sessiontest.OpExtend: 1, sessiontest.OpTouch: 1,
		sessiontest.OpRemove: 1, sessiontest.OpReap: 1, sessiontest.OpWatch: 1, sessiontest.OpListOwner: 1,
		sessiontest.OpRemoveOwner: 1, sessiontest.OpAll: 1, sessiontest.OpPing: 1,
	}
	got := counter.Counts()
	if !maps.Equal(got, want) {
		t.Errorf("Counts is %v, want %v", got, want)
	}
	if got := counter.Total(); got != 14 {
		t.Errorf("Total is %d, want 14: all but Watch", got)
	}
	got[sessiontest.OpAcquire] = 100 // the caller's map
	counter.Reset()
	if got := counter.Counts(); counter.Total() != 0 || len(got) != 0 {
		t.Errorf("after Reset Total is %d and Counts %v", counter.Total(), got)
	}
}

func TestCounter_CountsConcurrentAndFailingCalls(t *testing.T) {
	counter := sessiontest.NewCounter(newModel())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				_ = counter.Store.Touch(t.Context(), session.StoreKey{}) // ErrNotFound
			}
		})
	}
	wg.Wait()
	if got := counter.Counts()[sessiontest.OpTouch]; got != 800 {
		t.Errorf("%d calls were counted, want 800", got)
	}
}

func ExampleNewCounter() {
	counter := sessiontest.NewCounter(newModel())
	ctx := context.Background()

	key, token := session.StoreKey{1}, session.NewToken()
	rec := session.Record{Data: []byte("{}"), Write: session.NewWriteID()}
	_ = counter.Store.Create(ctx, key, rec, token, time.Minute)
	_ = counter.Store.Release(ctx, key, token)

	fmt.Println(counter.Total(), counter.Counts())
	// Output: 2 map[Create:1 Release:1]
}
