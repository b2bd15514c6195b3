package sqlstore

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	session "github.com/sessionstate/sessionstate/core"
)

// migrations are the steps from nothing to the table of today, one file for
// each version of it. A file that was released is never changed.
//
//go:embed schema/*.sql
var migrations embed.FS

// steps returns the texts of the migrations, the first of which makes version 1.
func steps() ([]string, error) {
	files, err := fs.ReadDir(migrations, "schema")
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(files))
	for i, f := range files {
		text, err := migrations.ReadFile("schema/" + f.Name())
		if err != nil {
			return nil, err
		}
		texts[i] = string(text)
	}
	return texts, nil
}

// SchemaSQL returns the SQL that creates the table that config asks for, for
// those who run it by hand, or with a migration tool of theirs, as a user with
// more rights than the service has. The Store then needs SchemaVerify.
func SchemaSQL(config Config) (string, error) {
	cfg, err := config.withDefaults()
	if err != nil {
		return "", err
	}
	texts, err := steps()
	if err != nil {
		return "", err
	}
	return cfg.migration(texts, 0), nil
}

// migration returns the SQL that leads from a version of the table to that of
// the last of the steps. The table's comment says which version it is.
func (c *Config) migration(steps []string, from int) string {
	name := c.name()
	unlogged := ""
	if c.Volatile {
		unlogged = "UNLOGGED "
	}
	var sql strings.Builder
	replacer := strings.NewReplacer(
		"{table}", quoted(c.Table),
		"{unlogged}", unlogged,
		"{expiry index}", quoted(name+"_expires_idx"),
		"{owner index}", quoted(name+"_owner_idx"),
	)
	for _, text := range steps[from:] {
		sql.WriteString(replacer.Replace(text))
	}
	fmt.Fprintf(&sql, "\nCOMMENT ON TABLE %s IS '%s%d';\n", quoted(c.Table), versionComment, len(steps))
	return sql.String()
}

// name is the table's name without its schema.
func (c *Config) name() string { return c.Table[strings.LastIndexByte(c.Table, '.')+1:] }

const versionComment = "sessionstate: sessions, schema version "

var versionPattern = regexp.MustCompile(`^` + versionComment + `([0-9]+)$`)

// prepareSchema sees to it that the table is as it must be, and returns the
// channel for its notifications.
func (st *Store) prepareSchema(ctx context.Context) (channel string, err error) {
	steps, err := steps()
	if err != nil {
		return "", failed("schema", err)
	}
	var complaint error // about the table: trying again does not help
	err = st.call(ctx, "schema", func(c *conn) error {
		var err error
		channel, err = st.cfg.prepare(c.asked, c.db, steps) // an upgrade may take as long as the caller says
		if errors.As(err, new(*schemaError)) {
			complaint, err = err, nil
		}
		return err
	})
	if complaint != nil {
		return "", fmt.Errorf("sqlstore: schema: %w: %w", session.ErrUnavailable, complaint)
	}
	if err != nil && !errors.Is(err, session.ErrUnavailable) { // the caller's time was up
		return "", unavailable("schema", ctx.Err())
	}
	return channel, err
}

// schemaError says what is wrong with the table.
type schemaError struct{ text string }

// Error says what is wrong with the table, and what to do.
func (e *schemaError) Error() string { return e.text }

// prepare creates or upgrades the table if it may, and verifies it.
func (c *Config) prepare(ctx context.Context, db *pgx.Conn, steps []string) (channel string, err error) {
	t, err := inspect(ctx, db, c.Table)
	if err != nil {
		return "", err
	}
	// Look first: creating needs a lock, and rights that a service that
	// finds its table in order can do without.
	if c.Schema == SchemaCreate && (t == nil || t.version > 0 && t.version < len(steps)) {
		if err := c.create(ctx, db, steps); err != nil {
			return "", err
		}
		if t, err = inspect(ctx, db, c.Table); err != nil {
			return "", err
		}
	}
	if err := c.verify(t, len(steps)); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(t.schema + "." + t.name))
	return "sessionstate_" + hex.EncodeToString(sum[:8]), nil
}

// create makes or upgrades the table. Of those who come at once one does it,
// and the others find it done.
func (c *Config) create(ctx context.Context, db *pgx.Conn, steps []string) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Without the schema: others may have it in their search_path.
		_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "sessionstate "+c.name())
		if err != nil {
			return err
		}
		t, err := inspect(ctx, db, c.Table)
		if err != nil {
			return err
		}
		from := 0
		if t != nil {
			from = t.version
			if from == 0 || from >= len(steps) {
				return nil // nothing to do here; verify says what is wrong, if anything is
			}
		}
		return db.PgConn().Exec(ctx, c.migration(steps, from)).Close()
	})
	switch sqlState(err) {
	case "42501": // insufficient privilege
		return &schemaError{fmt.Sprintf("this user may not create or change the table %s (%v): "+
			"have its owner run the SQL that sqlstore.SchemaSQL returns, and set Config.Schema to SchemaVerify", c.Table, err)}
	case "3F000": // no such schema
		return &schemaError{fmt.Sprintf("the schema of the table %s does not exist: create it (CREATE SCHEMA), or name another in Config.Table", c.Table)}
	}
	return err
}

