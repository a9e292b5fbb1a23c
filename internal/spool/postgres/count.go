package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Rows counted in one transaction, so that no snapshot is held for long and other
// readers have their turn. Where each needs more than small columns, fewer.
const (
	countStep     = 20_000
	countStepDear = 4_000
	countStepBody = 500
)

// Count implements spool.Counter. It reads no body unless one is searched, and counts
// what an index has by that index.
func (s *Store) Count(ctx context.Context, q spool.Query, within time.Duration) (n spool.Count, err error) {
	if q.Match != nil || q.Delivery != nil || q.Seq != 0 {
		return spool.CountPages(ctx, s, q, within)
	}
	if err := s.enter(); err != nil {
		return n, err
	}
	defer s.exit()
	if err := s.refresh(ctx); err != nil {
		return n, fmt.Errorf("counting records: %w", err)
	}
	k := &counting{s: s, q: &q, began: time.Now(), within: within, top: never}
	if q.Settled && q.Kind == spool.Events {
		upTo, err := s.settledUpTo(ctx)
		if err != nil {
			return n, fmt.Errorf("counting records: %w", err)
		}
		k.top = upTo + 1
	}
	for _, w := range k.walks() {
		if err := k.along(ctx, w); err != nil || k.n.Partial {
			return k.n, err
		}
	}
	return k.n, nil
}

// counting is one Count.
type counting struct {
	s      *Store
	q      *spool.Query
	began  time.Time
	within time.Duration // 0 for no bound
	top    int64         // events below it are counted
	n      spool.Count
}

// way is one way through a table or an index, from its newest row to its oldest.
type way struct {
	// rows selects key and what cond is about, as x, of the rows below $1, $2 at most.
	rows string
	// top is where it begins.
	top int64
	// cond are the further conditions, to be ANDed, and args what they are about.
	cond []string
	args []any
	// head is how the head of a row's event is read, for its time of receipt.
	head string
}

// arg adds a value, and returns what stands for it. The first two are the step's own.
func (w *way) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args)+2)
}

// where adds a condition.
func (w *way) where(cond string) { w.cond = append(w.cond, cond) }

// walks returns the ways that meet every record once.
func (k *counting) walks() (all []*way) {
	if k.q.Kind == spool.Quarantined {
		w := &way{rows: `SELECT number AS key, source, id, type, head, body, reason FROM @.quarantine WHERE number<$1 ORDER BY number DESC LIMIT $2`, head: "head", top: never}
		k.ofColumns(w, "x.")
		if k.q.Reason != "" {
			w.where(`starts_with(reason, ` + w.arg(k.q.Reason) + `::text)`)
		}
		return []*way{w}
	}
	ids := k.s.catalog.numbers(k.q)
	if k.q.Route != "" && len(ids) == 0 || k.q.Unrouted && k.q.OfDeliveries() {
		return nil
	}
	if index := indexOf(k.q); index != "" {
		for _, id := range ids {
			all = append(all, k.ofIndex(index, id, ids))
		}
		return all
	}
	w := &way{rows: `SELECT seq AS key, seq, source, id, type, head, body FROM @.events WHERE seq<$1 ORDER BY seq DESC LIMIT $2`, head: "head", top: k.top}
	k.ofColumns(w, "x.")
	const ofX = `(SELECT FROM @.deliveries d WHERE d.number BETWEEN x.seq<<12 AND x.seq<<12|4095`
	if k.q.Unrouted {
		w.where(`NOT EXISTS ` + ofX + `)`)
	}
	if k.q.OfDeliveries() {
		w.where(`EXISTS ` + ofX + k.ofDelivery(w, "d.", ids) + `)`)
	}
	return []*way{w}
}

// ofIndex walks through the deliveries of a route in an index. The first one of an event
// that is as asked stands for the event.
func (k *counting) ofIndex(index string, id int64, ids []int64) *way {
	w := &way{top: never, head: `(SELECT head FROM @.events e WHERE e.seq=x.key>>12)`}
	if k.top < never>>ordinalBits {
		w.top = k.top << ordinalBits
	}
	w.rows = `SELECT number AS key, route, state FROM (` + newestOf(index, w.arg(id)+`::bigint`, "$1", "$2") + `) z`
	asked := k.ofDelivery(w, "x.", ids)
	w.where(`true` + asked)
	w.where(`NOT EXISTS (SELECT FROM @.deliveries o WHERE o.number>=x.key>>12<<12 AND o.number<x.key` + strings.ReplaceAll(asked, "x.", "o.") + `)`)
	before := len(w.cond)
	k.ofColumns(w, "e.")
	if event := strings.Join(w.cond[before:], " AND "); event != "" {
		w.cond = append(w.cond[:before], `EXISTS (SELECT FROM @.events e WHERE e.seq=x.key>>12 AND `+event+`)`)
	}
	return w
}

