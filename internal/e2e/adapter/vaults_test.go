package adapter

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// table is a table of PostgreSQL.
type table struct {
	*sqlstore.Store
	pool *pgxpool.Pool
	name string
}

func newTable(t *testing.T) vault {
	pool := newPool(t)
	store, name := openTable(t, pool)
	return &table{store, pool, name}
}

// raw returns the rows, and besides the files of the table and all that belongs
// to it, which keep what was replaced or deleted until it is vacuumed.
func (v *table) raw(t *testing.T) (all [][]byte) {
	t.Helper()
	conn, err := v.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, format := range []string{"text", "binary"} {
		var rows bytes.Buffer
		if _, err := conn.Conn().PgConn().CopyTo(t.Context(), &rows, "COPY "+v.name+" TO STDOUT (FORMAT "+format+")"); err != nil {
			t.Fatal(err)
		}
		all = append(all, rows.Bytes())
	}
	if _, err := conn.Exec(t.Context(), "CHECKPOINT"); err != nil { // writes the files
		t.Fatal(err)
	}
	const files = `WITH t AS (SELECT oid, reltoastrelid FROM pg_class WHERE oid = $1::regclass)
		SELECT pg_read_binary_file(pg_relation_filepath(r)) FROM (
			SELECT oid FROM t UNION SELECT reltoastrelid FROM t WHERE reltoastrelid <> 0
			UNION SELECT indexrelid FROM pg_index JOIN t ON indrelid IN (oid, reltoastrelid)) AS relations (r)`
	rows, err := conn.Query(t.Context(), files, v.name)
	if err != nil {
		t.Fatal(err)
	}
	contents, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(contents) < 4 {
		t.Fatalf("%d files: %v", len(contents), err)
	}
	return append(all, contents...)
}

func (v *table) row(t *testing.T, key session.StoreKey) (row []byte) {
	t.Helper()
	// Asked for in vain, a record is locked and let go.
	err := v.pool.QueryRow(t.Context(), `SELECT convert_to((to_jsonb(t) - '{lock_until,lock_at,lock_token,waiting,woken}'::text[])::text, 'UTF8')
		FROM `+v.name+" t WHERE id = $1 AND lock_until < now()", key[:]).Scan(&row)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func (v *table) transplant(t *testing.T, from, to session.StoreKey, whole bool) {
	t.Helper()
	statements := []string{"UPDATE " + v.name + " SET data = (SELECT data FROM " + v.name + " WHERE id = $1) WHERE id = $2"}
	if whole {
		statements = []string{
			"CREATE TEMPORARY TABLE copied (LIKE " + v.name + ") ON COMMIT DROP",
			"INSERT INTO copied SELECT * FROM " + v.name + " WHERE id = $1 AND $2::bytea IS NOT NULL",
			"UPDATE copied SET id = $2 WHERE id = $1",
			"DELETE FROM " + v.name + " WHERE id = $2 AND $1::bytea IS NOT NULL",
			"INSERT INTO " + v.name + " SELECT * FROM copied WHERE id = $2 AND $1::bytea IS NOT NULL",
		}
	}
	err := pgx.BeginFunc(t.Context(), v.pool, func(tx pgx.Tx) error {
		for i, sql := range statements {
			var args []any
			if !whole || i > 0 {
				args = []any{from[:], to[:]}
			}
			if tag, err := tx.Exec(t.Context(), sql, args...); err != nil {
				return err
			} else if len(args) > 0 && tag.RowsAffected() != 1 {
				return fmt.Errorf("%s: %d rows", sql, tag.RowsAffected())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// container is a container of Cosmos DB.
type container struct {
	*cosmosstore.Store
	client *azcosmos.ContainerClient
}

func newContainer(t *testing.T) vault {
	store, config := openContainer(t, address(t, "SESSION_TEST_COSMOS"))
	return &container{store, containerOf(t, config)}
}

// raw returns all documents.
func (v *container) raw(t *testing.T) (all [][]byte) {
	t.Helper()
	pager := v.client.NewQueryItemsPager("SELECT * FROM c", azcosmos.NewPartitionKey(), nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Items...)
	}
	return all
}

// document returns the document of a key.
func (v *container) document(t *testing.T, key session.StoreKey) (d map[string]any) {
	t.Helper()
	id := hex.EncodeToString(key[:])
	got, err := v.client.ReadItem(t.Context(), azcosmos.NewPartitionKeyString(id), id, nil)
	if err == nil {
		err = json.Unmarshal(got.Value, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (v *container) row(t *testing.T, key session.StoreKey) []byte {
	t.Helper()
	d := v.document(t, key)
	for _, changes := range []string{"lock", "life", "ttl", "_etag", "_ts"} { // what being locked and let go changes
		delete(d, changes)
	}
	row, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func (v *container) transplant(t *testing.T, from, to session.StoreKey, whole bool) {
	t.Helper()
	source, target := v.document(t, from), v.document(t, to)
	id := hex.EncodeToString(to[:])
	if whole {
		target = source
		target["id"] = id
	} else {
		target["body"].(map[string]any)["data"] = source["body"].(map[string]any)["data"]
	}
	document, err := json.Marshal(target)
	if err == nil {
		_, err = v.client.ReplaceItem(t.Context(), azcosmos.NewPartitionKeyString(id), id, document, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}
