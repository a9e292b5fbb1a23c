package postgres

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// settles takes all ends of leases that wait and writes them as one batch, which nobody
// flushes but the server within a second: a settle that a power cut takes back repeats
// an attempt, which the contract allows. What must be durable has the whole batch so.
type settles struct {
	s      *Store
	link   *link
	number int16

	mu      sync.Mutex // guards pending
	pending []*ending
	wake    chan struct{}
}

// What becomes of a running delivery besides its outcomes.
const (
	extended = int16(-1)
	released = int16(-2)
)

// ending is what becomes of one lease.
type ending struct {
	number, fence int64
	// of is the key whose head it ends, the zero value for none.
	of keyed
	// state is the one it goes to, or extended or released.
	state int16
	// due is when it is tried next, or the end of the extension from now.
	due     int64
	counted bool
	reason  string
	log     []byte
	durable bool

	// lost and err are the answer, which done tells of.
	lost bool
	err  error
	done *sync.WaitGroup
}

func newSettles(s *Store, duty string, number int16) *settles {
	return &settles{s: s, link: newLink(s, duty), number: number, wake: make(chan struct{}, 1)}
}

func (x *settles) start() {
	x.s.goroutines.Add(1)
	go x.loop()
}

// submit hands endings over and waits for their answers, or until ctx ends.
func (x *settles) submit(ctx context.Context, all []*ending) error {
	if len(all) == 0 {
		return nil
	}
	var wg sync.WaitGroup
	wg.Add(len(all))
	for _, e := range all {
		e.done = &wg
	}
	x.mu.Lock()
	x.pending = append(x.pending, all...)
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
	answered := make(chan struct{})
	if ctx.Done() == nil {
		wg.Wait()
	} else {
		go func() { wg.Wait(); close(answered) }()
		select {
		case <-answered:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, e := range all {
		if e.err != nil {
			return e.err
		}
	}
	return nil
}

func (x *settles) loop() {
	defer x.s.goroutines.Done()
	for {
		select {
		case <-x.wake:
			runtime.Gosched()
		case <-x.s.callsEnded:
			return
		}
		for {
			x.mu.Lock()
			batch := x.pending
			if len(batch) > maxBatch {
				batch = batch[:maxBatch:maxBatch]
			}
			x.pending = x.pending[len(batch):]
			x.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			x.serve(batch)
		}
	}
}

// settleWithin bounds how long a batch is tried. A lease lasts longer.
const settleWithin = 10 * time.Second

// serve answers a batch. Two endings of one lease go one after the other.
func (x *settles) serve(batch []*ending) {
	ctx, cancel := context.WithTimeout(context.Background(), settleWithin)
	defer cancel()
	if err := x.link.take(ctx); err != nil { // Nobody else takes it, so the link has ended.
		for _, e := range batch {
			e.err = err
			e.done.Done()
		}
		return
	}
	defer x.link.give()
	for len(batch) > 0 {
		seen := map[int64]bool{}
		var now, later []*ending
		for _, e := range batch {
			if seen[e.number] {
				later = append(later, e)
				continue
			}
			seen[e.number] = true
			now = append(now, e)
		}
		err := x.link.repeat(ctx, false, func() error { return x.write(ctx, now) })
		if err != nil && ctx.Err() == nil && errors.Is(err, spool.ErrUnavailable) && !errors.Is(err, errSetUp) && !x.s.isClosing() && !x.link.ended.Load() {
			// Sent again with the same fences, what had landed counts as lost, which
			// it is not: so it is asked for.
			if err = x.ask(ctx, now); err == nil {
				batch = append(slices.DeleteFunc(now, func(e *ending) bool { return e.done == nil }), later...)
				continue
			}
		}
		for _, e := range now {
			e.err = err
			e.done.Done()
		}
		batch = later
	}
}

const endLeases = `WITH u AS (SELECT * FROM unnest($1::bigint[],$2::bigint[],$3::smallint[],$4::bigint[],$5::int[],$6::bigint[],$7::text[],$8::bytea[]) AS u(n,f,st,due,c,ended,why,log)),
 l AS (UPDATE @.deliveries d SET
	state = CASE u.st WHEN -1 THEN 2 WHEN -2 THEN CASE WHEN d.attempts=0 AND d.replay=0 AND d.log='' THEN 1 ELSE 6 END ELSE u.st END,
	due = CASE u.st WHEN -1 THEN d.due WHEN -2 THEN least(d.due,u.due) ELSE u.due END,
	until = CASE u.st WHEN -1 THEN u.due ELSE d.until END,
	attempts = d.attempts+u.c, ended = u.ended, reason = u.why, log = CASE WHEN u.st<0 THEN d.log ELSE u.log END
	FROM (SELECT * FROM u ORDER BY n) u WHERE d.number=u.n AND d.fence=u.f AND d.state=2 RETURNING d.number, d.route, d.state, CASE d.state WHEN 2 THEN d.until ELSE d.due END AS due),
 k AS (INSERT INTO @.counts AS c SELECT * FROM (SELECT route,$9::bigint,$10::smallint,count(*) FILTER (WHERE state IN (1,3,6)) AS w,-count(*) FILTER (WHERE state<>2) AS r,count(*) FILTER (WHERE state=5) AS x
	FROM l GROUP BY route) y WHERE r<>0 ORDER BY route
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, running=c.running+excluded.running, dead=c.dead+excluded.dead)
SELECT number, route, state, due FROM l`

// write writes endings, and notes which leases were lost.
func (x *settles) write(ctx context.Context, all []*ending) error {
	r := x.s.clock.read()
	t := x.s.relaxedly()
	if slices.ContainsFunc(all, func(e *ending) bool { return e.durable }) {
		t = x.s.durably()
	}
	t.lockKeys(keysOf(all))
	var numbers, fences, dues, ended []int64
	var heads []keyed
	var states []int16
	var counted []int32
	var reasons []string
	var logs [][]byte
	byNumber := map[int64]*ending{}
	for _, e := range all {
		e.lost = true
		heads = append(heads, e.of)
		byNumber[e.number] = e
		due, end := e.due, int64(0)
		switch e.state {
		case extended:
			due = r.age + e.due
		case released:
			due = r.now
		case delivered, dead:
			// What has ended is not due any more: the column holds the age at which it
			// did, by which retention goes.
			due, end = r.age, nanos(r.Wall())
		}
		numbers, fences, states, dues = append(numbers, e.number), append(fences, e.fence), append(states, e.state), append(dues, due)
		counted, ended, reasons, logs = append(counted, int32(b2i(e.counted))), append(ended, end), append(reasons, e.reason), append(logs, e.log)
	}
	type change struct {
		number, route, due int64
		state              int16
	}
	var changes []change
	t.do(endLeases, numbers, fences, states, dues, counted, ended, reasons, logs, x.s.me, x.number).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var c change
			if err := rows.Scan(&c.number, &c.route, &c.state, &c.due); err != nil {
				return err
			}
			byNumber[c.number].lost = false
			changes = append(changes, c)
		}
		return rows.Err()
	})
	promoted := t.promote(heads, r.now)
	if err := x.link.send(ctx, t); err != nil {
		return err
	}
	x.s.notePromoted(promoted)
	for _, c := range changes {
		switch c.state {
		case fresh, retrying, requeued:
			x.s.noteWaits(c.route, c.number, c.due)
		case running: // An extension may end earlier than what it replaces.
			x.s.noteUntil(c.route, c.due)
		}
	}
	return nil
}

