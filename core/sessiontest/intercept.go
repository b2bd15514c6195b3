package sessiontest

import (
	"context"
	"iter"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Op names a store's operation: a method of session.Store, or of one of the
// optional interfaces.
type Op string

// The operations. OpWatch is no round trip: Counter.Total leaves it out.
const (
	OpAcquire     Op = "Acquire"
	OpLoad        Op = "Load"
	OpCreate      Op = "Create"
	OpSave        Op = "Save"
	OpSwap        Op = "Swap"
	OpRelease     Op = "Release"
	OpExtend      Op = "Extend"
	OpTouch       Op = "Touch"
	OpRemove      Op = "Remove"
	OpReap        Op = "Reap"
	OpWatch       Op = "Watch"
	OpListOwner   Op = "ListOwner"
	OpRemoveOwner Op = "RemoveOwner"
	OpAll         Op = "All"
	OpPing        Op = "Ping"
)

// around is called for every call of an intercepted store, with what makes the
// call. The error that it returns is the caller's; with an error the caller
// gets nothing else of the answer.
type around func(ctx context.Context, op Op, key session.StoreKey, call func(context.Context) error) error

// intercept returns a store whose calls go through around. It has exactly the
// optional interfaces that store has.
func intercept(store session.Store, around around) session.Store {
	s := &intercepted{store: store, around: around}
	s.watcher, _ = store.(session.Watcher)
	s.owners, _ = store.(session.OwnerIndex)
	s.iterator, _ = store.(session.Iterator)
	s.pinger, _ = store.(session.Pinger)
	return s.exposed()
}

// intercepted has every interface; exposed hides those that its store has not.
type intercepted struct {
	store    session.Store
	watcher  session.Watcher
	owners   session.OwnerIndex
	iterator session.Iterator
	pinger   session.Pinger
	around   around
}

func (s *intercepted) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (rec session.Record, err error) {
	err = s.around(ctx, OpAcquire, key, func(ctx context.Context) error {
		rec, err = s.store.Acquire(ctx, key, token, lease)
		return err
	})
	return answer(rec, err)
}

func (s *intercepted) Load(ctx context.Context, key session.StoreKey, wait bool) (rec session.Record, err error) {
	err = s.around(ctx, OpLoad, key, func(ctx context.Context) error {
		rec, err = s.store.Load(ctx, key, wait)
		return err
	})
	return answer(rec, err)
}

func (s *intercepted) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	return s.around(ctx, OpCreate, key, func(ctx context.Context) error {
		return s.store.Create(ctx, key, rec, token, lease)
	})
}

func (s *intercepted) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	return s.around(ctx, OpSave, key, func(ctx context.Context) error {
		return s.store.Save(ctx, key, rec, token, how)
	})
}

func (s *intercepted) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	return s.around(ctx, OpSwap, key, func(ctx context.Context) error {
		return s.store.Swap(ctx, key, rec, old)
	})
}

func (s *intercepted) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	return s.around(ctx, OpRelease, key, func(ctx context.Context) error {
		return s.store.Release(ctx, key, token)
	})
}

func (s *intercepted) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	return s.around(ctx, OpExtend, key, func(ctx context.Context) error {
		return s.store.Extend(ctx, key, token, lease)
	})
}

func (s *intercepted) Touch(ctx context.Context, key session.StoreKey) error {
	return s.around(ctx, OpTouch, key, func(ctx context.Context) error {
		return s.store.Touch(ctx, key)
	})
}

func (s *intercepted) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	return s.around(ctx, OpRemove, key, func(ctx context.Context) error {
		return s.store.Remove(ctx, key, token, reason)
	})
}

func (s *intercepted) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) (ends []session.Expired, err error) {
	err = s.around(ctx, OpReap, session.StoreKey{}, func(ctx context.Context) error {
		ends, err = s.store.Reap(ctx, namespace, limit, token, lease)
		return err
	})
	return answer(ends, err)
}

// Watch has no error to return: one from around becomes a Watch that cannot
// watch now.
func (s *intercepted) Watch(key session.StoreKey) (wake <-chan struct{}, stop func()) {
	err := s.around(context.Background(), OpWatch, key, func(context.Context) error {
		wake, stop = s.watcher.Watch(key)
		return nil
	})
	if err != nil {
		if stop != nil {
			stop()
		}
		return nil, func() {}
	}
	return wake, stop
}

func (s *intercepted) ListOwner(ctx context.Context, namespace, owner string) (infos []session.Info, err error) {
	err = s.around(ctx, OpListOwner, session.StoreKey{}, func(ctx context.Context) error {
		infos, err = s.owners.ListOwner(ctx, namespace, owner)
		return err
	})
	return answer(infos, err)
}

func (s *intercepted) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, except ...session.StoreKey) (n int, err error) {
	err = s.around(ctx, OpRemoveOwner, session.StoreKey{}, func(ctx context.Context) error {
		n, err = s.owners.RemoveOwner(ctx, namespace, owner, reason, except...)
		return err
	})
	return answer(n, err)
}

// All is one call from its first record to its last. An error of around that
// comes after the records is yielded behind them.
func (s *intercepted) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		left := false
		err := s.around(ctx, OpAll, session.StoreKey{}, func(ctx context.Context) error {
			for info, err := range s.iterator.All(ctx, namespace) {
				if err != nil {
					return err
				}
				if !yield(info, nil) {
					left = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !left {
			yield(session.Info{}, err)
		}
	}
}

func (s *intercepted) Ping(ctx context.Context) error {
	return s.around(ctx, OpPing, session.StoreKey{}, func(ctx context.Context) error {
		return s.pinger.Ping(ctx)
	})
}

// answer returns what a call has returned, and of a call that failed, or whose
// answer is lost, the error alone.
func answer[T any](value T, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return value, nil
}
