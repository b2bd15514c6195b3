package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// login makes the client's session an owner's, under a new ID.
func login(w http.ResponseWriter, r *http.Request) {
	s, err := httpsession.Acquire(r)
	if err == nil {
		err = errors.Join(s.Renew(), s.SetOwner(r.FormValue("owner")))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	fmt.Fprintln(w, "welcome")
}

// whose says whose the client's session is; nobody's if there is none.
func whose(w http.ResponseWriter, r *http.Request) {
	s, err := httpsession.Acquire(r, session.Snapshot)
	if err != nil {
		refuse(w, err)
		return
	}
	fmt.Fprint(w, s.Owner())
}

// breakOwners breaks a store's index of owners on purpose.
func breakOwners(store session.OwnerIndex, how string) session.OwnerIndex {
	if how == "late-list" {
		return &lateList{store}
	}
	return store
}

// lateList does not list what is new, as an index does that is made afterwards.
type lateList struct{ session.OwnerIndex }

func (s *lateList) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	infos, err := s.OwnerIndex.ListOwner(ctx, namespace, owner)
	var old []session.Info
	for _, in := range infos {
		if time.Since(in.Created) > 300*time.Millisecond {
			old = append(old, in)
		}
	}
	return old, err
}
