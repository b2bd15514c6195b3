package session

import (
	"context"
	"iter"
	"time"
)

// StoreOp names a method of Store or of one of the optional interfaces beside
// it, in an Event.
type StoreOp uint8

// The operations of a store. Watch is none: it does not wait for an answer.
const (
	OpAcquire StoreOp = iota + 1
	OpLoad
	OpCreate
	OpSave
	OpSwap
	OpRelease
	OpExtend
	OpTouch
	OpRemove
	OpReap
	OpListOwner
	OpRemoveOwner
	OpAll // its Duration is without what is done with the sessions that are listed
	OpPing

	endOfStoreOps // must come last
)

var storeOpNames = [endOfStoreOps]string{
	0:             "unknown",
	OpAcquire:     "Acquire",
	OpLoad:        "Load",
	OpCreate:      "Create",
	OpSave:        "Save",
	OpSwap:        "Swap",
	OpRelease:     "Release",
	OpExtend:      "Extend",
	OpTouch:       "Touch",
	OpRemove:      "Remove",
	OpReap:        "Reap",
	OpListOwner:   "ListOwner",
	OpRemoveOwner: "RemoveOwner",
	OpAll:         "All",
	OpPing:        "Ping",
}

// String returns the method's name, "unknown" if there is none.
func (op StoreOp) String() string {
	if op >= endOfStoreOps {
		op = 0
	}
	return storeOpNames[op]
}

// observedStore tells the Observer of every call, as the store has answered it.
// It stands in front of the store only where there is an Observer. It has the
// methods of all optional interfaces, and stands for those that the store
// implements.
type observedStore struct {
	store    Store
	owners   OwnerIndex
	iterator Iterator
	pinger   Pinger
	m        *Manager
}

// observeStore puts an observedStore in front of the store, if there is an
// Observer.
func (m *Manager) observeStore() {
	if m.cfg.Observer == nil {
		return
	}
	o := &observedStore{m.store, m.owners, m.iterator, m.pinger, m}
	m.store = o
	if m.owners != nil {
		m.owners = o
	}
	if m.iterator != nil {
		m.iterator = o
	}
	if m.pinger != nil {
		m.pinger = o
	}
}

// provider returns the store that New was given.
func (m *Manager) provider() Store {
	if o, ok := m.store.(*observedStore); ok {
		return o.store
	}
	return m.store
}

func (o *observedStore) tell(ctx context.Context, op StoreOp, begun time.Time, size int, err error) {
	e := Event{Kind: EventStoreCall, Op: op, Duration: time.Since(begun), Size: size, Err: err}
	if err != nil {
		e.Size = 0
	}
	o.m.tell(ctx, e)
}

func (o *observedStore) Acquire(ctx context.Context, key StoreKey, token Token, lease time.Duration) (Record, error) {
	begun := time.Now()
	rec, err := o.store.Acquire(ctx, key, token, lease)
	o.tell(ctx, OpAcquire, begun, len(rec.Data), err)
	return rec, err
}

func (o *observedStore) Load(ctx context.Context, key StoreKey, wait bool) (Record, error) {
	begun := time.Now()
	rec, err := o.store.Load(ctx, key, wait)
	o.tell(ctx, OpLoad, begun, len(rec.Data), err)
	return rec, err
}

func (o *observedStore) Create(ctx context.Context, key StoreKey, rec Record, token Token, lease time.Duration) error {
	begun := time.Now()
	err := o.store.Create(ctx, key, rec, token, lease)
	o.tell(ctx, OpCreate, begun, len(rec.Data), err)
	return err
}

func (o *observedStore) Save(ctx context.Context, key StoreKey, rec Record, token Token, how Commit) error {
	begun := time.Now()
	err := o.store.Save(ctx, key, rec, token, how)
	o.tell(ctx, OpSave, begun, len(rec.Data), err)
	return err
}

func (o *observedStore) Swap(ctx context.Context, key StoreKey, rec Record, old WriteID) error {
	begun := time.Now()
	err := o.store.Swap(ctx, key, rec, old)
	o.tell(ctx, OpSwap, begun, len(rec.Data), err)
	return err
}

func (o *observedStore) Release(ctx context.Context, key StoreKey, token Token) error {
	begun := time.Now()
	err := o.store.Release(ctx, key, token)
	o.tell(ctx, OpRelease, begun, 0, err)
	return err
}

func (o *observedStore) Extend(ctx context.Context, key StoreKey, token Token, lease time.Duration) error {
	begun := time.Now()
	err := o.store.Extend(ctx, key, token, lease)
	o.tell(ctx, OpExtend, begun, 0, err)
	return err
}

func (o *observedStore) Touch(ctx context.Context, key StoreKey) error {
	begun := time.Now()
	err := o.store.Touch(ctx, key)
	o.tell(ctx, OpTouch, begun, 0, err)
	return err
}

func (o *observedStore) Remove(ctx context.Context, key StoreKey, token Token, reason EndReason) error {
	begun := time.Now()
	err := o.store.Remove(ctx, key, token, reason)
	o.tell(ctx, OpRemove, begun, 0, err)
	return err
}

func (o *observedStore) Reap(ctx context.Context, namespace string, limit int, token Token, lease time.Duration) ([]Expired, error) {
	begun := time.Now()
	ended, err := o.store.Reap(ctx, namespace, limit, token, lease)
	size := 0
	for i := range ended {
		size += len(ended[i].Record.Data)
	}
	o.tell(ctx, OpReap, begun, size, err)
	return ended, err
}

func (o *observedStore) ListOwner(ctx context.Context, namespace, owner string) ([]Info, error) {
	begun := time.Now()
	infos, err := o.owners.ListOwner(ctx, namespace, owner)
	o.tell(ctx, OpListOwner, begun, 0, err)
	return infos, err
}

func (o *observedStore) RemoveOwner(ctx context.Context, namespace, owner string, reason EndReason, except ...StoreKey) (int, error) {
	begun := time.Now()
	n, err := o.owners.RemoveOwner(ctx, namespace, owner, reason, except...)
	o.tell(ctx, OpRemoveOwner, begun, 0, err)
	return n, err
}

func (o *observedStore) All(ctx context.Context, namespace string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		begun := time.Now() // moved on by as long as the loop's body takes
		var failure error
		for info, err := range o.iterator.All(ctx, namespace) {
			if err != nil {
				failure = err
			}
			left := time.Now()
			goesOn := yield(info, err)
			begun = begun.Add(time.Since(left))
			if !goesOn {
				break
			}
		}
		o.tell(ctx, OpAll, begun, 0, failure)
	}
}

func (o *observedStore) Ping(ctx context.Context) error {
	begun := time.Now()
	err := o.pinger.Ping(ctx)
	o.tell(ctx, OpPing, begun, 0, err)
	return err
}