// ofColumns adds what is asked of an event's or an entry's own columns.
func (k *counting) ofColumns(w *way, table string) {
	if k.q.Source != "" {
		id := int64(-1)
		if src := k.s.catalog.source(k.q.Source); src != nil {
			id = src.id
		}
		w.where(table + `source=` + w.arg(id))
	}
	if k.q.ID != "" {
		w.where(table + `id=` + w.arg(k.q.ID))
	}
	if k.q.Type != "" {
		w.where(table + `type=` + w.arg(k.q.Type))
	}
	if len(k.q.Types) > 0 {
		// Neither LIKE nor ~, which give characters of a prefix a meaning.
		whole, prefixes := []string{}, []string{}
		for _, pattern := range k.q.Types {
			if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
				prefixes = append(prefixes, prefix)
			} else {
				whole = append(whole, pattern)
			}
		}
		w.where(`(` + table + `type=ANY(` + w.arg(whole) + `::text[]) OR EXISTS (SELECT FROM unnest(` + w.arg(prefixes) + `::text[]) p(t) WHERE starts_with(` + table + `type, p.t)))`)
	}
	if len(k.q.Contains) > 0 {
		w.where(`position(` + w.arg(k.q.Contains) + `::bytea IN ` + table + `body)>0`)
	}
}

// ofDelivery returns what is asked of a delivery's route and state, to be ANDed.
func (k *counting) ofDelivery(w *way, table string, ids []int64) (text string) {
	if k.q.Route != "" {
		text += ` AND ` + table + `route=ANY(` + w.arg(ids) + `::bigint[])`
	}
	if states := statesOf(k.q); len(states) > 0 {
		text += ` AND ` + table + `state=ANY(` + w.arg(states) + `::smallint[])`
	}
	return text
}

// along counts along one way, step by step, until its end or until the time is over.
func (k *counting) along(ctx context.Context, w *way) error {
	inTime := !k.q.Since.IsZero() || !k.q.Until.IsZero()
	step := int64(countStep)
	switch {
	case len(k.q.Contains) > 0:
		step = countStepBody
	case inTime:
		step = countStepDear
	}
	sql := w.text(inTime)
	for below := w.top; ; {
		var rows, low, n int64
		err := k.s.reads.run(ctx, true, func() *trip {
			rows, low, n = 0, 0, 0
			t := k.s.relaxedly()
			args := append([]any{below, step}, w.args...)
			if !inTime {
				t.do(sql, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&rows, &low, &n) })
				return t
			}
			t.do(sql, args...).Query(func(rs pgx.Rows) (err error) {
				rows, low, n, err = k.received(rs)
				return err
			})
			return t
		})
		if err != nil {
			return fmt.Errorf("counting records: %w", err)
		}
		k.n.N += n
		if below = low; rows < step {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("counting records: %w", err)
		}
		if k.within > 0 && time.Since(k.began) >= k.within {
			k.n.Partial = true
			return nil
		}
	}
}

// text returns the statement of a step. It has how many rows come next on the way, the
// lowest key of them, and how many are as asked; or all rows, with the head of those that
// are as asked, where the time of receipt decides.
func (w *way) text(inTime bool) string {
	cond := strings.Join(w.cond, " AND ")
	if cond == "" {
		cond = "true"
	}
	if inTime {
		return `SELECT key, CASE WHEN ` + cond + ` THEN ` + w.head + ` END FROM (` + w.rows + `) x ORDER BY key DESC`
	}
	return `SELECT count(*), coalesce(min(key),0), count(*) FILTER (WHERE ` + cond + `) FROM (` + w.rows + `) x`
}

// received counts the rows whose head is of an event that was received in time. A damaged
// one is shown to every query.
func (k *counting) received(rs pgx.Rows) (rows, low, n int64, err error) {
	for rs.Next() {
		var head []byte
		if err := rs.Scan(&low, &head); err != nil {
			return 0, 0, 0, err
		}
		rows++
		if head == nil {
			continue
		}
		var e spool.Event
		_, bad := record.DecodeHead(head, &e)
		if bad != nil || (k.q.Since.IsZero() || !e.Received.Before(k.q.Since)) && (k.q.Until.IsZero() || e.Received.Before(k.q.Until)) {
			n++
		}
	}
	return rows, low, n, rs.Err()
}
