package sqlite

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const reasonProcessEnded = "the process ended during the attempt"

// readMeta reads the numbers that are kept in meta, and returns the last time
// persisted. The last number given is the largest of all rows and of floor.
func (w *writer) readMeta(first bool) (last int64, err error) {
	var id, epoch, passed int64
	w.newestOf = map[int64]int64{}
	q := w.c.prepare(`SELECT name, value FROM meta`)
	if w.c.err != nil {
		return 0, w.explainDamage(w.c.err)
	}
	err = q.each(func() error {
		switch v := q.ColumnInt64(1); q.ColumnText(0) {
		case "epoch":
			epoch = v
		case "id":
			id = v
		case "now":
			last = v
		case "floor":
			w.floor = v
		case "merged":
			w.merged = v
		case "passed":
			passed = v
		default:
			if number, ok := strings.CutPrefix(q.ColumnText(0), newestPrefix); ok {
				id, err := strconv.ParseInt(number, 10, 64)
				w.newestOf[id] = v
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, q.Close()); err != nil {
		return 0, w.explainDamage(err)
	}
	if w.id = id; id == 0 { // new, or of a version that gave none
		w.id, w.newID = newID(), true
	}
	w.s.identity.Store(w.id)
	if first {
		w.epoch, w.fences = epoch+1, 0
		if w.ageBase = passed; passed == 0 {
			if w.ageBase, err = w.firstAge(last); err != nil {
				return 0, w.explainDamage(err)
			}
		}
		w.jumpAge = w.ageBase
	}
	events, err1 := w.c.one(`SELECT max(seq) FROM events`)
	odd, err2 := w.c.one(`SELECT max(number) FROM quarantine`)
	bytes, err3 := w.c.one(`SELECT sum(size) FROM quarantine INDEXED BY bodies`)
	entries, err4 := w.c.one(`SELECT count(*) FROM quarantine INDEXED BY bodies`)
	w.seq, w.oddBytes, w.oddEntries = max(w.floor, events, odd), bytes, entries
	return last, w.explainDamage(errors.Join(err1, err2, err3, err4))
}

// readRoutes reads the queues, and ends moves between them that a stop has cut short.
func (w *writer) readRoutes() error {
	mergedInto, err := w.readQueues()
	if err != nil {
		return err
	}
	return w.finishMoves(mergedInto)
}

// readQueues reads sources, routes and names, and counts what waits. mergedInto has the
// number of the queue that took over another, by the number of that one.
func (w *writer) readQueues() (mergedInto map[int64]int64, err error) {
	byID := map[int64]*source{}
	err = w.rows(`SELECT source, name, watermark FROM sources`, func(q *stmt) error {
		src := &source{id: q.ColumnInt64(0), name: q.ColumnText(1), watermark: q.ColumnInt64(2)}
		src.newest = w.newestOf[src.id]
		byID[src.id], w.sources[src.name] = src, src
		return nil
	})
	if err != nil {
		return nil, err
	}
	mergedInto = map[int64]int64{}
	err = w.rows(`SELECT route, source, name, merged, hold FROM routes`, func(q *stmt) error {
		src := byID[q.ColumnInt64(1)]
		if src == nil {
			return fmt.Errorf("%w: route %d has no source", record.ErrDamaged, q.ColumnInt64(0))
		}
		rt := newRoute(q.ColumnInt64(0), src, q.ColumnText(2))
		if mergedInto[rt.id] = q.ColumnInt64(3); mergedInto[rt.id] == 0 {
			delete(mergedInto, rt.id)
		}
		h, err := decodeHold(q.ColumnText(4))
		rt.hold = h
		w.routes[rt.id] = rt
		return err
	})
	if err != nil {
		return nil, err
	}
	err = w.rows(`SELECT source, name, route FROM names`, func(q *stmt) error {
		rt := w.routes[q.ColumnInt64(2)]
		if rt == nil {
			return fmt.Errorf("%w: name %q leads nowhere", record.ErrDamaged, q.ColumnText(1))
		}
		w.names[routeName{q.ColumnInt64(0), q.ColumnText(1)}] = rt
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, rt := range w.routes {
		if w.names[routeName{rt.source.id, rt.key.Route}] == nil {
			return nil, w.explainDamage(fmt.Errorf("%w: nothing leads to route %q", record.ErrDamaged, rt.key.Route))
		}
	}
	return mergedInto, w.countQueues()
}

// rows runs f on each row of a query. Errors about the file's bytes say what to do.
func (w *writer) rows(sql string, f func(*stmt) error) error {
	q := w.c.prepare(sql)
	if w.c.err != nil {
		return w.c.err
	}
	err := q.each(func() error { return f(q) })
	return w.explainDamage(errors.Join(err, q.Close()))
}

// countQueues counts what waits and what is dead in each queue. It reads only partial
// indexes that hold nothing else: a start does not read the deliveries that have
// ended, which are nearly all.
func (w *writer) countQueues() error {
	for _, set := range []struct {
		sql string
		add func(rt *route, n int64)
	}{
		{
			`SELECT route, count(*) FROM deliveries INDEXED BY fresh WHERE state=1 GROUP BY route`,
			func(rt *route, n int64) { rt.fresh = n },
		},
		{
			`SELECT route, count(*) FROM deliveries INDEXED BY inorder WHERE state IN (3, 6) GROUP BY route`,
			func(rt *route, n int64) { rt.later, rt.dueExact, rt.due = n, false, 0 },
		},
		{
			`SELECT route, count(*) FROM deliveries INDEXED BY dead WHERE state=5 GROUP BY route`,
			func(rt *route, n int64) { rt.dead = n },
		},
		{
			`SELECT route, count(*) FROM deliveries INDEXED BY heads WHERE key IS NOT NULL AND state IN (1, 3, 6) GROUP BY route`,
			func(rt *route, n int64) { rt.heads.add(n) },
		},
		{
			`SELECT route, count(*) FROM deliveries INDEXED BY waits WHERE state=8 GROUP BY route`,
			func(rt *route, n int64) { rt.behind.add(n) },
		},
	} {
		err := w.rows(set.sql, func(q *stmt) error {
			rt := w.routes[q.ColumnInt64(0)]
			if rt == nil {
				return fmt.Errorf("%w: route %d is missing", record.ErrDamaged, q.ColumnInt64(0))
			}
			set.add(rt, q.ColumnInt64(1))
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, rt := range w.routes {
		if _, err := w.laterDue(rt); err != nil {
			return err
		}
	}
	return nil
}

// redirectMerged has the queues that are being moved lead to their mergedInto.
func (w *writer) redirectMerged(mergedInto map[int64]int64) error {
	for id := range mergedInto {
		old, to := w.routes[id], id
		for n := 0; mergedInto[to] != 0 && n < len(mergedInto); n++ {
			to = mergedInto[to]
		}
		target := w.routes[to]
		if target == nil || mergedInto[to] != 0 {
			return fmt.Errorf("%w: route %d leads to no queue", record.ErrDamaged, id)
		}
		w.moving = append(w.moving, move{from: old, to: target})
	}
	for _, m := range w.moving {
		w.routes[m.from.id] = m.to
		m.to.joinKeys(m.from)
	}
	return nil
}

// finishMoves ends moves between queues that a stop has cut short.
func (w *writer) finishMoves(mergedInto map[int64]int64) error {
	if err := w.redirectMerged(mergedInto); err != nil {
		return err
	}
	for more := len(w.moving) > 0; more; {
		var err error
		if more, err = w.moveSome(); err != nil {
			return err
		}
	}
	return nil
}

// recoverRunning settles what was running. At the start of a process no lease has a
// holder any more: the attempts count and their deliveries are due at once. Where only
// the file was reopened, leases live on, but for those that the failed batch began.
func (w *writer) recoverRunning(first bool) error {
	var found []*lease
	err := w.rows(`SELECT number, route, fence, until, due, attempts, replay, length(log), key
		FROM deliveries INDEXED BY running WHERE state=2`, func(q *stmt) error {
		rt := w.routes[q.ColumnInt64(1)]
		if rt == nil {
			return fmt.Errorf("%w: route %d is missing", record.ErrDamaged, q.ColumnInt64(1))
		}
		l := &lease{
			number: q.ColumnInt64(0), route: rt, fence: q.ColumnInt64(2), until: q.ColumnInt64(3),
			due: q.ColumnInt64(4), attempts: q.ColumnInt64(5), replay: q.ColumnInt64(6), logged: q.ColumnInt64(7) > 0, key: q.ColumnInt64(8),
		}
		l.fresh = l.attempts == 0 && l.replay == 0 && !l.logged
		found = append(found, l)
		return nil
	})
	if err != nil {
		return err
	}
	unsure := map[int64]bool{}
	for _, f := range w.issued {
		unsure[f] = true
	}
	w.issued = nil
	for _, l := range found {
		if err := w.recoverOne(l, first, unsure[l.fence]); err != nil {
			return err
		}
	}
	if first && len(found) > 0 {
		w.s.log.Warn("attempts were running when the process ended; they are made again", "attempts", len(found))
	}
	return nil
}

// recoverOne settles one of them. unsure reports that the failed batch gave its fence:
// no caller has it, so the delivery waits again, uncounted, where it stood before.
func (w *writer) recoverOne(l *lease, first, unsure bool) error {
	due := min(l.due, w.now)
	switch {
	case first:
		w.queue(l.route, retrying, due, l.key)
		return w.interrupt(l, retrying, due, reasonProcessEnded)
	case unsure && l.fresh:
		w.queue(l.route, fresh, due, l.key)
		return w.q.giveBack.int(l.number).int(fresh).int(due).exec()
	case unsure:
		w.queue(l.route, requeued, due, l.key)
		return w.q.giveBack.int(l.number).int(requeued).int(due).exec()
	}
	w.grant(l)
	return nil
}
