package cosmosstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
)

// The queries. Each filters by an indexed property first; the gateway serves no
// ORDER BY or TOP over partitions, so order and limit are this side's affair.
// They leave the data out.
const (
	columns  = "SELECT c.id, c.v, c.state, c.ns, c.created, c.life, c.lock, c.move, c.report, c.body.size, c.body.owner, c.body.events FROM c WHERE "
	reapable = columns + "c.report <= @now AND c.ns = @ns AND c.state IN ('live', 'ended', 'pending')"
	owned    = columns + "c.body.owner = @owner AND c.ns = @ns AND c.state IN ('live', 'moved', 'pending')"
)

// row is a document as a query returns it.
type row struct {
	document
	Size   int    `json:"size"`
	Owner  string `json:"owner"`
	Events bool   `json:"events"`
}

// query calls visit for each document that it finds, until it returns false.
// Under Session consistency it may miss what other processes wrote just now.
func (a *attempt) query(text string, parameters map[string]any, visit func(*document) (bool, error)) error {
	err := a.queryFrom(a.s.tokens.header(), text, parameters, visit)
	if notInSession(err) { // see read
		a.s.tokens.forget()
		err = a.queryFrom(nil, text, parameters, visit)
	}
	return err
}

func (a *attempt) queryFrom(seen *string, text string, parameters map[string]any, visit func(*document) (bool, error)) error {
	o := &azcosmos.QueryOptions{SessionToken: seen, ConsistencyLevel: a.s.consistency}
	for name, value := range parameters {
		o.QueryParameters = append(o.QueryParameters, azcosmos.QueryParameter{Name: name, Value: value})
	}
	pager := a.s.container.NewQueryItemsPager(text, azcosmos.NewPartitionKey(), o)
	for pager.More() {
		var items [][]byte
		_, err := a.ask(func(ctx context.Context) (answer, error) {
			page, err := pager.NextPage(ctx) // after an error it asks for the same page again
			items = page.Items
			return answer{response: page.RawResponse}, err
		})
		if err != nil {
			return absentContainer(err)
		}
		for _, item := range items {
			var r row
			if err := json.Unmarshal(item, &r); err != nil || r.Version != version {
				continue // what another program wrote
			}
			d := &r.document
			d.Body.Size, d.Body.Owner, d.Body.Events = r.Size, r.Owner, r.Events
			if more, err := visit(d); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// absentContainer makes sense of a 404 where there is no document to be absent.
func absentContainer(err error) error {
	if errors.Is(err, errAbsent) {
		return unavailable(&answerError{status: 404})
	}
	return err
}

// ListOwner implements session.OwnerIndex: one query.
func (s *Store) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	a := s.begin(ctx, "list owner")
	infos, err := a.list(namespace, owner)
	if err != nil {
		return nil, a.fail(err)
	}
	return infos, nil
}

// list returns the live records of an owner, each once. One that moves while the
// query runs may be seen under neither key, so tombstones are followed; or under
// both, so those that may be the same are looked at once more.
func (a *attempt) list(namespace, owner string) ([]session.Info, error) {
	if a.ctx.Err() != nil {
		return nil, a.ended()
	}
	if owner == "" || !utf8.ValidString(owner) || !utf8.ValidString(namespace) {
		return nil, nil // no record has it; and the query would ask for another
	}
	found := make(map[string]*document)
	var follow []string
	err := a.query(owned, map[string]any{"@ns": namespace, "@owner": owner}, func(d *document) (bool, error) {
		found[d.ID] = d
		switch d.State {
		case statePending:
			follow = append(follow, d.ID)
			delete(found, d.ID)
		case stateMoved:
			follow = append(follow, d.Move.To)
		}
		return true, nil
	})
	for again := false; err == nil; again = true {
		if err = a.follow(found, follow, namespace, owner); again {
			break
		}
		if follow = alike(found); len(follow) == 0 {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	var infos []session.Info
	now := a.s.clock.now()
	for _, d := range found {
		if info, ok := d.info(now); ok && d.live(now) {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(x, y session.Info) int {
		return cmp.Or(x.Created.Compare(y.Created), bytes.Compare(x.Key[:], y.Key[:]))
	})
	return infos, nil
}

// follow reads what is not yet found, and from there on, where it has moved.
func (a *attempt) follow(found map[string]*document, ids []string, namespace, owner string) error {
	for ; len(ids) > 0; ids = ids[1:] {
		if found[ids[0]] != nil {
			continue
		}
		d, err := a.find(ids[0], anything)
		switch {
		case errors.Is(err, errAbsent), errors.Is(err, session.ErrCorrupt):
			continue
		case err != nil:
			return err
		case d.State == stateMoved:
			ids = append(ids, d.Move.To)
		}
		if d.Body.Owner == owner && d.NS == namespace {
			found[d.ID] = d
		}
	}
	return nil
}

// alike takes out the live documents that have their time of creation in common
// with another, and returns their ids. A move keeps it: they may be one record,
// before its move and after.
func alike(found map[string]*document) (ids []string) {
	created := make(map[int64]int)
	for _, d := range found {
		if d.State == stateLive {
			created[d.Created]++
		}
	}
	for id, d := range found {
		if d.State == stateLive && created[d.Created] > 1 {
			ids = append(ids, id)
			delete(found, id)
		}
	}
	return ids
}

// RemoveOwner implements session.OwnerIndex: one query, and one patch for each
// record that it ends.
func (s *Store) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, except ...session.StoreKey) (int, error) {
	a := s.begin(ctx, "remove owner")
	n := 0
	for again := true; again; {
		again = false
		infos, err := a.list(namespace, owner)
		if err != nil {
			return n, a.fail(err)
		}
		for _, info := range infos {
			if slices.Contains(except, info.Key) {
				continue
			}
			ended, err := s.begin(ctx, a.op).remove(hexKey(info.Key), session.Token{}, reason)
			var moved movedError
			switch {
			case errors.As(err, &moved): // it has got away; it is found under its new key
				again = true
			case err != nil:
				return n, a.fail(err)
			case ended:
				n++
			}
		}
		if again {
			if err := a.again(); err != nil {
				return n, a.fail(err)
			}
		}
	}
	return n, nil
}
