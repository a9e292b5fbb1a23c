package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// bump tells the other members that the catalog has changed.
const bump = `UPDATE @.meta SET value=value+1 WHERE name='change'`

// makeNames makes the source and the queues that are missing. An event may name a route
// before any Configure does.
func (s *Store) makeNames(ctx context.Context, source string, routes []spool.RouteWish) error {
	err := s.changeNames(ctx, source, func(ctx context.Context, e *edit) error {
		for _, w := range routes {
			if e.names[w.Route] == nil {
				if err := e.make(ctx, w.Route); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("making routes: %w", err)
	}
	return nil
}

// Configure implements spool.Store. Where both names have a queue already, the old one's
// deliveries move in steps, so that no transaction is long; a stop between the steps
// costs nothing, since chores end the moves.
func (s *Store) Configure(ctx context.Context, o spool.Owner, source string, routes []spool.RouteName) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	err := s.changeNames(ctx, source, func(ctx context.Context, e *edit) error { return e.configure(ctx, routes) })
	if err != nil {
		return fmt.Errorf("configuring routes: %w", err)
	}
	names := make([]string, len(routes))
	for i, r := range routes {
		names[i] = r.Name
	}
	s.catalog.serve(o, source, names)
	for more := true; more; {
		if more, err = s.moveSome(ctx, s.calls, linkCalls); err != nil {
			return fmt.Errorf("moving deliveries: %w", err)
		}
	}
	return s.announce(ctx)
}

// Leave implements spool.Store.
func (s *Store) Leave(ctx context.Context, o spool.Owner) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	if !s.catalog.leave(o) {
		return nil
	}
	return s.announce(ctx)
}

// serve notes which routes of a source an owner of this process serves.
func (c *catalog) serve(o spool.Owner, source string, routes []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serving == nil {
		c.serving = map[spool.Owner]map[string][]string{}
	}
	if c.serving[o] == nil {
		c.serving[o] = map[string][]string{}
	}
	c.serving[o][source] = routes
}

// leave notes that an owner serves nothing any more, and reports whether it did.
func (c *catalog) leave(o spool.Owner) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, served := c.serving[o]
	delete(c.serving, o)
	return served
}

// announce writes what this process serves, and reads when those routes are due.
func (s *Store) announce(ctx context.Context) error {
	if err := s.load(ctx, s.calls); err != nil {
		return err
	}
	if err := s.calls.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(`UPDATE @.members SET serves=$2 WHERE member=$1`, s.me, s.served())
		t.do(bump)
		return t
	}); err != nil {
		return err
	}
	return s.beatNow(ctx, s.calls)
}

// edit is a change of one source's names, in a transaction that keeps other members from
// changing them meanwhile.
type edit struct {
	s      *Store
	tx     pgx.Tx
	source int64
	// names lead to queues, by name; numbers to the same by the number.
	names  map[string]*queue
	merged []int64 // queues that were taken over just now
}

// queue is a route as an edit has it.
type queue struct {
	id   int64
	name string // its present one
}

// changeNames runs f in a transaction, with the source made where it is missing, and
// reads the catalog after it.
func (s *Store) changeNames(ctx context.Context, source string, f func(ctx context.Context, e *edit) error) error {
	l := s.calls
	if err := l.take(ctx); err != nil {
		return err
	}
	err := l.repeat(ctx, true, func() error {
		if err := l.connect(ctx); err != nil {
			return err
		}
		l.warned = nil
		// The caller's context does not end the transaction: pgx would close the
		// connection in the middle of it.
		return l.outcome(s.edit(context.WithoutCancel(ctx), l.c, source, f))
	})
	l.give()
	if err != nil {
		return err
	}
	return s.load(ctx, l)
}

