package cosmosstore_test

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
)

const (
	idle    = 20 * time.Minute
	refresh = time.Minute
	lease   = time.Minute
	grace   = 5 * time.Minute
)

var nobody session.Token

func newKey() (key session.StoreKey) {
	rand.Read(key[:])
	return key
}

// record returns a new record with usual times.
func record(data string) session.Record {
	return session.Record{
		Data:        []byte(data),
		Namespace:   "test",
		Owner:       "somebody",
		IdleTimeout: idle,
		Refresh:     refresh,
		Lifetime:    24 * time.Hour,
		Write:       session.NewWriteID(),
	}
}

func hexWord(w session.WriteID) string { return hex.EncodeToString(w[:]) }

func idOf(key session.StoreKey) string { return hex.EncodeToString(key[:]) }

func partitionOf(key session.StoreKey) azcosmos.PartitionKey {
	return azcosmos.NewPartitionKeyString(idOf(key))
}
