package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

var (
	failBefore = sessiontest.Fault{Kind: sessiontest.FailBefore}
	failAfter  = sessiontest.Fault{Kind: sessiontest.FailAfter}
)

// create puts a new record under key, and says whether it is there then.
func create(t *testing.T, s session.Store, m *model, key session.StoreKey) (there bool, err error) {
	t.Helper()
	err = s.Create(t.Context(), key, session.Record{Write: session.NewWriteID()}, session.Token{}, 0)
	_, loadErr := m.Load(context.Background(), key, false)
	return loadErr == nil, err
}

func TestFaults_BeforeAndAfter(t *testing.T) {
	m := newModel()
	faults := sessiontest.NewFaults(m)
	cause := errors.New("cable pulled")
	for i, c := range []struct {
		fault sessiontest.Fault
		there bool
		want  []error
	}{
		{sessiontest.Fault{}, true, nil},
		{failBefore, false, []error{session.ErrUnavailable}},
		{failAfter, true, []error{session.ErrUnavailable}},
		{sessiontest.Fault{Kind: sessiontest.FailAfter, Err: cause}, true, []error{session.ErrUnavailable, cause}},
	} {
		faults.Next(sessiontest.OpCreate, 1, c.fault)
		there, err := create(t, faults.Store, m, session.StoreKey{byte(i + 1)})
		if there != c.there || (err == nil) != (c.want == nil) {
			t.Errorf("%+v: stored %v, error %v", c.fault, there, err)
		}
		for _, want := range c.want {
			if !errors.Is(err, want) {
				t.Errorf("%+v: got %v, want %v", c.fault, err, want)
			}
		}
	}
	if got := faults.Injected(); got != 3 {
		t.Errorf("Injected is %d, want 3", got)
	}
}

// TestFaults_LostAnswer: with the error nothing else of the answer comes through.
func TestFaults_LostAnswer(t *testing.T) {
	m := newModel()
	faults := sessiontest.NewFaults(m)
	key, token := session.StoreKey{1}, session.NewToken()
	rec := session.Record{Data: []byte("content"), Namespace: "ns", Owner: "ann", Events: true, Write: session.NewWriteID()}
	if err := faults.Store.Create(t.Context(), key, rec, session.Token{}, 0); err != nil {
		t.Fatal(err)
	}
	faults.Next(sessiontest.OpAny, -1, failAfter)
	if got, err := faults.Store.Acquire(t.Context(), key, token, time.Minute); err == nil || got.Data != nil {
		t.Errorf("Acquire returned %q, %v", got.Data, err)
	}
	if got, err := faults.Store.Load(t.Context(), key, false); err == nil || got.Data != nil {
		t.Errorf("Load returned %q, %v", got.Data, err)
	}
	if got, err := faults.Store.(session.OwnerIndex).ListOwner(t.Context(), "ns", "ann"); err == nil || got != nil {
		t.Errorf("ListOwner returned %v, %v", got, err)
	}
	var infos int
	var err error
	for _, e := range faults.Store.(session.Iterator).All(t.Context(), "ns") {
		if err = e; e == nil {
			infos++
		}
	}
	if infos != 1 || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("All yielded %d records and %v, want 1 and the error behind it", infos, err)
	}
	if wake, stop := faults.Store.(session.Watcher).Watch(key); wake != nil || len(m.watchers[key]) != 0 {
		t.Error("Watch works, or has left something behind")
	} else {
		stop()
		stop()
	}
	if n, err := faults.Store.(session.OwnerIndex).RemoveOwner(t.Context(), "ns", "ann", session.EndRevoked); err == nil || n != 0 {
		t.Errorf("RemoveOwner returned %d, %v", n, err)
	}
	if got, err := faults.Store.Reap(t.Context(), "ns", 1, token, time.Minute); err == nil || got != nil {
		t.Errorf("Reap returned %v, %v", got, err)
	}
	// All of it has happened.
	if e := m.entries[key]; e.reason != session.EndRevoked || e.attempts != 1 {
		t.Errorf("the record has reason %v and %d attempts", e.reason, e.attempts)
	}
}

func TestFaults_EveryOperation(t *testing.T) {
	faults := sessiontest.NewFaults(newModel())
	faults.Next(sessiontest.OpAny, -1, failBefore)
	for i, err := range everyOp(t.Context(), faults.Store) {
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("call %d: got %v, want %v", i, err, session.ErrUnavailable)
		}
	}
	faults.Reset()
	for i, err := range everyOp(t.Context(), faults.Store) {
		if err != nil {
			t.Errorf("call %d after Reset: %v", i, err)
		}
	}
}

func TestFaults_HangsUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		faults := sessiontest.NewFaults(m)
		for i, kind := range []sessiontest.FaultKind{sessiontest.HangBefore, sessiontest.HangAfter} {
			faults.Next(sessiontest.OpCreate, 1, sessiontest.Fault{Kind: kind})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			start, key := time.Now(), session.StoreKey{byte(i)}
			err := faults.Store.Create(ctx, key, session.Record{}, session.Token{}, 0)
			cancel()
			if d := time.Since(start); d != time.Minute {
				t.Errorf("kind %d: returned after %v, want the context's minute", kind, d)
			}
			if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("kind %d: got %v, want it to wrap ErrUnavailable and the context's error", kind, err)
			}
			_, loadErr := m.Load(t.Context(), key, false)
			if made := loadErr == nil; made != (kind == sessiontest.HangAfter) {
				t.Errorf("kind %d: the call was made: %v", kind, made)
			}
		}
	})
}

