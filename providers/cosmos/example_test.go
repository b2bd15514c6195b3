package cosmosstore_test

import (
	"context"
	"log"
	"os"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

func Example() {
	sessions, stop, err := start(context.Background())
	if err != nil {
		log.Fatal(err) // says what to do, and no key
	}
	defer stop()
	_ = sessions // as with every other store
}

// start connects, within half a minute.
func start(ctx context.Context) (*session.Manager, func(), error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	store, err := cosmosstore.Open(ctx, cosmosstore.Config{
		ConnectionString: os.Getenv("COSMOS"), // AccountEndpoint=https://…;AccountKey=…;
		Database:         "shop",
		PreferredRegions: []string{"North Europe"},
	})
	if err != nil {
		return nil, nil, err
	}
	sessions, err := session.New(store, session.Config{})
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return sessions, func() {
		_ = sessions.Close(context.Background())
		store.Close()
	}, nil
}
