package sqlstore_test

import (
	"errors"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestS11_TakenKeyWithTheSameWriteID: a caller who gives two records one
// WriteID is told that the key is taken, and does not search for ever.
func TestS11_TakenKeyWithTheSameWriteID(t *testing.T) {
	t.Parallel()
	st, _ := newDatabase(t).store(t, sqlstore.Config{})
	to := newKey()
	rec := newRecord("moves")
	ctx := limit(t, 20*time.Second)
	must(t, st.Create(ctx, to, rec, session.Token{}, 0))
	from := create(t, st, "moves")
	token := acquire(t, st, from)
	if err := st.Save(ctx, from, rec, token, session.Commit{MoveTo: to}); !errors.Is(err, session.ErrExists) {
		t.Errorf("Save to a taken key: %v", err)
	}
	rec.Write = session.NewWriteID()
	must(t, st.Save(ctx, from, rec, token, session.Commit{MoveTo: newKey()}))
}
