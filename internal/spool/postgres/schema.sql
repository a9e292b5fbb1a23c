-- Times are nanoseconds. "age" is the time that members have seen pass (clock.go); "now"
-- the database's, which never runs backwards here; "wall" what is shown to people.
CREATE TABLE @.meta (
	name  text COLLATE "C" PRIMARY KEY,
	value bigint NOT NULL
);
CREATE TABLE @.members (
	member     bigint PRIMARY KEY,
	name       text NOT NULL,
	version    text NOT NULL,
	began      bigint NOT NULL, -- wall
	began_age  bigint NOT NULL,
	seen       bigint NOT NULL, -- wall
	age        bigint NOT NULL,
	now        bigint NOT NULL,
	retention  bigint NOT NULL,
	win        bigint NOT NULL,
	max_size   bigint NOT NULL,
	schema     integer NOT NULL, -- the newest that its program knows
	serves     bigint[] NOT NULL DEFAULT '{}'
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
CREATE TABLE @.sources (
	source    bigint PRIMARY KEY,
	name      text COLLATE "C" NOT NULL UNIQUE,
	watermark bigint NOT NULL, -- the newest created_at among the ids that were forgotten
	newest    bigint NOT NULL  -- the newest created_at that was accepted, 0 for none
);
CREATE TABLE @.routes (
	route  bigint PRIMARY KEY,
	source bigint NOT NULL,
	name   text COLLATE "C" NOT NULL,
	merged bigint NOT NULL DEFAULT 0 -- the route that took it over
);
CREATE TABLE @.names (
	source bigint NOT NULL,
	name   text COLLATE "C" NOT NULL,
	route  bigint NOT NULL,
	PRIMARY KEY (source, name)
);
CREATE TABLE @.holds (
	route  bigint NOT NULL,
	member bigint NOT NULL, -- 0 for one by hand
	hold   text NOT NULL,
	PRIMARY KEY (route, member)
);
-- What is counted is the sum over members and links. Each row is written by one
-- connection, so that no transaction waits for another's flush. Route 0 counts the entries
-- of quarantine (waiting) and their bytes (running), route -1 what is kept: events, bytes
-- (running) and ids (dead); route -2 answers that had to be as durable as an event; route -3 holds the now
-- (waiting) and age (running) up to which a connection has stored events.
CREATE TABLE @.counts (
	route   bigint NOT NULL,
	member  bigint NOT NULL,
	link    smallint NOT NULL,
	waiting bigint NOT NULL,
	running bigint NOT NULL,
	dead    bigint NOT NULL,
	PRIMARY KEY (route, member, link)
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
CREATE TABLE @.chores (
	chore  text COLLATE "C" PRIMARY KEY,
	member bigint NOT NULL,
	until  bigint NOT NULL -- age
);
CREATE TABLE @.ids (
	source    bigint NOT NULL,
	id        text COLLATE "C" NOT NULL,
	digest    bytea NOT NULL,
	seq       bigint NOT NULL,
	tag       bigint NOT NULL, -- whose accept wrote it
	created   bigint NOT NULL, -- created_at, 0 for none
	base      bigint NOT NULL, -- the age from which a window is counted
	conflicts smallint NOT NULL DEFAULT 0,
	PRIMARY KEY (source, id)
) WITH (autovacuum_vacuum_scale_factor=0.05);
CREATE INDEX ids_base ON @.ids USING brin (base) WITH (pages_per_range=32, autosummarize=on);
CREATE TABLE @.events (
	seq    bigint PRIMARY KEY,
	xid    xid8 NOT NULL DEFAULT pg_current_xact_id(),
	at     bigint NOT NULL, -- age
	source bigint NOT NULL,
	id     text COLLATE "C" NOT NULL,
	type   text COLLATE "C" NOT NULL,
	head   bytea NOT NULL,
	body   bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor=0.05);
-- The number of a delivery is seq << 12 | its place among those of its event. States: 1
-- available, 2 running, 3 retrying, 4 delivered, 5 dead, 6 available again, 7 discarded.
CREATE TABLE @.deliveries (
	number   bigint PRIMARY KEY,
	route    bigint NOT NULL,
	state    smallint NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	replay   integer NOT NULL DEFAULT 0,
	fence    bigint NOT NULL DEFAULT 0,
	due      bigint NOT NULL, -- now; of one that has ended, the age at which it did
	until    bigint NOT NULL DEFAULT 0, -- age
	ended    bigint NOT NULL DEFAULT 0, -- wall
	reason   text NOT NULL DEFAULT '',
	log      bytea NOT NULL DEFAULT ''
) WITH (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
CREATE INDEX waiting ON @.deliveries (route, due, number) WHERE state IN (1, 3, 6);
CREATE INDEX inorder ON @.deliveries (route, number) WHERE state IN (1, 3, 6);
CREATE INDEX running ON @.deliveries (route, until) WHERE state = 2;
CREATE INDEX dead ON @.deliveries (route, number) WHERE state = 5;
CREATE TABLE @.quarantine (
	number bigint PRIMARY KEY,
	at     bigint NOT NULL, -- age
	source bigint NOT NULL,
	reason text NOT NULL,
	copies integer NOT NULL DEFAULT 1,
	size   bigint NOT NULL,
	digest bytea NOT NULL,
	id     text COLLATE "C" NOT NULL,
	type   text COLLATE "C" NOT NULL,
	head   bytea NOT NULL,
	body   bytea NOT NULL,
	UNIQUE (source, digest)
);
CREATE SEQUENCE @.numbers;
CREATE SEQUENCE @.member_numbers;
