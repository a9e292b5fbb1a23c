CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE sources (
	source    INTEGER PRIMARY KEY,
	name      TEXT NOT NULL UNIQUE,
	watermark INTEGER NOT NULL
);
CREATE TABLE routes (
	route  INTEGER PRIMARY KEY,
	source INTEGER NOT NULL,
	name   TEXT NOT NULL,
	merged INTEGER NOT NULL DEFAULT 0,
	hold   TEXT
);
CREATE TABLE names (
	source INTEGER NOT NULL,
	name   TEXT NOT NULL,
	route  INTEGER NOT NULL,
	PRIMARY KEY (source, name)
) WITHOUT ROWID;
CREATE TABLE ids (
	source    INTEGER NOT NULL,
	id        TEXT NOT NULL,
	digest    BLOB NOT NULL,
	seq       INTEGER NOT NULL,
	conflicts INTEGER NOT NULL,
	PRIMARY KEY (source, id)
) WITHOUT ROWID;
CREATE TABLE forgets (
	bucket INTEGER PRIMARY KEY,
	source INTEGER NOT NULL,
	ids    BLOB NOT NULL
);
CREATE TABLE events (
	seq    INTEGER PRIMARY KEY,
	at     INTEGER NOT NULL,
	source INTEGER NOT NULL,
	id     TEXT NOT NULL,
	type   TEXT NOT NULL,
	head   BLOB NOT NULL,
	body   BLOB NOT NULL
);
CREATE TABLE deliveries (
	number   INTEGER PRIMARY KEY,
	route    INTEGER NOT NULL,
	state    INTEGER NOT NULL,
	due      INTEGER NOT NULL,
	until    INTEGER NOT NULL,
	fence    INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	replay   INTEGER NOT NULL,
	ended    INTEGER NOT NULL,
	reason   TEXT NOT NULL,
	log      BLOB NOT NULL
);
CREATE INDEX fresh ON deliveries (route) WHERE state = 1;
CREATE INDEX later ON deliveries (route, due) WHERE state IN (3, 6);
CREATE INDEX inorder ON deliveries (route) WHERE state IN (3, 6);
CREATE INDEX running ON deliveries (state) WHERE state = 2;
CREATE INDEX dead ON deliveries (route) WHERE state = 5;
CREATE TABLE quarantine (
	number INTEGER PRIMARY KEY,
	at     INTEGER NOT NULL,
	source INTEGER NOT NULL,
	reason TEXT NOT NULL,
	copies INTEGER NOT NULL,
	size   INTEGER NOT NULL,
	digest BLOB NOT NULL,
	id     TEXT NOT NULL,
	type   TEXT NOT NULL,
	head   BLOB NOT NULL,
	body   BLOB NOT NULL
);
CREATE INDEX bodies ON quarantine (source, digest, size);
