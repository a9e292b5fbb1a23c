package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// What leads from an event to its deliveries: those that are as a query asks, where $3
// are routes and $4 states, and each empty one means any.
const (
	ofEvent   = `SELECT FROM @.deliveries d WHERE d.number BETWEEN e.seq<<12 AND e.seq<<12|4095`
	wantedOf  = `EXISTS (` + ofEvent + ` AND (cardinality($3::bigint[])=0 OR d.route=ANY($3)) AND (cardinality($4::smallint[])=0 OR d.state=ANY($4)))`
	ifWanted  = `(NOT $5::bool OR ` + wantedOf + `) AND (NOT $6::bool OR NOT EXISTS (` + ofEvent + `))`
	eventHead = `SELECT e.seq, e.source, e.id, e.type, e.head, octet_length(e.body), ` + ifWanted + `, '', 0 FROM `
)

// Rows without their bodies, newest first: those below a number, and those of numbers. The
// second form has a row for each number, whether there is such an event or not. OFFSET 0
// keeps the planner from reading the whole table for a join.
const (
	headsBelow  = eventHead + `(SELECT seq, source, id, type, head, body FROM @.events WHERE seq<$1 ORDER BY seq DESC LIMIT $2) e ORDER BY e.seq DESC`
	headsOf     = eventHead + `unnest($1::bigint[]) WITH ORDINALITY u(seq,o) CROSS JOIN LATERAL (SELECT seq, source, id, type, head, body FROM @.events WHERE seq=u.seq OFFSET 0) e WHERE u.o<=$2 ORDER BY e.seq DESC`
	oddBelow    = `SELECT number, source, id, type, head, octet_length(body), true, reason, copies FROM @.quarantine WHERE number<$1 ORDER BY number DESC LIMIT $2`
	eventBodies = `SELECT u.n, body FROM unnest($1::bigint[]) u(n) CROSS JOIN LATERAL (SELECT body FROM @.events WHERE seq=u.n OFFSET 0) e`
	oddBodies   = `SELECT u.n, body FROM unnest($1::bigint[]) u(n) CROSS JOIN LATERAL (SELECT body FROM @.quarantine WHERE number=u.n OFFSET 0) e`
)

// next returns the next rows that may match, newest first, by what stands in an index or
// beside the body, and how many were looked at for it. Each way to find them is for a
// query that it can serve without a walk through all events.
func (l *listing) next(ctx context.Context) (found []*row, n int, err error) {
	var all []*row
	switch {
	case l.q.Kind == spool.Events && indexOf(&l.q) != "":
		var numbers []int64
		if numbers, n, err = l.byState(ctx); err == nil {
			all, err = l.heads(ctx, headsOf, numbers, len(numbers))
			all = withMissing(all, numbers)
		}
	case len(l.known) > 0:
		all, err = l.heads(ctx, headsOf, l.known, len(l.known))
		n, l.before, l.known = len(l.known), l.known[len(l.known)-1], nil
	default:
		sql := headsBelow
		if l.q.Kind == spool.Quarantined {
			sql = oddBelow
		}
		all, err = l.heads(ctx, sql, l.before, l.step())
		if n = len(all); n > 0 {
			all = l.cut(all)
			l.before = all[len(all)-1].number
		}
	}
	if err != nil {
		return nil, 0, err
	}
	for _, r := range all {
		if r.wanted && (l.q.Seq == 0 || l.q.Seq == r.number) && (r.broken || l.matches(r.event)) {
			found = append(found, r)
		}
	}
	found, err = l.containing(ctx, found)
	return found, n, err
}

// step returns how many rows are looked at in one go.
func (l *listing) step() int {
	if l.q.Seq != 0 {
		return 1
	}
	return scanStep
}

// cut leaves out the rows behind those whose bodies are searched in one transaction.
func (l *listing) cut(all []*row) []*row {
	if len(l.q.Contains) == 0 {
		return all
	}
	size := int64(0)
	for i, r := range all {
		if size += r.size; i > 0 && size > maxPageBytes {
			return all[:i]
		}
	}
	return all
}

