package sqlstore_test

import (
	"crypto/rand"
	"strings"
	"testing"
)

// role makes a role that may use the test's schema, and returns its name and
// the DSN by which it logs in.
func (db *database) role(tb testing.TB) (name, dsn string) {
	tb.Helper()
	name, password := "test_"+strings.ToLower(rand.Text()), rand.Text()
	db.exec(tb, "CREATE ROLE "+name+" LOGIN PASSWORD '"+password+"'")
	tb.Cleanup(func() {
		db.exec(tb, "DROP OWNED BY "+name)
		db.exec(tb, "DROP ROLE "+name)
	})
	db.exec(tb, "GRANT USAGE ON SCHEMA "+db.schema+" TO "+name)
	return name, with(db.dsn, "user", name, "password", password)
}

// catalog is what the database knows of the test's schema: names, kinds, rights
// and comments, with the transactions that have changed them.
func (db *database) catalog(tb testing.TB) string {
	tb.Helper()
	return query[string](tb, db, `SELECT concat_ws(E'\n',
		(SELECT string_agg(concat_ws(' ', oid, xmin, relname, relkind, relpersistence, relacl, reloptions), E'\n' ORDER BY oid)
			FROM pg_class WHERE relnamespace = n.oid),
		(SELECT string_agg(concat_ws(' ', a.attrelid, a.xmin, attname, atttypid, attisdropped), E'\n' ORDER BY attrelid, attnum)
			FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE relnamespace = n.oid),
		(SELECT string_agg(concat_ws(' ', i.xmin, indexrelid, indisvalid), E'\n' ORDER BY indexrelid)
			FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE relnamespace = n.oid),
		(SELECT string_agg(concat_ws(' ', objoid, d.xmin, description), E'\n' ORDER BY objoid, objsubid)
			FROM pg_description d JOIN pg_class c ON c.oid = d.objoid WHERE relnamespace = n.oid))
		FROM pg_namespace n WHERE nspname = $1`, db.schema)
}
