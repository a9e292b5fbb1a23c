package sqlite

// statements are those of the writer, prepared once a connection, so that no batch
// parses SQL. They belong to the holder of the writer's turn, and each must be ended
// (exec, each or end) before it is used again: one that is left on a row keeps a read
// transaction open. The names say what they do; the columns are in schema.sql.
type statements struct {
	begin, commit, meta *stmt

	// Accept: sources, queues, ids, events.
	source, watermark, conflicts, eventID    *stmt
	newRoute, setRoute, name, hold, reroute  *stmt
	claim, knownID, conflict, forget, bucket *stmt
	event, delivery                          *stmt

	// Quarantine.
	findOdd, copyOdd, odd, oddSize, anyOddSize, dropOdd *stmt

	// Deliveries: what is due, what is picked, leases and outcomes.
	firstLater, firstFresh                 *stmt
	pickFresh, pickLater                   *stmt
	afterFresh, afterLater                 *stmt
	start, cutShort, extend, giveBack, log *stmt
	settle                                 *stmt
	ofEvent, replay, eventSource, expire   *stmt
	discard, extra                         *stmt
	// Keys: who holds the place of one, and who is next.
	headOf, headsOf, nextOf, one, letGo *stmt

	// Retention and room.
	oldBuckets, dropBucket        *stmt
	oldEvents, dropEvent, dropAll *stmt
	oldOdd                        *stmt
	freePages, allPages, vacuum   *stmt
}

// prepared is where a statement goes, and its text.
type prepared struct {
	st  **stmt
	sql string
}

// prepare prepares all statements, and returns the first error.
func (w *writer) prepare() error {
	for _, set := range [][]prepared{w.q.toAccept(), w.q.toDeliver(), w.q.toSweep()} {
		for _, p := range set {
			*p.st = w.c.prepare(p.sql)
		}
	}
	return w.c.err
}

// toAccept are the statements of an accept and of quarantine.
func (q *statements) toAccept() []prepared {
	return []prepared{
		{&q.begin, `BEGIN IMMEDIATE`},
		{&q.commit, `COMMIT`},
		{&q.meta, `INSERT INTO meta VALUES (?,?) ON CONFLICT DO UPDATE SET value=excluded.value`},
		{&q.source, `INSERT INTO sources VALUES (?,?,?)`},
		{&q.watermark, `UPDATE sources SET watermark=?2 WHERE source=?1`},
		{&q.newRoute, `INSERT INTO routes (route, source, name) VALUES (?,?,?)`},
		{&q.setRoute, `UPDATE routes SET name=?2, merged=?3 WHERE route=?1`},
		{&q.name, `INSERT INTO names VALUES (?,?,?) ON CONFLICT DO UPDATE SET route=excluded.route`},
		{&q.reroute, `UPDATE deliveries SET route=?2 WHERE number=?1`},
		{&q.hold, `UPDATE routes SET hold=?2 WHERE route=?1`},

		{&q.claim, `INSERT INTO ids VALUES (?,?,?,?,0) ON CONFLICT DO NOTHING`},
		{&q.knownID, `SELECT digest, seq FROM ids WHERE source=? AND id=?`},
		{&q.conflicts, `SELECT conflicts FROM ids WHERE source=? AND id=?`},
		{&q.conflict, `INSERT INTO ids VALUES (?,?,?,?,1) ON CONFLICT DO UPDATE SET conflicts=conflicts+1`},
		{&q.eventID, `SELECT source, id, type FROM events WHERE seq=?`},
		{&q.forget, `DELETE FROM ids WHERE source=? AND id=?`},
		{&q.bucket, `INSERT INTO forgets VALUES (?,?,?)`},
		{&q.event, `INSERT INTO events VALUES (?,?,?,?,?,?,?)`},
		{&q.delivery, `INSERT INTO deliveries VALUES (?,?,?,?,?,?,0,0,0,'',x'',nullif(?,0))`},

		{&q.findOdd, `SELECT number FROM quarantine WHERE source=? AND digest=?`},
		{&q.copyOdd, `UPDATE quarantine SET copies=copies+1 WHERE number=?`},
		{&q.odd, `INSERT INTO quarantine VALUES (?,?,?,?,1,?,?,?,?,?,?)`},
		{&q.oddSize, `SELECT size FROM quarantine WHERE number=? AND source=?`},
		{&q.anyOddSize, `SELECT size FROM quarantine WHERE number=?`},
		{&q.dropOdd, `DELETE FROM quarantine WHERE number=?`},
	}
}

