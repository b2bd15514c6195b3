package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// What a Manager does with the store in the course of two requests: create a
// session, lock it, change it, and let go.
func Example() {
	ctx := context.Background()
	store := memstore.New()

	key := session.StoreKey{1} // a Manager's keys are hashes of IDs
	err := store.Create(ctx, key, session.Record{
		Data:        []byte("one apple"),
		IdleTimeout: 20 * time.Minute,
		Write:       session.NewWriteID(),
	}, session.Token{}, 0)
	fmt.Println("create:", err)

	mine := session.NewToken()
	rec, err := store.Acquire(ctx, key, mine, 15*time.Second)
	fmt.Printf("acquire: %s, %v\n", rec.Data, err)

	_, err = store.Acquire(ctx, key, session.NewToken(), 15*time.Second)
	fmt.Println("another one may not:", errors.Is(err, session.ErrLocked))

	rec.Data = []byte("two apples")
	rec.Write = session.NewWriteID()
	err = store.Save(ctx, key, rec, mine, session.Commit{}) // and release
	fmt.Println("save:", err)

	rec, err = store.Load(ctx, key, false)
	fmt.Printf("load: %s, locked: %v, %v\n", rec.Data, rec.Lock != nil, err)

	// Output:
	// create: <nil>
	// acquire: one apple, <nil>
	// another one may not: true
	// save: <nil>
	// load: two apples, locked: false, <nil>
}
