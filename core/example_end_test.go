package session_test

import (
	"context"
	"fmt"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// OnEnd is told of sessions that have expired, were abandoned or revoked: here
// it says what goes back into stock. Where a repeat would do harm, keep
// Ended.Token with what OnEnd has done.
func ExampleEnded() {
	sessions, err := session.New(memstore.New(), session.Config{
		OnEnd: func(_ context.Context, e session.Ended) error {
			if e.Session == nil {
				return nil // it cannot be read (e.Err), now or later
			}
			cart, err := Items.Get(e.Session)
			fmt.Println(e.Reason, "with", cart.Items)
			return err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &browser{sessions: sessions}
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		return Items.Set(s, Cart{Items: []string{"tea"}})
	})
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		return s.Abandon()
	})
	if err := sessions.Close(context.Background()); err != nil { // waits for OnEnd
		fmt.Println(err)
	}
	// Output:
	// abandoned with [tea]
}

// When a user changes the password, all sessions that somebody else may have
// opened with the old one are ended.
func ExampleManager_RevokeOwner() {
	sessions, err := session.New(memstore.New(), session.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close(context.Background())

	login := func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		if err := s.Renew(); err != nil {
			return err
		}
		return s.SetOwner("ada")
	}
	phone, laptop := &browser{sessions: sessions}, &browser{sessions: sessions}
	phone.request(login)
	laptop.request(login)

	laptop.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		ended, err := sessions.RevokeOwner(ctx, s.Owner(), s)
		fmt.Println("logged out elsewhere:", ended)
		return err
	})
	infos, err := sessions.SessionsOf(context.Background(), "ada")
	fmt.Println("logged in:", len(infos), err)
	// Output:
	// logged out elsewhere: 1
	// logged in: 1 <nil>
}
