package sqlstore

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements are the SQL texts of a Store, with its table's name in them. Each
// is one round trip and, since nothing is around it, one transaction.
//
// What they have in common:
//
//   - Leases and expiries are judged by clock_timestamp(), not by now(): a
//     statement that had to wait for the row would judge by the time before
//     its wait.
//   - What a caller is told of a row that a statement changes comes from its
//     RETURNING. A sub-select would see the row as it was when the statement
//     began, before another's change that it had to wait for.
//   - A statement that changed nothing is not believed: look, a statement of
//     its own with a view of its own, says why.
//   - Statements whose effect a crash may forget (S7) switch off the wait for
//     the disk for themselves, in the statement: that costs no round trip,
//     and ends with it.
//   - In the same way those that change one row limit their wait for it, in
//     their WHERE, which is evaluated before the row is locked: see
//     lockPatience.
type statements struct {
	acquire, load, register, glance, look  string
	create, makeWay, clear                 string
	save, saveKeep, saveNext               string
	saveMove, saveMoveKeep, saveMoveNext   string
	swap                                   string
	release, extend, extendAside, touch    string
	delete, end, forgetClaim, hasClaim     string
	claim, unclaim, purge                  string
	listOwner, deleteOwned, endOwned, page string
	clock, ping, notify, missPeer          string
}

// The parameters that the statements of a kind begin with, in the order in
// which they are passed.
var (
	written = []string{"id", "token", "data", "owner", "events", "idle", "refresh", "lifetime", "write"}
	created = append(slices.Clone(written), "lease", "namespace")
	kept    = append(slices.Clone(written), "lease")
	handed  = append(slices.Clone(kept), "next")
)

// phrases are what the statements are made of. A phrase may use those below it.
var phrases = [][2]string{
	{"{save}", `data = @data, owner = @owner, events = @events,
		idle = @idle, refresh = @refresh, lifetime = @lifetime,
		expires = CASE WHEN t.idle = @idle AND t.refresh = @refresh AND t.lifetime = @lifetime
			THEN {slid} ELSE {fresh as given} END,
		writes = substr(@write::bytea || t.writes, 1, 64), seen = LEAST(t.seen + 1, 9)`},
	{"{held}", `t.id = @id AND {mine} AND {live} AND {unknown} AND {patient}`},
	{"{unknown}", `position(@write::bytea IN t.writes) = 0`},
	// The record that moved is the row that was there, so that whoever waits
	// for that row, to end it for instance, follows it.
	{"{move}", `id = @to, placed = {clock}`},
	{"{leave tombstone}", `INSERT INTO {table} (id, moved, expires, created, placed, namespace, writes, seen)
		SELECT @id, true, {clock} + {us @grace}, created, placed, namespace, writes, seen
		FROM m WHERE @grace::bigint > 0`},

	{"{unlock}", `lock_until = '-infinity', lock_token = {nobody}, {wake}`},
	{"{keep}", `lock_until = {clock} + {us @lease}`},
	{"{hand on}", `lock_until = {clock} + {us @lease}, lock_token = @next, lock_at = {clock}, {wake}`},
	// RETURNING knows only the new values: woken is how the old one of
	// waiting gets there.
	{"{wake}", `woken = t.waiting, waiting = false`},

	{"{record}", `t.data, t.namespace, t.owner, t.events, t.idle, t.refresh, t.lifetime,
		substr(t.writes, 1, 8), t.created`},
	{"{state}", `{clock}, t.moved, t.reason, t.lock_token, t.lock_at, t.lock_until, t.expires`},
	{"{info}", `t.id, t.owner, t.created, t.expires, t.lock_until, octet_length(t.data), {clock}`},

	// What nobody needs any more: it makes way for a new record.
	{"{done with}", `CASE WHEN t.moved THEN t.expires <= {clock} ELSE NOT t.events AND {dead} END`},
	{"{live}", `t.reason = 0 AND NOT t.moved AND {due} > {clock}`},
	{"{dead}", `NOT t.moved AND (t.reason <> 0 OR {due} <= {clock})`},
	// A live lease keeps a record from expiring.
	{"{due}", `GREATEST(t.expires, t.lock_until)`},
	{"{claimed}", `(t.id = @id AND t.reason <> 0 OR {aside}) AND {mine}`},
	{"{mine}", `t.lock_token = @token AND @token <> {nobody}`},
	// Where a record that made way is kept: see makeWay.
	{"{aside}", `t.id > @id::bytea AND t.id <= @id::bytea || {last suffix} AND t.reason <> 0`},

	// The expiry, extended if that is due (M14), and to what.
	{"{slid}", `CASE WHEN t.expires < {clock} + {us t.idle} THEN GREATEST(t.expires, {fresh}) ELSE t.expires END`},
	{"{fresh}", `LEAST(CASE WHEN t.idle > 0 THEN {clock} + {us (t.idle + t.refresh)} END,
		CASE WHEN t.lifetime > 0 THEN t.created + {us t.lifetime} END, 'infinity')`},
	{"{fresh as given}", `LEAST(CASE WHEN @idle::bigint > 0 THEN {clock} + {us (@idle::bigint + @refresh::bigint)} END,
		CASE WHEN @lifetime::bigint > 0 THEN t.created + {us @lifetime} END, 'infinity')`},

	{"{last suffix}", `'\xffffffffffffffff'::bytea`},
	{"{patient}", `set_config('lock_timeout', '` + lockPatience + `', true) IS NOT NULL`},
	{"{async}", `set_config('synchronous_commit', 'off', true) = 'off'`},
	{"{nobody}", `'00000000-0000-0000-0000-000000000000'::uuid`},
	{"{clock}", `clock_timestamp()`},
}

