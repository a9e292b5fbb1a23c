package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Rows counted in one read transaction, so that the log can restart and other readers
// have their turn. Where each needs more than an index and small columns, fewer.
const (
	countStep     = 20_000
	countStepDear = 4_000
)

// What leads from a delivery's number to its event, and back.
var (
	eventOfNumber  = fmt.Sprintf(`number>>%d`, ordinalBits)
	numbersOfEvent = fmt.Sprintf(`number BETWEEN seq<<%d AND seq<<%[1]d|%d`, ordinalBits, maxOrdinal)
)

// storedStates are a delivery's states as the table has them.
var storedStates = map[spool.State]string{
	spool.Available: "1, 6, 8", spool.Running: "2", spool.Retrying: "3",
	spool.Delivered: "4", spool.Dead: "5", spool.Discarded: "7",
}

// Count implements spool.Counter. It reads no body unless one is searched, and counts
// what an index has by that index.
func (s *Store) Count(ctx context.Context, q spool.Query, within time.Duration) (n spool.Count, err error) {
	if q.Match != nil || q.Delivery != nil || q.Seq != 0 {
		return spool.CountPages(ctx, s, q, within)
	}
	if err := s.enter(); err != nil {
		return n, err
	}
	defer s.leave()
	k := &counting{s: s, q: &q, began: time.Now(), within: within}
	for _, w := range k.walks() {
		if err := k.walk(ctx, w); err != nil || k.n.Partial {
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
	n      spool.Count
}

// walk is one way through a table or an index, from its newest row to its oldest.
type walk struct {
	rows string // table, index and condition, with ?1 for route
	key  string // the column that falls along the way
	// cond are the further conditions, and args what they are about. They are ANDed.
	cond  []string
	args  []any
	route int64
	// head is how the head of a row's event is read, for its time of receipt.
	head string
}

// walks returns the ways that meet every record once.
func (k *counting) walks() (all []walk) {
	if k.q.Kind == spool.Quarantined {
		w := walk{rows: "quarantine WHERE ?1", key: "number", head: "head"}
		k.ofColumns(&w, "quarantine.")
		if k.q.Reason != "" {
			w.where(`substr(reason, 1, length(?)) = ?`, k.q.Reason, k.q.Reason)
		}
		return []walk{w}
	}
	ids := k.routes()
	if k.q.Route != "" && len(ids) == 0 {
		return nil
	}
	if indexes := indexesOf(k.q); indexes != nil {
		if k.q.State == spool.Running {
			return []walk{k.ofIndex(indexes[0], 1, ids)}
		}
		for _, rows := range indexes {
			for _, id := range ids {
				all = append(all, k.ofIndex(rows, id, ids))
			}
		}
		return all
	}
	w := walk{rows: "events WHERE ?1", key: "seq", head: "head"}
	k.ofColumns(&w, "events.")
	if k.q.Unrouted {
		w.where(`NOT EXISTS (SELECT 1 FROM deliveries WHERE ` + numbersOfEvent + `)`)
	}
	if k.q.OfDeliveries() {
		w.where(`EXISTS (SELECT 1 FROM deliveries WHERE ` + numbersOfEvent + k.ofDelivery("", ids) + `)`)
	}
	return []walk{w}
}

// ofIndex walks through the deliveries of an index. The first one of an event that is
// as asked stands for the event.
func (k *counting) ofIndex(rows string, id int64, ids []int64) walk {
	w := walk{rows: "deliveries " + rows, key: "deliveries.number", route: id, head: `(SELECT head FROM events WHERE seq=` + eventOfNumber + `)`}
	w.where(`1` + k.ofDelivery("deliveries.", ids))
	w.where(`NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.number >= deliveries.number&` + fmt.Sprint(^maxOrdinal) + ` AND o.number < deliveries.number` + k.ofDelivery("o.", ids) + `)`)
	event := walk{}
	k.ofColumns(&event, "events.")
	if len(event.cond) > 0 {
		w.where(`EXISTS (SELECT 1 FROM events WHERE seq=deliveries.`+eventOfNumber+` AND `+strings.Join(event.cond, " AND ")+`)`, event.args...)
	}
	return w
}

// ofColumns adds what is asked of an event's or an entry's own columns.
func (k *counting) ofColumns(w *walk, table string) {
	if k.q.Source != "" {
		w.where(table+`source = ?`, k.source())
	}
	if k.q.ID != "" {
		w.where(table+`id = ?`, k.q.ID)
	}
	if k.q.Type != "" {
		w.where(table+`type = ?`, k.q.Type)
	}
	k.ofTypes(w, table)
	if len(k.q.Contains) > 0 {
		w.where(`instr(`+table+`body, ?)`, k.q.Contains)
	}
}

// ofTypes adds that the type is one of those asked for, as Query.WantsType has it.
func (k *counting) ofTypes(w *walk, table string) {
	var conds []string
	var args []any
	for _, pattern := range k.q.Types {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			// Neither LIKE nor GLOB, which give characters of the prefix a meaning.
			conds = append(conds, `instr(`+table+`type, ?) = 1`)
			args = append(args, prefix)
			continue
		}
		conds = append(conds, table+`type = ?`)
		args = append(args, pattern)
	}
	if len(conds) > 0 {
		w.where(`(`+strings.Join(conds, " OR ")+`)`, args...)
	}
}

// ofDelivery returns what is asked of a delivery's route and state, to be ANDed.
func (k *counting) ofDelivery(table string, ids []int64) (text string) {
	if k.q.Route != "" {
		text += ` AND ` + table + `route IN (` + strings.ReplaceAll(strings.Trim(fmt.Sprint(ids), "[]"), " ", ", ") + `)`
	}
	switch {
	case k.q.Waiting:
		text += ` AND ` + table + `state IN (` + storedStates[spool.Available] + `, ` + storedStates[spool.Retrying] + `)`
	case k.q.State != 0:
		text += ` AND ` + table + `state IN (` + storedStates[k.q.State] + `)`
	}
	return text
}

// where adds a condition.
func (w *walk) where(cond string, args ...any) {
	w.cond = append(w.cond, cond)
	w.args = append(w.args, args...)
}

// source returns the number of the source asked for, -1 for an unknown one.
func (k *counting) source() int64 {
	v := &k.s.view
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, name := range v.sources {
		if name == k.q.Source {
			return id
		}
	}
	return -1
}

// routes returns the numbers of the routes asked for.
func (k *counting) routes() (ids []int64) {
	v := &k.s.view
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, rv := range v.routes {
		key := rv.state.Key
		if (k.q.Source == "" || k.q.Source == key.Source) && (k.q.Route == "" || k.q.Route == key.Route) {
			ids = append(ids, id)
		}
	}
	return ids
}

// routeKey returns the present name of a route, by its number.
func (v *view) routeKey(id int64) (key spool.RouteKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if rv := v.routes[id]; rv != nil {
		key = rv.state.Key
	}
	return key
}

// walk counts along one way, step by step, until its end or until the time is over.
func (k *counting) walk(ctx context.Context, w walk) error {
	step := int64(countStep)
	if len(k.q.Contains) > 0 || !k.q.Since.IsZero() || !k.q.Until.IsZero() {
		step = countStepDear
	}
	for below := int64(never); ; {
		rows := int64(0)
		err := k.s.logs.read(ctx, func(c *conn) (err error) {
			var low int64
			if rows, low, err = w.bounds(c, below, step); err != nil || rows == 0 {
				return err
			}
			n := rows
			if len(w.cond) > 0 || step == countStepDear {
				n, err = k.among(c, w, low, below)
			}
			below = low
			k.n.N += n
			return err
		})
		if err != nil {
			return fmt.Errorf("counting records: %w", err)
		}
		if rows < step {
			return nil
		}
		if k.within > 0 && time.Since(k.began) >= k.within {
			k.n.Partial = true
			return nil
		}
	}
}

// bounds returns how many rows come next on the way, step at most, and the key of the
// last of them.
func (w walk) bounds(c *conn, below, step int64) (rows, low int64, err error) {
	st := c.prepare(`SELECT count(*), min(k) FROM (SELECT ` + w.key + ` AS k FROM ` + w.rows + ` AND ` + w.key + `<?2 ORDER BY ` + w.key + ` DESC LIMIT ?3)`)
	if err := c.prepared(); err != nil {
		return 0, 0, err
	}
	defer st.Close()
	if st.int(max(w.route, 1)).int(below).int(step).next() {
		rows, low = st.ColumnInt64(0), st.ColumnInt64(1)
	}
	return rows, low, st.end()
}

// among counts the rows that are as asked, from low on and below the last step's.
func (k *counting) among(c *conn, w walk, low, below int64) (n int64, err error) {
	inTime := !k.q.Since.IsZero() || !k.q.Until.IsZero()
	what := `count(*)`
	if inTime {
		what = w.head
	}
	cond := slices.Concat([]string{w.key + `>=?2`, w.key + `<?3`}, w.cond)
	st := c.prepare(`SELECT ` + what + ` FROM ` + w.rows + ` AND ` + strings.Join(cond, " AND "))
	if err := c.prepared(); err != nil {
		return 0, err
	}
	defer st.Close()
	st.int(max(w.route, 1)).int(low).int(below)
	for _, arg := range w.args {
		switch arg := arg.(type) {
		case int64:
			st.int(arg)
		case string:
			st.text(arg)
		case []byte:
			st.blob(arg)
		}
	}
	err = st.each(func() error {
		if !inTime {
			n = st.ColumnInt64(0)
			return nil
		}
		var e spool.Event
		_, bad := record.DecodeHead(st.ColumnRawBlob(0), &e)
		if bad != nil || (k.q.Since.IsZero() || !e.Received.Before(k.q.Since)) && (k.q.Until.IsZero() || e.Received.Before(k.q.Until)) {
			n++ // A damaged one is shown to every query.
		}
		return nil
	})
	return n, err
}

// prepared returns the error of what was prepared last, and forgets it.
func (c *conn) prepared() error {
	err := c.err
	c.err = nil
	return err
}