// keysOf returns the keys whose heads are ended.
func keysOf(all []*ending) (keys []int64) {
	for _, e := range all {
		if e.of.key != 0 {
			keys = append(keys, e.of.key)
		}
	}
	return keys
}

const askLeases = `SELECT d.number, d.fence, d.state, d.attempts, d.log FROM unnest($1::bigint[]) u(n) JOIN @.deliveries d ON d.number=u.n`

// ask finds out which endings have landed by a commit whose answer did not come, and
// answers those: their done is nil then.
func (x *settles) ask(ctx context.Context, all []*ending) error {
	var numbers []int64
	byNumber := map[int64]*ending{}
	for _, e := range all {
		numbers = append(numbers, e.number)
		byNumber[e.number] = e
	}
	landed := map[*ending]bool{}
	t := x.s.relaxedly()
	t.do(askLeases, numbers).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var number, fence int64
			var state int16
			var attempts int32
			var log []byte
			if err := rows.Scan(&number, &fence, &state, &attempts, &log); err != nil {
				return err
			}
			e := byNumber[number]
			landed[e] = fence == e.fence && state != running && e.landed(state, log)
		}
		return rows.Err()
	})
	if err := x.link.send(ctx, t); err != nil {
		return err
	}
	for _, e := range all {
		if landed[e] {
			e.lost = false
			e.done.Done()
			e.done = nil
		}
	}
	return nil
}

// landed reports whether a delivery that is not running any more, and has had no other
// lease since, is as the ending has left it.
func (e *ending) landed(state int16, log []byte) bool {
	switch e.state {
	case extended:
		return false
	case released:
		return state == fresh || state == requeued
	}
	return state == e.state && string(log) == string(e.log)
}
