package sessiontest_test

import (
	"context"
	"iter"
	"slices"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func (m *model) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wake := make(chan struct{}, 1)
	m.watchers[key] = append(m.watchers[key], wake)
	return wake, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.watchers[key] = slices.DeleteFunc(m.watchers[key], func(c chan struct{}) bool { return c == wake })
	}
}

// infos lists the live records of a namespace, oldest first.
func (m *model) infos(namespace string, now time.Time) (infos []session.Info) {
	for key, e := range m.entries {
		if e.rec.Namespace == namespace && e.live(now) {
			infos = append(infos, session.Info{
				Key: key, Owner: e.rec.Owner, Created: e.rec.Created, ExpiresIn: e.expiresIn(now),
				Locked: e.leased(now), Size: len(e.rec.Data),
			})
		}
	}
	slices.SortFunc(infos, func(a, b session.Info) int { return a.Created.Compare(b.Created) })
	return infos
}

func (m *model) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil || owner == "" {
		return nil, err
	}
	return slices.DeleteFunc(m.infos(namespace, now), func(i session.Info) bool { return i.Owner != owner }), nil
}

func (m *model) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, except ...session.StoreKey) (n int, err error) {
	now, err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil || owner == "" {
		return 0, err
	}
	for _, info := range m.infos(namespace, now) {
		if info.Owner == owner && !slices.Contains(except, info.Key) {
			m.end(info.Key, session.Token{}, reason, now)
			n++
		}
	}
	return n, nil
}

func (m *model) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		now, err := m.begin(ctx)
		infos := m.infos(namespace, now)
		m.mu.Unlock()
		if err != nil {
			yield(session.Info{}, err)
			return
		}
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (m *model) Ping(ctx context.Context) error {
	_, err := m.begin(ctx)
	defer m.mu.Unlock()
	return err
}
