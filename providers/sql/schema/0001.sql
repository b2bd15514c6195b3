-- Sessions. One row is one session, the tombstone of one that got a new ID, or
-- one that has ended and waits for its end to be reported. Times are the
-- database's; durations are in microseconds.
CREATE {unlogged}TABLE {table} (
	-- What locking changes stands together, in front, at a fixed width, and is
	-- in no index: so locking writes little and every update of it is HOT.
	lock_until timestamptz NOT NULL DEFAULT '-infinity', -- -infinity: not locked
	lock_at    timestamptz NOT NULL DEFAULT 'epoch',     -- when the lock changed hands
	lock_token uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- all zero: nobody's
	waiting    boolean     NOT NULL DEFAULT false, -- somebody waits for the lock and listens
	woken      boolean     NOT NULL DEFAULT false, -- somebody did when it was last given up
	moved      boolean     NOT NULL DEFAULT false, -- a tombstone: answers "renewed" until it expires
	reaped     boolean     NOT NULL DEFAULT false, -- the lock is the claim of a reaper
	events     boolean     NOT NULL DEFAULT false, -- its end is to be reported
	reason     smallint    NOT NULL DEFAULT 0, -- 0: live; else ended: 1 expired, 2 abandoned, 3 revoked
	attempts   smallint    NOT NULL DEFAULT 0, -- how often its end was claimed
	seen       smallint    NOT NULL DEFAULT 0, -- writes since its creation, 9 standing for more than 8
	expires    timestamptz NOT NULL, -- -infinity once it has ended
	created    timestamptz NOT NULL,
	placed     timestamptz NOT NULL, -- when it came under its id
	idle       bigint      NOT NULL DEFAULT 0,
	refresh    bigint      NOT NULL DEFAULT 0,
	lifetime   bigint      NOT NULL DEFAULT 0,
	-- The key: 32 bytes, a hash. Eight more where a session that is still to be
	-- reported made way for a new one under its key.
	id         bytea       PRIMARY KEY,
	writes     bytea       NOT NULL DEFAULT '', -- the last 8 writes' IDs, 8 bytes each, newest first
	namespace  text        NOT NULL,
	owner      text        NOT NULL DEFAULT '', -- '': nobody's
	data       bytea       NOT NULL DEFAULT ''
) WITH (
	-- Room for HOT updates on every page, and a vacuum before much has
	-- gathered, also of the values that are stored apart.
	fillfactor = 70,
	autovacuum_vacuum_scale_factor = 0.05,
	autovacuum_vacuum_threshold = 1000,
	toast.autovacuum_vacuum_scale_factor = 0.05,
	toast.autovacuum_vacuum_threshold = 1000
);

CREATE INDEX {expiry index} ON {table} (namespace, events, expires);
CREATE INDEX {owner index} ON {table} (namespace, owner) WHERE owner <> '';

-- lz4 is twice as fast on big sessions. Servers built without it keep pglz.
DO $$
BEGIN
	ALTER TABLE {table} ALTER COLUMN data SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
	NULL;
END
$$;