func (s *Store) edit(ctx context.Context, c *pgx.Conn, source string, f func(ctx context.Context, e *edit) error) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // After a commit it does nothing.
	if _, err := tx.Exec(ctx, durable, "on"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SELECT set_config('idle_in_transaction_session_timeout','5s',true)`); err != nil {
		return err
	}
	e := &edit{s: s, tx: tx, names: map[string]*queue{}}
	if err := e.lockSource(ctx, source); err != nil {
		return err
	}
	if err := e.read(ctx); err != nil {
		return err
	}
	if err := f(ctx, e); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.sql(bump)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// lockSource finds the source, makes it if there is none, and keeps others from its
// names. Numbers of sources and routes come from the sequence of all numbers.
func (e *edit) lockSource(ctx context.Context, name string) error {
	_, err := e.tx.Exec(ctx, e.s.sql(`INSERT INTO @.sources (source, name, watermark, newest) VALUES (nextval('@.numbers'), $1, $2, 0) ON CONFLICT (name) DO NOTHING`), name, int64(math.MinInt64))
	if err != nil {
		return err
	}
	return e.tx.QueryRow(ctx, e.s.sql(`SELECT source FROM @.sources WHERE name=$1 FOR UPDATE`), name).Scan(&e.source)
}

// read reads the names of the source.
func (e *edit) read(ctx context.Context) error {
	rows, err := e.tx.Query(ctx, e.s.sql(`SELECT n.name, r.route, r.name FROM @.names n JOIN @.routes r ON r.route=n.route WHERE n.source=$1`), e.source)
	if err != nil {
		return err
	}
	defer rows.Close()
	byID := map[int64]*queue{}
	for rows.Next() {
		var name string
		q := &queue{}
		if err := rows.Scan(&name, &q.id, &q.name); err != nil {
			return err
		}
		if byID[q.id] == nil {
			byID[q.id] = q
		}
		e.names[name] = byID[q.id]
	}
	return rows.Err()
}

// make makes a queue and has the name lead to it.
func (e *edit) make(ctx context.Context, name string) error {
	q := &queue{name: name}
	err := e.tx.QueryRow(ctx, e.s.sql(`INSERT INTO @.routes (route, source, name) VALUES (nextval('@.numbers'), $1, $2) RETURNING route`), e.source, name).Scan(&q.id)
	if err != nil {
		return err
	}
	return e.lead(ctx, name, q)
}

// lead makes a name lead to a queue.
func (e *edit) lead(ctx context.Context, name string, q *queue) error {
	e.names[name] = q
	_, err := e.tx.Exec(ctx, e.s.sql(`INSERT INTO @.names VALUES ($1, $2, $3) ON CONFLICT (source, name) DO UPDATE SET route=excluded.route`), e.source, name, q.id)
	return err
}

// configure applies the list of a source's routes. Former names are served first: a
// queue that is taken over must not be taken for the new one of its name.
func (e *edit) configure(ctx context.Context, routes []spool.RouteName) error {
	listed := make(map[string]bool, len(routes))
	for _, r := range routes {
		listed[r.Name] = true
	}
	for _, r := range routes {
		old := e.names[r.Was]
		if r.Was == "" || r.Was == r.Name || old == nil {
			continue
		}
		if err := e.takeOver(ctx, r, old, listed); err != nil {
			return err
		}
	}
	for _, r := range routes {
		// A former name that is listed again has a queue of its own again.
		if q := e.names[r.Name]; q == nil || q.name != r.Name {
			if err := e.make(ctx, r.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeOver gives the queue of a former name to its new name. A former name that is
// itself listed keeps what it has gathered since the first time, so that the same
// configuration may be given twice.
func (e *edit) takeOver(ctx context.Context, r spool.RouteName, old *queue, listed map[string]bool) error {
	mine := e.names[r.Name]
	own := mine != nil && mine.name == r.Name
	if mine == old && own || listed[old.name] && (own || old.name != r.Was) {
		return nil
	}
	if !own {
		old.name = r.Name
		if _, err := e.tx.Exec(ctx, e.s.sql(`UPDATE @.routes SET name=$2 WHERE route=$1`), old.id, r.Name); err != nil {
			return err
		}
		return e.lead(ctx, r.Name, old)
	}
	return e.merge(ctx, old, mine)
}

// merge has mine take over old: every name of old leads to mine from now on, and so does
// its number. Its deliveries follow in steps.
func (e *edit) merge(ctx context.Context, old, mine *queue) error {
	if _, err := e.tx.Exec(ctx, e.s.sql(`UPDATE @.routes SET merged=$2 WHERE route=$1`), old.id, mine.id); err != nil {
		return err
	}
	if _, err := e.tx.Exec(ctx, e.s.sql(`UPDATE @.routes SET merged=$2 WHERE merged=$1`), old.id, mine.id); err != nil {
		return err
	}
	if _, err := e.tx.Exec(ctx, e.s.sql(`DELETE FROM @.holds WHERE route=$1`), old.id); err != nil {
		return err
	}
	for name, q := range e.names {
		if q == old {
			if err := e.lead(ctx, name, mine); err != nil {
				return err
			}
		}
	}
	e.merged = append(e.merged, old.id)
	return nil
}