// table is what the database has under the table's name.
type table struct {
	schema, name string
	kind         string
	unlogged     bool
	version      int // 0: not a table of this package
	columns      map[string]string
	indexes      map[string]bool // their columns
	lacking      []string        // privileges
}

// inspect returns what the database has under a name, nil if nothing.
func inspect(ctx context.Context, db *pgx.Conn, name string) (*table, error) {
	t := &table{columns: map[string]string{}, indexes: map[string]bool{}}
	var oid uint32
	var comment string
	err := db.QueryRow(ctx, `SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence = 'u',
		coalesce(obj_description(c.oid, 'pg_class'), '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`, quoted(name)).
		Scan(&oid, &t.schema, &t.name, &t.kind, &t.unlogged, &comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if m := versionPattern.FindStringSubmatch(comment); m != nil {
		if t.version, err = strconv.Atoi(m[1]); err != nil {
			return nil, err
		}
	}
	rows, _ := db.Query(ctx, `SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`, oid)
	var column, typ string
	_, err = pgx.ForEachRow(rows, []any{&column, &typ}, func() error {
		t.columns[column] = typ
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows, _ = db.Query(ctx, `SELECT i.indisunique, string_agg(a.attname, ', ' ORDER BY k.n)
		FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k (attnum, n)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		WHERE i.indrelid = $1 AND i.indisvalid GROUP BY i.indexrelid, i.indisunique`, oid)
	var unique bool
	_, err = pgx.ForEachRow(rows, []any{&unique, &column}, func() error {
		t.indexes[column] = t.indexes[column] || unique
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows, _ = db.Query(ctx, `SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
		WHERE NOT has_table_privilege($1::oid, p)`, oid)
	t.lacking, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return t, err
}

// columns are those that the table must have, with their types.
var columns = [][2]string{
	{"lock_until", "timestamp with time zone"}, {"lock_at", "timestamp with time zone"}, {"lock_token", "uuid"},
	{"waiting", "boolean"}, {"woken", "boolean"}, {"moved", "boolean"}, {"reaped", "boolean"}, {"events", "boolean"},
	{"reason", "smallint"}, {"attempts", "smallint"}, {"seen", "smallint"},
	{"expires", "timestamp with time zone"}, {"created", "timestamp with time zone"}, {"placed", "timestamp with time zone"},
	{"idle", "bigint"}, {"refresh", "bigint"}, {"lifetime", "bigint"},
	{"id", "bytea"}, {"writes", "bytea"}, {"namespace", "text"}, {"owner", "text"}, {"data", "bytea"},
}

// verify returns what is wrong with the table; t is nil if there is none.
func (c *Config) verify(t *table, version int) error {
	complain := func(format string, args ...any) error {
		return &schemaError{fmt.Sprintf("the table "+c.Table+" "+format, args...)}
	}
	switch {
	case t == nil:
		return complain("does not exist: run the SQL that sqlstore.SchemaSQL returns, or set Config.Schema to SchemaCreate")
	case t.kind != "r" && t.kind != "p":
		return complain("is no table: name another in Config.Table")
	case t.version == 0:
		return complain("is not one of sessionstate's, as its comment does not say so: name another in Config.Table")
	case t.version < version:
		return complain("is of version %d and this program needs version %d: "+
			"start it once with Config.Schema set to SchemaCreate as the table's owner", t.version, version)
	case t.version > version:
		return complain("is of version %d and this program knows only version %d: update the program", t.version, version)
	case t.unlogged && !c.Volatile:
		return complain("is UNLOGGED, so that a crash would empty it: set Config.Volatile if that is meant, or else run ALTER TABLE … SET LOGGED")
	case !t.unlogged && c.Volatile:
		return complain("is not UNLOGGED as Config.Volatile asks: leave Volatile off, or run ALTER TABLE … SET UNLOGGED")
	}
	var wrong []string
	for _, col := range columns {
		switch t.columns[col[0]] {
		case col[1]:
		case "":
			wrong = append(wrong, fmt.Sprintf("it lacks the column %s %s", col[0], col[1]))
		default:
			wrong = append(wrong, fmt.Sprintf("its column %s is %s and must be %s", col[0], t.columns[col[0]], col[1]))
		}
	}
	if !t.indexes["id"] {
		wrong = append(wrong, "it lacks the primary key (id)")
	}
	for _, index := range []string{"namespace, events, expires", "namespace, owner"} {
		if _, ok := t.indexes[index]; !ok {
			wrong = append(wrong, "it lacks a valid index on ("+index+")")
		}
	}
	for _, privilege := range t.lacking {
		wrong = append(wrong, "this user lacks the privilege "+privilege)
	}
	if wrong != nil {
		return complain("is not in order: %s", strings.Join(wrong, "; "))
	}
	return nil
}
