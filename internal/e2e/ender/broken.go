package main

import (
	"context"
	"fmt"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// breakStore breaks a store on purpose, so that it can be seen whether anybody
// notices. Each way is a mistake that a provider could make.
func breakStore(store session.Store, how string) (session.Store, error) {
	switch how {
	case "":
		return store, nil
	case "deletes-first":
		return &deletesFirst{store}, nil
	case "no-lease":
		return &noLease{store}, nil
	case "claims-for-good":
		return &claimsForGood{store}, nil
	}
	return nil, fmt.Errorf("-break %s: there is no such way", how)
}

// deletesFirst deletes the ends that it returns before anybody has told of them.
type deletesFirst struct{ session.Store }

func (s *deletesFirst) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	ends, err := s.Store.Reap(ctx, namespace, limit, token, lease)
	for _, e := range ends {
		if err := s.Store.Remove(ctx, e.Key, token, session.EndDelete); err != nil {
			return nil, err
		}
	}
	return ends, err
}

func (s *deletesFirst) Extend(context.Context, session.StoreKey, session.Token, time.Duration) error {
	return nil
}

// noLease returns ends that it has not claimed.
type noLease struct{ session.Store }

func (s *noLease) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	if limit > 0 {
		lease = time.Microsecond
	}
	return s.Store.Reap(ctx, namespace, limit, token, lease)
}

func (s *noLease) Extend(context.Context, session.StoreKey, session.Token, time.Duration) error {
	return nil
}

// claimsForGood claims ends for longer than anybody waits.
type claimsForGood struct{ session.Store }

func (s *claimsForGood) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	return s.Store.Reap(ctx, namespace, limit, token, max(lease, time.Hour))
}

func (s *claimsForGood) Extend(context.Context, session.StoreKey, session.Token, time.Duration) error {
	return nil
}
