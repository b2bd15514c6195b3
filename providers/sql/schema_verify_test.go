package sqlstore_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestSchemaVerify: what is wrong with a table is said in full, and nothing in
// the database changes. SchemaCreate says the same of a table that is there.
func TestSchemaVerify(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	user, dsn := db.role(t)
	type flaw struct {
		name     string
		harm     string // SQL, in which T is the table
		volatile bool
		want     string // after the table's name
		creates  bool   // SchemaCreate makes it good
	}
	flaws := []flaw{
		{name: "missing", harm: "DROP TABLE T", creates: true,
			want: "does not exist: run the SQL that sqlstore.SchemaSQL returns, or set Config.Schema to SchemaCreate"},
		{name: "foreign", harm: "DROP TABLE T; CREATE TABLE T (id int)",
			want: "is not one of sessionstate's, as its comment does not say so: name another in Config.Table"},
		{name: "foreign_with_comment", harm: "COMMENT ON TABLE T IS 'the sessionstate: sessions, schema version 1'",
			want: "is not one of sessionstate's, as its comment does not say so: name another in Config.Table"},
		{name: "view", harm: "DROP TABLE T; CREATE VIEW T AS SELECT 1 AS id",
			want: "is no table: name another in Config.Table"},
		{name: "version_0", harm: "COMMENT ON TABLE T IS 'sessionstate: sessions, schema version 0'",
			want: "is not one of sessionstate's, as its comment does not say so: name another in Config.Table"},
		{name: "version_99", harm: "COMMENT ON TABLE T IS 'sessionstate: sessions, schema version 99'",
			want: "is of version 99 and this program knows only version 1: update the program"},
		{name: "unlogged", harm: "ALTER TABLE T SET UNLOGGED",
			want: "is UNLOGGED, so that a crash would empty it: set Config.Volatile if that is meant, or else run ALTER TABLE … SET LOGGED"},
		{name: "logged", volatile: true, harm: "ALTER TABLE T SET LOGGED",
			want: "is not UNLOGGED as Config.Volatile asks: leave Volatile off, or run ALTER TABLE … SET UNLOGGED"},
		{name: "type", harm: "ALTER TABLE T ALTER attempts TYPE integer",
			want: "is not in order: its column attempts is integer and must be smallint"},
		{name: "key", harm: "ALTER TABLE T DROP CONSTRAINT key_pkey",
			want: "is not in order: it lacks the primary key (id)"},
		{name: "expiry_index", harm: "DROP INDEX S.expiry_index_expires_idx",
			want: "is not in order: it lacks a valid index on (namespace, events, expires)"},
		{name: "owner_index", harm: "DROP INDEX S.owner_index_owner_idx",
			want: "is not in order: it lacks a valid index on (namespace, owner)"},
		{name: "invalid_index", harm: "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'S.invalid_index_owner_idx'::regclass",
			want: "is not in order: it lacks a valid index on (namespace, owner)"},
		{name: "several", harm: "ALTER TABLE T DROP data, ALTER seen TYPE bigint; REVOKE UPDATE ON T FROM U",
			want: "is not in order: its column seen is bigint and must be smallint; it lacks the column data bytea; " +
				"this user lacks the privilege UPDATE"},
	}
	for _, privilege := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		flaws = append(flaws, flaw{name: "no_" + strings.ToLower(privilege), harm: "REVOKE " + privilege + " ON T FROM U",
			want: "is not in order: this user lacks the privilege " + privilege})
	}
	indexes := map[string]string{"id": "the primary key (id)", "owner": "a valid index on (namespace, owner)",
		"events": "a valid index on (namespace, events, expires)", "expires": "a valid index on (namespace, events, expires)",
		"namespace": "a valid index on (namespace, events, expires); it lacks a valid index on (namespace, owner)"}
	for _, column := range sqlstore.Columns() {
		want := "is not in order: it lacks the column " + column[0] + " " + column[1]
		if index, ok := indexes[column[0]]; ok {
			want += "; it lacks " + index
		}
		flaws = append(flaws, flaw{name: "no_" + column[0], harm: "ALTER TABLE T DROP " + column[0], want: want})
	}
	pool := db.pool(t, dsn)
	for _, f := range flaws {
		t.Run(f.name, func(t *testing.T) {
			table := db.schema + "." + f.name
			config := sqlstore.Config{Table: table, Schema: sqlstore.SchemaVerify, Volatile: f.volatile}
			sql, err := sqlstore.SchemaSQL(config)
			must(t, err)
			harm := regexp.MustCompile(`\b[TSU]\b`).ReplaceAllStringFunc(f.harm, func(name string) string {
				return map[string]string{"T": table, "S": db.schema, "U": user}[name]
			})
			for _, s := range []string{sql, "GRANT SELECT, INSERT, UPDATE, DELETE ON " + table + " TO " + user, harm} {
				must(t, db.script(t, db.admin, s))
			}
			before := db.catalog(t)
			for _, config.Schema = range []sqlstore.SchemaMode{sqlstore.SchemaVerify, sqlstore.SchemaCreate} {
				if f.creates && config.Schema == sqlstore.SchemaCreate {
					continue
				}
				_, err = sqlstore.New(limit(t, 30*time.Second), pool, config)
				const prefix = "sqlstore: schema: session: store unavailable: the table "
				if want := prefix + table + " " + f.want; err == nil || err.Error() != want || !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("got  %v\nwant %s", err, want)
				}
			}
			if after := db.catalog(t); after != before {
				t.Errorf("the database has changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// TestSchemaVerify_LeastRights: a service needs no more than USAGE, SELECT,
// INSERT, UPDATE and DELETE if somebody else has made the table by hand.
func TestSchemaVerify_LeastRights(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	owner, ownersDSN := db.role(t)
	db.exec(t, "GRANT CREATE ON SCHEMA "+db.schema+" TO "+owner)
	sql, err := sqlstore.SchemaSQL(sqlstore.Config{Table: db.table()})
	must(t, err)
	byOwner := db.pool(t, ownersDSN)
	n := 0
	for s := range statementsOf(sql) {
		n++
		must(t, db.script(t, byOwner, s))
	}
	if n < 5 {
		t.Fatalf("%d statements: the table, two indexes, compression and a comment are more", n)
	}
	user, dsn := db.role(t)
	db.exec(t, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+db.table()+" TO "+user)
	for _, mode := range []sqlstore.SchemaMode{sqlstore.SchemaVerify, sqlstore.SchemaCreate} {
		live(t, db.openAt(t, dsn, sqlstore.Config{Schema: mode}))
	}
}
