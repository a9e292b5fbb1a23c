package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// maxBatch and maxBatchBytes bound one transaction, in events and bytes.
	maxBatch      = 512
	maxBatchBytes = 8 << 20
)

// accepts takes all events that wait and stores them as one batch: a statement for many
// costs the server a tenth of one for each. It never waits for company: what came while
// a batch was on its way is the next one.
type accepts struct {
	s *Store
	// senders are one goroutine and connection for each batch that may be on its way.
	senders []*sender

	mu      sync.Mutex // guards pending
	pending []*intake
	// wake has room for a signal to each sender.
	wake chan struct{}
}

// sender sends one batch after the other. Its number tells its counts from those of
// others.
type sender struct {
	*accepts
	link   *link
	number int16
	// saved are the times that were saved last.
	saved reading
}

func newAccepts(s *Store) *accepts {
	a := &accepts{s: s, wake: make(chan struct{}, s.o.Batches)}
	for i := range s.o.Batches {
		a.senders = append(a.senders, &sender{accepts: a, link: newLink(s, "accepts"), number: int16(linkAccepts + i)})
	}
	return a
}

// Numbers of links in the table of counts.
const (
	linkCalls   = 0
	linkSettles = 1
	linkBeats   = 2
	linkAccepts = 3 // and 4
	linkOrdered = 5
)

func (a *accepts) links() (all []*link) {
	for _, x := range a.senders {
		all = append(all, x.link)
	}
	return all
}

func (a *accepts) start() {
	for _, x := range a.senders {
		a.s.goroutines.Add(1)
		go x.loop()
	}
}