// newStatements returns the statements for a table.
func newStatements(table string) *statements {
	sql := func(text string, params ...string) string { return compose(text, quoted(table), params) }
	with := func(params []string, more ...string) []string { return append(slices.Clone(params), more...) }
	return &statements{
		// Free: there is no lease, or it has lapsed. The token that holds the
		// lock may take it again (S4).
		acquire: sql(`UPDATE {table} t SET lock_until = {clock} + {us @lease},
			lock_at = CASE WHEN t.lock_token = @token THEN t.lock_at ELSE {clock} END,
			lock_token = @token,
			woken = t.waiting AND t.lock_token <> @token, waiting = t.waiting AND t.lock_token = @token,
			expires = {slid}
			WHERE t.id = @id AND t.reason = 0 AND NOT t.moved
			AND (t.lock_until <= {clock} AND t.expires > {clock} OR t.lock_token = @token AND {due} > {clock})
			AND {patient}
			RETURNING {async} AND t.woken, {clock}, t.lock_until, t.expires, {record}`, "id", "token", "lease"),
		load: sql(`SELECT {state}, {record} FROM {table} t WHERE t.id = @id`, "id"),
		// Marks a held lock as waited for, and says whether it is. It is not
		// if it was given up since the statement began.
		register: sql(`WITH w AS (
			UPDATE {table} t SET waiting = true
			WHERE t.id = @id AND NOT t.waiting AND t.lock_until > {clock} AND {live} AND {patient}
			RETURNING {state}, {async} AS registered)
			SELECT * FROM w UNION ALL
			SELECT {state}, t.waiting FROM {table} t WHERE t.id = @id AND NOT EXISTS (SELECT FROM w)`, "id"),
		glance: sql(`SELECT {state} FROM {table} t WHERE t.id = @id`, "id"),
		look: sql(`SELECT {state}, t.events, t.reaped, t.seen, substr(t.writes, 1, 8),
			NOT {unknown}, position(@old::bytea IN t.writes) > 0
			FROM {table} t WHERE t.id = @id`, "id", "write", "old"),

		create: sql(`INSERT INTO {table} AS t (id, lock_token, lock_at, lock_until, data, owner, events,
				idle, refresh, lifetime, writes, seen, namespace, created, placed, expires)
			SELECT @id::bytea, @token::uuid, c.now,
				CASE WHEN @token::uuid = {nobody} THEN '-infinity' ELSE c.now + {us @lease} END,
				@data::bytea, @owner::text, @events::boolean, @idle::bigint, @refresh::bigint, @lifetime::bigint,
				@write::bytea, 1,
				@namespace::text, c.now, c.now,
				LEAST(CASE WHEN @idle::bigint > 0 THEN c.now + {us (@idle::bigint + @refresh::bigint)} END,
					CASE WHEN @lifetime::bigint > 0 THEN c.now + {us @lifetime} END, 'infinity')
			FROM (SELECT {clock} AS now WHERE {patient} OFFSET 0) c
			ON CONFLICT (id) DO UPDATE SET lock_token = EXCLUDED.lock_token, lock_at = EXCLUDED.lock_at,
				lock_until = EXCLUDED.lock_until, waiting = false, woken = false, moved = false, reaped = false,
				reason = 0, attempts = 0, data = EXCLUDED.data, owner = EXCLUDED.owner, events = EXCLUDED.events,
				idle = EXCLUDED.idle, refresh = EXCLUDED.refresh, lifetime = EXCLUDED.lifetime,
				writes = EXCLUDED.writes, seen = 1, namespace = EXCLUDED.namespace, created = EXCLUDED.created,
				placed = EXCLUDED.placed, expires = EXCLUDED.expires
			WHERE {done with} AND {unknown}
			RETURNING false`, created...),
		// Where the end of a dead record is still to be reported, the new one
		// takes its key: only Reap, and who claimed the old one, find it from
		// then on, under a longer id that begins with the key.
		makeWay: sql(`UPDATE {table} t SET id = t.id || @suffix::bytea, expires = '-infinity',
			reason = CASE WHEN t.reason = 0 THEN 1 ELSE t.reason END,
			lock_token = CASE WHEN t.reason = 0 THEN {nobody} ELSE t.lock_token END,
			lock_until = CASE WHEN t.reason = 0 THEN '-infinity' ELSE t.lock_until END
			WHERE t.id = @id AND t.events AND {dead} AND {patient}`, "id", "suffix"),
		clear: sql(`DELETE FROM {table} t WHERE t.id = @id AND {done with} AND {patient}`, "id"),

		save:     sql(`UPDATE {table} t SET {save}, {unlock} WHERE {held} RETURNING t.woken`, written...),
		saveKeep: sql(`UPDATE {table} t SET {save}, {keep} WHERE {held} RETURNING false`, kept...),
		saveNext: sql(`UPDATE {table} t SET {save}, {hand on} WHERE {held} RETURNING t.woken`, handed...),
		// One commit moves the record and leaves the tombstone (S11). If the
		// new key is taken, the whole statement fails.
		saveMove: sql(`WITH m AS (UPDATE {table} t SET {save}, {unlock}, {move} WHERE {held} RETURNING t.*),
			g AS ({leave tombstone}) SELECT m.woken FROM m`, with(written, "to", "grace")...),
		saveMoveKeep: sql(`WITH m AS (UPDATE {table} t SET {save}, {keep}, {wake}, {move} WHERE {held} RETURNING t.*),
			g AS ({leave tombstone}) SELECT m.woken FROM m`, with(kept, "to", "grace")...),
		saveMoveNext: sql(`WITH m AS (UPDATE {table} t SET {save}, {hand on}, {move} WHERE {held} RETURNING t.*),
			g AS ({leave tombstone}) SELECT m.woken FROM m`, with(handed, "to", "grace")...),
		// In the place of a token stands the write that is to be replaced.
		swap: sql(`UPDATE {table} t SET {save}, {unlock}
			WHERE t.id = @id AND {live} AND t.lock_until <= {clock}
			AND substr(t.writes, 1, 8) = @token::bytea AND {unknown} AND {patient} RETURNING t.woken`, written...),

		release: sql(`UPDATE {table} t SET {unlock} WHERE t.id = @id AND {mine} AND {live} AND {patient}
			RETURNING {async} AND t.woken`, "id", "token"),
		// Who has claimed an ended record extends the claim.
		extend: sql(`UPDATE {table} t SET lock_until = {clock} + {us @lease}
			WHERE t.id = @id AND {mine} AND (t.reason <> 0 OR {live}) AND {patient}
			RETURNING {async}`, "id", "token", "lease"),
		extendAside: sql(`UPDATE {table} t SET lock_until = {clock} + {us @lease}
			WHERE {aside} AND {mine} AND {patient} RETURNING {async}`, "id", "token", "lease"),
		touch: sql(`WITH u AS (
			UPDATE {table} t SET expires = {fresh}
			WHERE t.id = @id AND {live} AND t.expires < {clock} + {us t.idle} AND t.expires < {fresh} AND {patient}
			RETURNING {async})
			SELECT EXISTS (SELECT FROM u) OR {live},
				EXISTS (SELECT FROM u) OR NOT (t.expires < {clock} + {us t.idle} AND t.expires < {fresh})
			FROM {table} t WHERE t.id = @id`, "id"),

		delete: sql(`DELETE FROM {table} t
			WHERE t.id = @id AND (@token = {nobody} OR t.lock_token = @token) AND {live} AND {patient}
			RETURNING t.waiting`, "id", "token"),
		// The lock of who ends it becomes the claim to report the end.
		end: sql(`UPDATE {table} t SET reason = @reason, expires = '-infinity', {wake},
			attempts = CASE WHEN @token = {nobody} THEN 0 ELSE 1 END,
			lock_token = @token,
			lock_until = CASE WHEN @token = {nobody} THEN '-infinity' ELSE t.lock_until END
			WHERE t.id = @id AND (@token = {nobody} OR t.lock_token = @token) AND {live} AND {patient}
			RETURNING t.woken`, "id", "token", "reason"),
		// Under the claim of a reaper any reason deletes. Under that of who
		// ended the record only EndDelete does: the reason again is a repeat.
		forgetClaim: sql(`DELETE FROM {table} t WHERE {claimed} AND (t.reaped OR @reason::smallint = 0) AND {patient}
			RETURNING true`, "id", "token", "reason"),
		hasClaim: sql(`SELECT true FROM {table} t WHERE {claimed} LIMIT 1`, "id", "token"),

		// now() lets the index find them; it is never later than the clock.
		// They come in no order: one would have a planner without statistics
		// read and sort all that has expired for each batch. A row that its own
		// token has claimed is found again: the answer to the first attempt was
		// lost.
		claim: sql(`WITH d AS MATERIALIZED (
			SELECT id FROM {table} t
			WHERE t.namespace = @namespace AND t.events AND t.expires <= now()
			AND (t.lock_until <= now() OR t.reaped AND t.lock_token = @token)
			LIMIT @limit FOR UPDATE SKIP LOCKED)
			UPDATE {table} t SET expires = '-infinity', reason = CASE WHEN t.reason = 0 THEN 1 ELSE t.reason END,
			attempts = CASE WHEN t.reaped AND t.lock_token = @token THEN t.attempts ELSE LEAST(t.attempts + 1, 32767) END,
			reaped = true, waiting = false, lock_token = @token, lock_at = {clock}, lock_until = {clock} + {us @lease}
			FROM d WHERE t.id = d.id
			RETURNING t.id, t.reason, t.attempts, {async}, {record}`, "namespace", "limit", "token", "lease"),
		// Gives a claim back. The row may have made way since it was claimed:
		// its last write names it all the same.
		unclaim: sql(`UPDATE {table} t SET lock_token = {nobody}, lock_until = '-infinity', attempts = t.attempts - 1
			WHERE {claimed} AND substr(t.writes, 1, 8) = @write::bytea AND {patient} RETURNING {async}`, "id", "token", "write"),
		purge: sql(`WITH d AS MATERIALIZED (
			SELECT id FROM {table} t
			WHERE t.namespace = @namespace AND NOT t.events AND t.expires <= now() AND t.lock_until <= now()
			LIMIT @limit FOR UPDATE SKIP LOCKED)
			DELETE FROM {table} t USING d WHERE t.id = d.id RETURNING {async}`, "namespace", "limit"),

		listOwner: sql(`SELECT {info} FROM {table} t
			WHERE t.namespace = @namespace AND t.owner = @owner AND t.owner <> '' AND {live}
			ORDER BY t.created, t.id`, "namespace", "owner"),
		deleteOwned: sql(`DELETE FROM {table} t
			WHERE t.namespace = @namespace AND t.owner = @owner AND t.owner <> '' AND {live}
			AND t.id <> ALL (@except::bytea[]) RETURNING t.id, t.waiting`, "namespace", "owner", "except"),
		endOwned: sql(`UPDATE {table} t SET reason = @reason, expires = '-infinity', {wake},
			attempts = 0, lock_token = {nobody}, lock_until = '-infinity'
			WHERE t.namespace = @namespace AND t.owner = @owner AND t.owner <> '' AND {live}
			AND t.id <> ALL (@except::bytea[]) RETURNING t.id, t.woken`, "namespace", "owner", "except", "reason"),
		page: sql(`SELECT {info} FROM {table} t
			WHERE t.id > @after AND t.namespace = @namespace AND t.placed <= @begun AND {live}
			ORDER BY t.id LIMIT @limit`, "after", "namespace", "begun", "limit"),

		// For a transaction that the server begins before it has received all of
		// it. If the other end goes without a word then, its machine or the
		// network being cut off, the rows that it has changed stay locked
		// until the server's system misses it: here in 15 seconds, by default
		// in two hours. No timeout of the server's ends the wait for the rest
		// of a message.
		missPeer: `SELECT set_config('tcp_keepalives_idle', '5', true), set_config('tcp_keepalives_interval', '5', true),
			set_config('tcp_keepalives_count', '2', true)`,

		clock: sql(`SELECT {clock}`),
		ping:  sql(`SELECT current_setting('transaction_read_only') = 'on' FROM (SELECT FROM {table} LIMIT 0) t RIGHT JOIN (SELECT 1) one ON true`),
		notify: sql(`SELECT {async}, count(pg_notify(@channel, h)::text) FROM unnest(@hints::text[]) h`,
			"channel", "hints"),
	}
}

var (
	durations = regexp.MustCompile(`\{us ([^{}]*)\}`)
	parameter = regexp.MustCompile(`@[a-z]+`)
)

// compose makes a statement: it puts in the phrases and the table, and numbers
// the parameters.
func compose(text, table string, params []string) string {
	for _, p := range phrases {
		text = strings.ReplaceAll(text, p[0], p[1])
	}
	text = durations.ReplaceAllString(text, `${1}::bigint * interval '1 microsecond'`)
	text = strings.ReplaceAll(text, "{table}", table)
	return parameter.ReplaceAllStringFunc(text, func(name string) string {
		return "$" + strconv.Itoa(slices.Index(params, name[1:])+1)
	})
}

// quoted returns the name of a table as it stands in SQL.
func quoted(table string) string {
	return pgx.Identifier(strings.Split(table, ".")).Sanitize()
}
