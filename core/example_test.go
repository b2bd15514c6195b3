package session_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// Cart is what the examples keep in a session.
type Cart struct {
	Items []string
}

var (
	Items  = session.NewKey[Cart]("cart")
	Visits = session.NewKey[int]("visits")
	Notice = session.NewKey[string]("notice")
)

// Make a Manager once, and a Key for every value. A handler acquires the
// session, which is saved and released when the handler is done.
func Example() {
	sessions, err := session.New(memstore.New(), session.Config{
		IdleTimeout: time.Hour,
		ID:          session.Cookie{Name: "__Host-session"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close(context.Background())

	handler := func(ctx context.Context) error {
		s, err := session.Acquire(ctx) // waits for its turn
		if err != nil {
			return err
		}
		cart, err := Items.Get(s)
		if err != nil {
			return err
		}
		cart.Items = append(cart.Items, "tea")
		fmt.Println("new:", s.IsNew(), "items:", len(cart.Items))
		return Items.Set(s, cart)
	}

	b := &browser{sessions: sessions}
	b.request(handler)
	b.request(handler)
	// Output:
	// new: true items: 1
	// new: false items: 2
}

// To rotate, deploy the new key behind the others, then in front of them, and
// drop the old one when AbsoluteTimeout has passed.
func ExampleConfig_encryptionKeys() {
	// From a secret store: never from the source. Made by
	// `head -c 32 /dev/urandom | base64`.
	secrets := []string{
		"1zNFhuXvGVVXcV0Y4ugLD5aGzJFxNeWPzPU6c3NFnTo=", // encrypts
		"QvNdSDDNCXaPQ4QkM2F05hAXgdBpLzqWbwLk9n2FhVE=", // still decrypts
	}
	var keys [][]byte
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(secret)
		if err != nil {
			fmt.Println(err)
			return
		}
		keys = append(keys, key)
	}
	sessions, err := session.New(memstore.New(), session.Config{EncryptionKeys: keys})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close(context.Background())
	fmt.Println("encrypted")
	// Output: encrypted
}

func ExampleKey() {
	b := newBrowser()
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		return errors.Join(
			Items.Set(s, Cart{Items: []string{"tea"}}),
			Notice.Set(s, "Your tea is in the cart."),
		)
	})
	for range 2 {
		b.request(func(ctx context.Context) error {
			s, err := session.Acquire(ctx)
			if err != nil {
				return err
			}
			cart, _ := Items.Get(s) // the zero Cart, if there was none
			notice, found, err := Notice.Take(s)
			fmt.Printf("%d items, notice: %v %q\n", len(cart.Items), found, notice)
			return err
		})
	}
	// Output:
	// 1 items, notice: true "Your tea is in the cart."
	// 1 items, notice: false ""
}

// Requests that only read run side by side, and are refused every change.
func ExampleManager_Acquire() {
	b := newBrowser()
	b.request(func(ctx context.Context) error {
		s, err := b.sessions.Acquire(ctx) // Exclusive
		if err != nil {
			return err
		}
		return Visits.Set(s, 1)
	})
	b.request(func(ctx context.Context) error {
		s, err := b.sessions.Acquire(ctx, session.ReadOnly)
		if err != nil {
			return err
		}
		n, err := Visits.Get(s)
		fmt.Println(s.Mode(), n, err)
		fmt.Println(Visits.Set(s, 2))
		return nil
	})
	// Output:
	// read-only 1 <nil>
	// session: acquired read-only: acquire it Exclusive or Concurrent to change it
}

// In Concurrent mode nobody waits: at the end, Update runs again on what other
// requests have made of the value meanwhile.
func ExampleKey_Update() {
	visit := func(ctx context.Context) error {
		s, err := session.Acquire(ctx, session.Concurrent)
		if err != nil {
			return err
		}
		return Visits.Update(s, func(n int) int { return n + 1 })
	}
	b := newBrowser()
	b.request(visit)
	b.request(func(ctx context.Context) error {
		if err := visit(ctx); err != nil {
			return err
		}
		tab := &browser{sessions: b.sessions, cookie: b.cookie} // at the same time
		tab.request(visit)
		return nil
	})
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx, session.Snapshot)
		if err != nil {
			return err
		}
		n, err := Visits.Get(s)
		fmt.Println(n, "visits")
		return err
	})
	// Output: 3 visits
}

// A login gives the session a new ID: the one from before, which somebody else
// may have planted or seen, is worth nothing afterwards.
func ExampleSession_Renew() {
	b := newBrowser()
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		return Items.Set(s, Cart{Items: []string{"tea"}})
	})
	before := b.cookie
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		return errors.Join(s.SetOwner("ann"), s.Renew())
	})
	fmt.Println("another cookie:", b.cookie != before)

	thief := &browser{sessions: b.sessions, cookie: before}
	for _, who := range []*browser{b, thief} {
		who.request(func(ctx context.Context) error {
			s, err := session.Acquire(ctx, session.ReadOnly)
			if err != nil {
				fmt.Println(session.HTTPStatus(err), errors.Is(err, session.ErrRenewed))
				return nil
			}
			cart, err := Items.Get(s)
			fmt.Println(s.Owner(), cart.Items)
			return err
		})
	}
	// Output:
	// another cookie: true
	// ann [tea]
	// 409 true
}

// A logout ends the session for all requests, in flight or to come.
func ExampleSession_Abandon() {
	b := newBrowser()
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		return Visits.Set(s, 1)
	})
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx, session.Snapshot) // need not wait for anybody
		if err != nil {
			return err
		}
		return s.Abandon()
	})
	fmt.Printf("cookie: %q\n", b.cookie)
	// Output: cookie: ""
}

// A handler that goes on for long gives the session back first.
func ExampleSession_Release() {
	b := newBrowser()
	b.request(func(ctx context.Context) error {
		s, err := session.Acquire(ctx)
		if err != nil {
			return err
		}
		if err := Visits.Set(s, 1); err != nil {
			return err
		}
		if err := s.Release(ctx); err != nil { // saved: others can go on
			return err
		}
		fmt.Println("streaming …", Visits.Set(s, 2))
		return nil
	})
	// Output: streaming … session: used after its release
}

// browser plays the HTTP server and its client: what an adapter does for your
// framework, in a few lines.
type browser struct {
	sessions *session.Manager
	cookie   string
}

func newBrowser() *browser {
	sessions, err := session.New(memstore.New(), session.Config{ReapInterval: -1})
	if err != nil {
		panic(err)
	}
	return &browser{sessions: sessions}
}

func (b *browser) request(handler func(ctx context.Context) error) {
	ex := newExchange()
	ex.request.Set("Cookie", b.cookie)
	rq, ctx := b.sessions.Begin(context.Background(), ex)
	err := handler(ctx)
	if err = errors.Join(err, rq.Finish(ctx, session.Outcome{Err: err})); err != nil {
		fmt.Println(session.HTTPStatus(err), err)
	}
	for _, c := range (&http.Response{Header: ex.reply}).Cookies() {
		b.cookie = ""
		if c.MaxAge >= 0 {
			b.cookie = c.Name + "=" + c.Value
		}
	}
}