// add hands an intake over.
func (a *accepts) add(in *intake) {
	a.mu.Lock()
	a.pending = append(a.pending, in)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take takes what waits, up to a batch.
func (a *accepts) take() []*intake {
	a.mu.Lock()
	defer a.mu.Unlock()
	size := int64(0)
	for i, in := range a.pending {
		if size += in.size(); i == maxBatch || i > 0 && size > maxBatchBytes {
			batch := a.pending[:i:i]
			a.pending = append([]*intake(nil), a.pending[i:]...)
			return batch
		}
	}
	batch := a.pending
	a.pending = nil
	return batch
}

func (x *sender) loop() {
	defer x.s.goroutines.Done()
	for {
		select {
		case <-x.wake:
			runtime.Gosched() // Whoever is about to hand over shares the batch.
		case <-x.s.callsEnded:
			return
		}
		for {
			batch := x.take()
			if len(batch) == 0 {
				break
			}
			x.serve(batch)
		}
	}
}

// serve answers every intake of a batch. It goes on as long as one of its callers waits
// and the error is one that may pass.
func (x *sender) serve(open []*intake) {
	if err := x.link.take(context.Background()); err != nil { // Nobody else takes it.
		for _, in := range open {
			in.answer(spool.Receipt{}, err)
		}
		return
	}
	defer x.link.give()
	ctx, cancel := x.waited(open)
	defer cancel()
	for len(open) > 0 {
		err := x.round(ctx, open)
		open = slices.DeleteFunc(open, (*intake).answered)
		if err == nil || x.mayPass(ctx, err) {
			continue // connect has its own pauses.
		}
		for _, in := range open {
			in.answer(spool.Receipt{}, err)
		}
		return
	}
}

// mayPass reports whether what failed is to be sent again.
func (x *sender) mayPass(ctx context.Context, err error) bool {
	if ctx.Err() != nil || x.link.ended.Load() {
		return false
	}
	if errors.Is(err, errRolledBack) || errors.Is(err, errMark) {
		return true
	}
	return !x.s.isClosing() && errors.Is(err, spool.ErrUnavailable) && !errors.Is(err, errSetUp)
}

// acceptWithin bounds how long a batch is tried. Senders are answered within 8 s.
const acceptWithin = 8 * time.Second

// waited returns a context that ends when no caller of a batch waits any more.
func (x *sender) waited(open []*intake) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), x.s.o.patience)
	open = slices.Clone(open)
	go func() {
		for _, in := range open {
			select {
			case <-in.done:
			case <-in.gone:
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	return ctx, cancel
}

// round sends what a batch needs once, and answers those that it decides. The others
// stay for the next round: copies of one id, and those whose id was being forgotten.
func (x *sender) round(ctx context.Context, open []*intake) error {
	r := x.s.clock.read()
	seen := make(map[key]bool, len(open))
	var insert, look []*intake
	for _, a := range open {
		if seen[a.key()] {
			continue // A copy: what becomes of the first is its answer.
		}
		seen[a.key()] = true
		if err := x.s.judge(a, r); err != nil && a.odd == "" {
			a.answer(spool.Receipt{}, err)
			continue
		}
		if a.odd != "" || a.stale != "" || x.s.fleet.refuses() {
			look = append(look, a)
		} else {
			insert = append(insert, a)
		}
	}
	left, err := x.insert(ctx, insert, r)
	if err != nil {
		if errors.Is(err, errMark) {
			return errors.Join(errMark, x.s.readMarks(ctx, x.link))
		}
		return err
	}
	if look = append(look, left...); len(look) == 0 {
		return nil
	}
	return x.lookUp(ctx, look, r)
}

// insertEvents stores events whose ids nobody has, with %[1]s, %[2]s and %[3]s for what
// takes events out of quarantine, %[4]s and %[5]s for how numbers are drawn and %[6]s for
// deliveries.
const insertEvents = `WITH u AS MATERIALIZED (
	SELECT u.*%[4]s FROM unnest($1::bigint[],$2::text[],$3::bytea[],$4::bigint[],$5::bigint[],$6::text[],$7::bytea[],$8::bytea[],$9::bigint[],$10::bigint[])
		WITH ORDINALITY AS u(s,i,d,c,base,t,h,b,tag,rel,o)%[1]s),
 n AS (INSERT INTO @.ids(source,id,digest,seq,tag,created,base) SELECT s,i,d,%[5]s,tag,c,base FROM u ORDER BY s,i
	ON CONFLICT DO NOTHING RETURNING source,id,seq),
 m AS MATERIALIZED (SELECT u.*,n.seq FROM u JOIN n ON n.source=u.s AND n.id=u.i),
 e AS (INSERT INTO @.events(seq,at,source,id,type,head,body) SELECT seq,$11,s,i,t,h,b FROM m),
 d AS (INSERT INTO @.deliveries%[6]s
	RETURNING number,route,state),%[2]s
 c AS (INSERT INTO @.counts AS c (route,member,link,waiting,running,dead)
	SELECT * FROM (
		SELECT route, $19::bigint, $20::smallint, count(*) FILTER (WHERE state<>2), count(*) FILTER (WHERE state=2), 0 FROM d GROUP BY route
		UNION ALL SELECT -1, $19, $20, count(*), coalesce(sum(octet_length(h)+octet_length(b)),0)+count(*)*400, count(*) FROM m HAVING count(*)>0%[3]s) x ORDER BY 1
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, running=c.running+excluded.running, dead=c.dead+excluded.dead)
SELECT m.o, m.seq, coalesce(d.number,0), coalesce(d.state,0::smallint) FROM m LEFT JOIN d ON d.number>>12=m.seq ORDER BY m.o, d.number`

// Parts of insertEvents. Holds by hand are read once, not for each delivery.
const (
	ofReleased = `
	WHERE u.rel=0 OR EXISTS (SELECT FROM @.quarantine q WHERE q.number=u.rel AND q.source=u.s)`
	dropReleased = `
 q AS (DELETE FROM @.quarantine q USING m WHERE m.rel<>0 AND q.number=m.rel RETURNING q.size),`
	countReleased = `
		UNION ALL SELECT 0, $19, $20, -count(*), -sum(size), 0 FROM q HAVING count(*)>0`

	drawn       = `nextval('@.numbers')`
	insertFresh = `(number,route,state,fence,due,until)
	SELECT m.seq<<12|x.k, x.r, CASE WHEN go THEN 2 ELSE 1 END, CASE WHEN go THEN x.f ELSE 0 END, $12, CASE WHEN go THEN $11+x.l ELSE 0 END
	FROM unnest($13::bigint[],$14::bigint[],$15::bigint[],$16::bool[],$17::bigint[],$18::bigint[]) AS x(e,k,r,start,f,l) JOIN m ON m.o=x.e
		CROSS JOIN LATERAL (SELECT x.start AND x.r <> ALL (ARRAY(SELECT h.route FROM @.holds h WHERE h.member=0)) AS go) g`
)

// insertNew is for events of which none was in quarantine: most batches. What is not in
// the statement costs nothing. Where some deliveries have keys, the batch is in the order
// of arrival and so are its numbers.
var (
	insertNew             = fmt.Sprintf(insertEvents, "", "", "", "", drawn, insertFresh)
	insertReleased        = fmt.Sprintf(insertEvents, ofReleased, dropReleased, countReleased, "", drawn, insertFresh)
	insertOrdered         = fmt.Sprintf(insertEvents, "", "", "", `, `+drawn+` AS drawn`, "drawn", insertKeyed)
	insertOrderedReleased = fmt.Sprintf(insertEvents, ofReleased, dropReleased, countReleased, `, `+drawn+` AS drawn`, "drawn", insertKeyed)
)

// insertStatement returns the one for a batch.
func insertStatement(released, ordered bool) string {
	switch {
	case released && ordered:
		return insertOrderedReleased
	case released:
		return insertReleased
	case ordered:
		return insertOrdered
	}
	return insertNew
}

// checkMarks fails where ids of a source were forgotten up to a higher mark than the
// batch was judged by. It must be a statement behind the one that inserts: whoever could
// insert an id that another has just forgotten sees the mark of that commit only here.
const checkMarks = `SELECT 1/(count(*)=0)::int FROM @.sources s JOIN unnest($1::bigint[],$2::bigint[]) u(s,mark) ON s.source=u.s WHERE s.watermark>u.mark`

// insert stores the events whose ids nobody has, and returns the others.
func (x *sender) insert(ctx context.Context, batch []*intake, r reading) (left []*intake, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	ordered := slices.ContainsFunc(batch, func(a *intake) bool { return a.keys != nil })
	if !ordered {
		slices.SortFunc(batch, func(a, b *intake) int { // The server sorts them too, in any case.
			return cmp.Or(cmp.Compare(a.src.id, b.src.id), cmp.Compare(a.Event.ID, b.Event.ID))
		})
	}
	rows := x.s.columns(batch, r)
	t := x.s.durably()
	args := append(rows.args(), x.s.me, x.number)
	if ordered {
		t.lockKeys(rows.key)
		args = append(args, rows.key)
	}
	sql := insertStatement(slices.ContainsFunc(batch, func(a *intake) bool { return a.Release != 0 }), ordered)
	t.do(sql, args...).Query(func(rs pgx.Rows) error { return rows.read(rs) })
	t.do(checkMarks, rows.marked, rows.marks)
	saving := x.saveTimes(t, r)
	began := time.Now()
	// Counted before it is sent: a beat that reads the size meanwhile must not have it
	// counted twice, because a store that is not full would refuse.
	for _, a := range batch {
		x.s.fleet.grown(a.size() + idOverhead)
	}
	if err := x.link.send(ctx, t); err != nil {
		for _, a := range batch {
			x.s.fleet.grown(-a.size() - idOverhead)
		}
		return nil, err
	}
	if saving {
		x.saved = r
	}
	if x.s.fleet.nearlyFull() {
		select {
		case x.s.crowded <- struct{}{}:
		default:
		}
	}
	x.s.committed(began, len(batch))
	for i, a := range batch {
		if rows.seqs[i] == 0 {
			x.s.fleet.grown(-a.size() - idOverhead)
			left = append(left, a)
			continue
		}
		x.s.noteCreated(a, r)
		a.answer(x.s.receiptOf(a, rows.seqs[i], rows.born(i, a), r), nil)
	}
	return left, nil
}

const saveTimesHere = `INSERT INTO @.counts AS c VALUES (-3, $1, $2, $3, $4, 0) ON CONFLICT (route,member,link)
	DO UPDATE SET waiting=greatest(c.waiting,excluded.waiting), running=greatest(c.running,excluded.running)`

// saveTimes writes down how far the times have come, every second at most, and reports
// whether it does. A failover to a server whose clock is behind goes on from there.
func (x *sender) saveTimes(t *trip, r reading) bool {
	if r.now-x.saved.now < int64(time.Second) && r.age-x.saved.age < int64(time.Second) {
		return false
	}
	t.do(saveTimesHere, x.s.me, x.number, r.now, r.age)
	return true
}