func TestFaults_Delays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		faults := sessiontest.NewFaults(m)
		faults.Next(sessiontest.OpCreate, 2, sessiontest.Fault{Delay: time.Second})
		start := time.Now()
		there, err := create(t, faults.Store, m, session.StoreKey{1})
		if !there || err != nil || time.Since(start) != time.Second {
			t.Errorf("stored %v, error %v, after %v", there, err, time.Since(start))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start = time.Now()
		err = faults.Store.Create(ctx, session.StoreKey{2}, session.Record{}, session.Token{}, 0)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Millisecond {
			t.Errorf("a context that ends during the delay: error %v, after %v", err, time.Since(start))
		}
		if _, err := m.Load(t.Context(), session.StoreKey{2}, false); !errors.Is(err, session.ErrNotFound) {
			t.Error("the call was made although its context had ended")
		}
	})
}

func TestFaults_ScriptBeforeRule(t *testing.T) {
	faults := sessiontest.NewFaults(newModel())
	var seen []sessiontest.Call
	faults.Rule(func(c sessiontest.Call) (f sessiontest.Fault) {
		seen = append(seen, c)
		if c.N%2 == 0 {
			f.Kind = sessiontest.FailBefore
		}
		return f
	})
	faults.Next(sessiontest.OpPing, 2, failBefore)
	faults.Next(sessiontest.OpPing, 1, sessiontest.Fault{}) // ordered to be left alone
	faults.Next(sessiontest.OpPing, 0, failBefore)
	faults.Next(sessiontest.OpTouch, 1, failBefore)
	var failed []bool
	for range 6 {
		failed = append(failed, faults.Store.(session.Pinger).Ping(t.Context()) != nil)
	}
	if want := []bool{true, true, false, true, false, true}; !slices.Equal(failed, want) {
		t.Errorf("failed: %v, want %v", failed, want)
	}
	key := session.StoreKey{7}
	for _, want := range []error{session.ErrUnavailable, session.ErrUnavailable, session.ErrNotFound} {
		if err := faults.Store.Touch(t.Context(), key); !errors.Is(err, want) {
			t.Errorf("Touch: got %v, want %v", err, want)
		}
	}
	want := []sessiontest.Call{
		{Op: sessiontest.OpPing, N: 4}, {Op: sessiontest.OpPing, N: 5}, {Op: sessiontest.OpPing, N: 6},
		{Op: sessiontest.OpTouch, Key: key, N: 2}, {Op: sessiontest.OpTouch, Key: key, N: 3},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("the rule saw %v, want %v", seen, want)
	}
}

func TestRandom(t *testing.T) {
	rates := sessiontest.Rates{
		FailBefore: 0.1, FailAfter: 0.2, HangBefore: 0.05, HangAfter: 0.05,
		Delay: 0.5, MaxDelay: 10 * time.Millisecond,
	}
	const calls = 20000
	kinds, delays, differ := make(map[sessiontest.FaultKind]int), 0, 0
	one, same, other := sessiontest.Random(1, rates), sessiontest.Random(1, rates), sessiontest.Random(2, rates)
	for n := range calls {
		c := sessiontest.Call{Op: sessiontest.OpSave, N: n + 1}
		f := one(c)
		kinds[f.Kind]++
		if f.Delay < 0 || f.Delay > rates.MaxDelay {
			t.Fatalf("a delay of %v", f.Delay)
		}
		if f.Delay > 0 {
			delays++
		}
		if got := same(c); got != f {
			t.Fatalf("call %d: %+v and %+v by one seed", c.N, f, got)
		}
		if other(c) != f {
			differ++
		}
	}
	for kind, rate := range map[sessiontest.FaultKind]float64{
		sessiontest.NoFault: 0.6, sessiontest.FailBefore: 0.1, sessiontest.FailAfter: 0.2,
		sessiontest.HangBefore: 0.05, sessiontest.HangAfter: 0.05,
	} {
		if got := float64(kinds[kind]) / calls; got < rate-0.02 || got > rate+0.02 {
			t.Errorf("kind %d came at a rate of %.3f, want %.3f", kind, got, rate)
		}
	}
	if got := float64(delays) / calls; got < 0.48 || got > 0.52 {
		t.Errorf("delays came at a rate of %.3f, want 0.5", got)
	}
	if differ < calls/4 {
		t.Errorf("two seeds differ in %d of %d calls", differ, calls)
	}
	if got := sessiontest.Random(1, sessiontest.Rates{})(sessiontest.Call{N: 1}); got != (sessiontest.Fault{}) {
		t.Errorf("no rates, and %+v", got)
	}
}

func ExampleFaults_Next() {
	faults := sessiontest.NewFaults(newModel())
	ctx := context.Background()
	key := session.StoreKey{1}
	rec := session.Record{Data: []byte("{}"), Write: session.NewWriteID()}

	// The next Create takes effect, and its caller does not know it.
	faults.Next(sessiontest.OpCreate, 1, sessiontest.Fault{Kind: sessiontest.FailAfter})
	err := faults.Store.Create(ctx, key, rec, session.Token{}, 0)
	fmt.Println(errors.Is(err, session.ErrUnavailable))

	// So it says it again.
	rec.Repeat = true
	fmt.Println(faults.Store.Create(ctx, key, rec, session.Token{}, 0))
	// Output:
	// true
	// <nil>
}

func ExampleFaults_Rule() {
	faults := sessiontest.NewFaults(newModel())

	// Every third call of an operation fails.
	faults.Rule(func(c sessiontest.Call) (f sessiontest.Fault) {
		if c.N%3 == 0 {
			f.Kind = sessiontest.FailBefore
		}
		return f
	})
	for range 3 {
		fmt.Println(faults.Store.(session.Pinger).Ping(context.Background()))
	}
	// Output:
	// <nil>
	// <nil>
	// sessiontest: Ping: session: store unavailable: injected fault
}