// withMissing adds a broken row for each number without one: the deliveries of an event
// that is not there.
func withMissing(all []*row, numbers []int64) []*row {
	if len(all) == len(numbers) {
		return all
	}
	there := map[int64]bool{}
	for _, r := range all {
		there[r.number] = true
	}
	for _, n := range numbers {
		if !there[n] {
			all = append(all, &row{number: n, event: &spool.Event{Seq: n}, broken: true, wanted: true})
		}
	}
	slices.SortFunc(all, func(a, b *row) int { return cmp.Compare(b.number, a.number) })
	return all
}

// heads reads rows without their bodies. from is a number to begin below, or numbers.
func (l *listing) heads(ctx context.Context, sql string, from any, limit int) (all []*row, err error) {
	args := []any{from, limit}
	if l.q.Kind == spool.Events {
		args = append(args, l.askedRoutes(), statesOf(&l.q), l.q.OfDeliveries(), l.q.Unrouted)
	}
	unknown := false
	read := func(rows pgx.Rows) error {
		for rows.Next() {
			r := &row{event: &spool.Event{}}
			var source int64
			if err := rows.Scan(&r.number, &source, &r.event.ID, &r.event.Type, &r.head, &r.size, &r.wanted, &r.reason, &r.copies); err != nil {
				return err
			}
			r.event.Seq, r.event.Source = r.number, l.s.catalog.sourceName(source)
			unknown = unknown || r.event.Source == ""
			_, bad := record.DecodeHead(r.head, r.event)
			r.broken = bad != nil
			all = append(all, r)
		}
		return rows.Err()
	}
	for {
		err = l.s.reads.run(ctx, true, func() *trip {
			all, unknown = nil, false
			t := l.s.relaxedly()
			t.do(sql, args...).Query(read)
			return t
		})
		if err != nil || !unknown || l.anew {
			return all, err
		}
		if err := l.readCatalog(ctx); err != nil { // Another member has made a source.
			return nil, err
		}
	}
}

// askedRoutes returns the numbers of the route asked for, none where any will do.
func (l *listing) askedRoutes() []int64 {
	if l.q.Route == "" {
		return []int64{}
	}
	if len(l.routes) == 0 {
		return []int64{-1} // There is no such route.
	}
	return l.routes
}

// statesOf returns the stored states that a query asks for, none where any will do.
func statesOf(q *spool.Query) []int16 {
	switch {
	case q.Waiting && q.State != 0 && q.State != spool.Available && q.State != spool.Retrying:
		return []int16{-1} // No delivery is in both.
	case q.State == spool.Available:
		return []int16{fresh, requeued, behind}
	case q.State == spool.Discarded:
		return []int16{discarded}
	case q.State != 0:
		return []int16{int16(q.State)}
	case q.Waiting:
		return []int16{fresh, retrying, requeued, behind}
	}
	return []int16{}
}

// Conditions of partial indexes: of what runs, of what waits in a queue, and of that with
// what is behind, which is in an index of its own.
const (
	ofRunning = `state=2`
	ofQueued  = `state IN (1,3,6)`
	ofWaiting = `state IN (1,3,6,8)`
)

// indexOf returns the condition of the partial index that has the deliveries that a query
// asks for by their state. What has ended well is in none, and is found by the walk.
func indexOf(q *spool.Query) string {
	switch {
	case q.State == spool.Retrying:
		return ofQueued
	case q.Waiting, q.State == spool.Available:
		return ofWaiting
	case q.State == spool.Running:
		return ofRunning
	case q.State == spool.Dead:
		return `state=5`
	}
	return ""
}

// newestOf selects number, route and state of the deliveries of a route in an index, below
// a number and newest first, at most limit: all are texts of SQL. The comparison is of
// rows, because for one of the number alone the planner goes through all deliveries by
// their key, and what runs is sorted, because its index is in another order.
func newestOf(index, route, below, limit string) string {
	if index == ofRunning {
		return `SELECT number, route, state FROM (SELECT number, route, state FROM @.deliveries WHERE route=` + route + ` AND state=2 OFFSET 0) y
			WHERE number<` + below + ` ORDER BY number DESC LIMIT ` + limit
	}
	if index == ofWaiting {
		return `SELECT number, route, state FROM ((` + newestOf(ofQueued, route, below, limit) + `) UNION ALL (` + newestOf(`state=8`, route, below, limit) + `)) w
			ORDER BY number DESC LIMIT ` + limit
	}
	return `SELECT number, route, state FROM @.deliveries WHERE (route,number)<(` + route + `,` + below + `) AND route>=` + route + ` AND ` + index + `
		ORDER BY route DESC, number DESC LIMIT ` + limit
}