// toDeliver are those of deliveries. Those that look for one name its partial index: a plan
// of SQLite's own choice could walk through the table of all deliveries.
func (q *statements) toDeliver() []prepared {
	const row = `SELECT number, due, attempts, replay, length(log), state, key FROM deliveries `
	return []prepared{
		{&q.firstLater, `SELECT due FROM deliveries INDEXED BY later
			WHERE route=? AND state IN (3, 6) ORDER BY due LIMIT 1`},
		{&q.firstFresh, `SELECT due FROM deliveries INDEXED BY fresh
			WHERE route=? AND state=1 ORDER BY number LIMIT 1`},
		{&q.pickFresh, row + `INDEXED BY fresh WHERE route=? AND state=1 ORDER BY number LIMIT ?`},
		{&q.pickLater, row + `INDEXED BY later
			WHERE route=? AND state IN (3, 6) AND due<=? ORDER BY due, number LIMIT ?`},
		{&q.afterFresh, row + `INDEXED BY fresh
			WHERE route=? AND state=1 AND number>? ORDER BY number LIMIT ?`},
		{&q.afterLater, row + `INDEXED BY inorder
			WHERE route=? AND state IN (3, 6) AND number>? ORDER BY number LIMIT ?`},
		{&q.start, `UPDATE deliveries SET state=2, fence=?2, until=?3 WHERE number=?1`},
		{&q.cutShort, `UPDATE deliveries SET state=?2, due=?3, attempts=?4, log=?5 WHERE number=?1`},
		{&q.extend, `UPDATE deliveries SET until=?2 WHERE number=?1`},
		{&q.giveBack, `UPDATE deliveries SET state=?2, due=?3 WHERE number=?1`},
		{&q.log, `SELECT log FROM deliveries WHERE number=?`},
		{&q.settle, `UPDATE deliveries SET state=?2, due=?3, attempts=?4, ended=?5, reason=?6, log=?7 WHERE number=?1`},
		{&q.ofEvent, `SELECT number, route, state, replay, fence, due, attempts, key FROM deliveries
			WHERE number BETWEEN ? AND ? ORDER BY number`},
		{&q.replay, `UPDATE deliveries SET state=?2, due=?3, route=?4, attempts=0, replay=replay+1, ended=0, reason=''
			WHERE number=?1`},
		{&q.extra, `INSERT INTO deliveries (number, route, state, due, until, fence, attempts, replay, ended, reason, log, key)
			VALUES (?, ?, ?, ?, 0, 0, 0, 1, 0, '', x'', nullif(?, 0))`},
		{&q.eventSource, `SELECT source FROM events WHERE seq=?`},
		{&q.discard, `UPDATE deliveries SET state=7, ended=?2 WHERE number=?1`},
		{&q.expire, `UPDATE deliveries SET state=5, ended=?2, reason=?3, due=?4 WHERE number=?1`},

		{&q.headOf, `SELECT number FROM deliveries INDEXED BY heads
			WHERE route=? AND key=? AND state IN (1, 3, 6) ORDER BY number LIMIT 1`},
		{&q.headsOf, `SELECT number, key, state, due FROM deliveries INDEXED BY heads
			WHERE route=? AND key IS NOT NULL AND state IN (1, 3, 6) LIMIT ?`},
		{&q.nextOf, `SELECT number FROM deliveries INDEXED BY behind
			WHERE route=? AND key=? AND state=8 ORDER BY number LIMIT 1`},
		{&q.one, `SELECT due, attempts, replay, length(log), state FROM deliveries WHERE number=?`},
		{&q.letGo, `UPDATE deliveries SET state=?2, due=?3, route=?4 WHERE number=?1`},
	}
}

// toSweep are those of retention and of room.
func (q *statements) toSweep() []prepared {
	return []prepared{
		{&q.oldBuckets, `SELECT bucket, source, ids FROM forgets WHERE bucket<? ORDER BY bucket LIMIT 1`},
		{&q.dropBucket, `DELETE FROM forgets WHERE bucket=?`},
		{&q.oldEvents, `SELECT seq, at FROM events WHERE seq>? ORDER BY seq LIMIT ?`},
		{&q.dropEvent, `DELETE FROM events WHERE seq=?`},
		{&q.dropAll, `DELETE FROM deliveries WHERE number BETWEEN ? AND ?`},
		{&q.oldOdd, `SELECT number, size, at FROM quarantine ORDER BY number LIMIT ?`},
		{&q.freePages, `PRAGMA freelist_count`},
		{&q.allPages, `PRAGMA page_count`},
		{&q.vacuum, `PRAGMA incremental_vacuum(200)`},
	}
}

// setMeta writes a number of meta within the batch's transaction.
func (w *writer) setMeta(name string, v int64) error {
	return w.q.meta.text(name).int(v).exec()
}
