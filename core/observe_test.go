package session_test

import (
	"context"
	"slices"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// savedSizes keeps the sizes that EventSaved tells.
type savedSizes []int

func (o *savedSizes) Observe(_ context.Context, e session.Event) {
	if e.Kind == session.EventSaved {
		*o = append(*o, e.Size)
	}
}

func TestEventSavedTellsTheSize(t *testing.T) {
	var sizes savedSizes
	c := &client{t: t, m: newManager(t, memstore.New(), session.Config{Observer: &sizes})}
	for _, f := range []func(*session.Session) error{
		func(s *session.Session) error { return countKey.Set(s, 1234) },
		func(s *session.Session) error { return s.Abandon() },
	} {
		err := c.do(session.Exclusive, func(s *session.Session) {
			if err := f(s); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := (savedSizes{len("count") + len("1234"), 0}); !slices.Equal(sizes, want) {
		t.Errorf("got %v, want %v", sizes, want)
	}
}