// byState merges the newest of every route's index. Below the lowest number that all of
// them were read down to, something may be missing: what was found there is left for the
// next call.
func (l *listing) byState(ctx context.Context) (found []int64, n int, err error) {
	below := int64(never)
	if l.before < never>>ordinalBits {
		below = l.before << ordinalBits
	}
	var seqs map[int64]bool
	var counts, last map[int64]int64
	err = l.s.reads.run(ctx, true, func() *trip {
		seqs, counts, last = map[int64]bool{}, map[int64]int64{}, map[int64]int64{}
		t := l.s.relaxedly()
		t.do(`SELECT u.r, x.number FROM unnest($1::bigint[]) u(r) CROSS JOIN LATERAL (`+newestOf(indexOf(&l.q), "u.r", "$2", "$3")+`) x`, l.routes, below, l.step()).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var route, number int64
				if err := rows.Scan(&route, &number); err != nil {
					return err
				}
				seq := number >> ordinalBits
				seqs[seq] = true
				counts[route]++
				last[route] = seq
			}
			return rows.Err()
		})
		return t
	})
	floor := int64(0)
	for route, n := range counts {
		if n == int64(l.step()) {
			floor = max(floor, last[route])
		}
	}
	for seq := range seqs {
		if seq >= floor {
			found = append(found, seq)
		}
	}
	slices.SortFunc(found, func(a, b int64) int { return cmp.Compare(b, a) })
	if len(found) > 0 {
		l.before = found[len(found)-1]
	}
	return found, len(found), err
}

// containing returns those rows whose bodies hold the bytes asked for. The server looks
// for them, so that bodies without them never leave it. What cannot be read is left in.
func (l *listing) containing(ctx context.Context, found []*row) ([]*row, error) {
	if len(l.q.Contains) == 0 || len(found) == 0 {
		return found, nil
	}
	numbers := make([]int64, len(found))
	for i, r := range found {
		numbers[i] = r.number
		l.searched += r.size
	}
	sql := eventBodies
	if l.q.Kind == spool.Quarantined {
		sql = oddBodies
	}
	var hits map[int64]bool
	err := l.s.reads.run(ctx, true, func() *trip {
		hits = map[int64]bool{}
		t := l.s.relaxedly()
		t.do(`SELECT n FROM (`+sql+`) x WHERE position($2 IN body)>0`, numbers, l.q.Contains).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var n int64
				if err := rows.Scan(&n); err != nil {
					return err
				}
				hits[n] = true
			}
			return rows.Err()
		})
		return t
	})
	return slices.DeleteFunc(found, func(r *row) bool { return !r.broken && !hits[r.number] }), err
}

// findID finds the events of an id that the table of ids leads to, newest first. That
// spares most searches the walk to where they lie. The walk goes on behind the last,
// because an id that was forgotten may have come twice. It finds nothing unless every
// source asked for has the id there: then the walk must not jump.
func (l *listing) findID(ctx context.Context) error {
	if l.q.ID == "" || l.q.Cursor != never || l.q.Seq != 0 {
		return nil
	}
	all := true
	err := l.s.reads.run(ctx, true, func() *trip {
		l.known, all = nil, true
		t := l.s.relaxedly()
		t.do(`SELECT k.seq FROM @.sources s LEFT JOIN LATERAL (SELECT seq FROM @.ids WHERE source=s.source AND id=$1 OFFSET 0) k ON true
			WHERE $2='' OR s.name=$2 ORDER BY k.seq DESC`, l.q.ID, l.q.Source).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var seq *int64
				if err := rows.Scan(&seq); err != nil {
					return err
				}
				if all = all && seq != nil; all && *seq < l.before {
					l.known = append(l.known, *seq)
				}
			}
			return rows.Err()
		})
		return t
	})
	if !all {
		l.known = nil
	}
	return err
}
