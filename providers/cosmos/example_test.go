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
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	store, err := cosmosstore.Open(ctx, cosmosstore.Config{
		ConnectionString: os.Getenv("COSMOS"), // AccountEndpoint=https://…;AccountKey=…;
		Database:         "shop",
		PreferredRegions: []string{"North Europe"},
	})
	if err != nil {
		log.Fatal(err) // says what to do, and no key
	}
	defer store.Close()
	sessions, err := session.New(store, session.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close(context.Background())
}
