package postgres

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// never is a time that does not come.
const never = math.MaxInt64

// States of a delivery as they are stored.
const (
	fresh     = int16(spool.Available)
	running   = int16(spool.Running)
	retrying  = int16(spool.Retrying)
	delivered = int16(spool.Delivered)
	dead      = int16(spool.Dead)
	requeued  = int16(record.Requeued)
	discarded = int16(record.Discarded)
	behind    = int16(record.Behind)
)

// catalog is what this process knows of sources, routes, names and holds. The tables
// decide; it is read again when another member has changed them, at the next beat.
type catalog struct {
	mu sync.Mutex // guards all below; never held across I/O
	// change is the number of the last change that was read.
	change int64
	// sources and routes are found by number, byName and names by name. The number of a
	// route that was merged leads to the one that took it over.
	sources map[int64]*source
	byName  map[string]*source
	routes  map[int64]*route
	names   map[spool.RouteKey]*route
	// serving are the routes that owners of this process serve.
	serving map[spool.Owner]map[string][]string // by owner and source
}

// source is a configured endpoint. Its marks are guarded by catalog.mu.
type source struct {
	id   int64
	name string
	// watermark is the newest created_at among forgotten ids, math.MinInt64 for none,
	// as it was when it was read last.
	watermark int64
	// newest is the newest created_at that was accepted, 0 for none.
	newest int64
	// saved is newest as it was read last.
	saved int64
}

// route is one queue, guarded by catalog.mu.
type route struct {
	id     int64
	source *source
	// key has the present name.
	key spool.RouteKey
	// names are all that lead here.
	names []spool.RouteKey
	// byHand is the hold of an operator, holds are those of members by their numbers.
	byHand *spool.Hold
	holds  map[int64]*spool.Hold
	// hint is when something of the route is due, as far as is known here.
	hint hint
}

// load reads the catalog by the turn's connection of l.
func (s *Store) load(ctx context.Context, l *link) error {
	var n catalog
	err := l.run(ctx, true, func() *trip {
		n = catalog{sources: map[int64]*source{}, byName: map[string]*source{}, routes: map[int64]*route{}, names: map[spool.RouteKey]*route{}}
		t := s.relaxedly()
		t.do(`SELECT value FROM @.meta WHERE name='change'`).QueryRow(func(row pgx.Row) error { return row.Scan(&n.change) })
		t.do(`SELECT source, name, watermark, newest FROM @.sources`).Query(func(rows pgx.Rows) error { return n.readSources(rows) })
		t.do(`SELECT route, source, name, merged FROM @.routes ORDER BY route`).Query(func(rows pgx.Rows) error { return n.readRoutes(rows) })
		t.do(`SELECT source, name, route FROM @.names ORDER BY source, name`).Query(func(rows pgx.Rows) error { return n.readNames(rows) })
		t.do(`SELECT route, member, hold FROM @.holds`).Query(func(rows pgx.Rows) error { return n.readHolds(rows) })
		return t
	})
	if err != nil {
		return err
	}
	for _, k := range s.catalog.replace(&n) {
		s.watch.Notify(k)
	}
	return nil
}

func (c *catalog) readSources(rows pgx.Rows) error {
	for rows.Next() {
		src := &source{}
		if err := rows.Scan(&src.id, &src.name, &src.watermark, &src.newest); err != nil {
			return err
		}
		c.sources[src.id], c.byName[src.name] = src, src
	}
	return rows.Err()
}

func (c *catalog) readRoutes(rows pgx.Rows) error {
	merged := map[int64]int64{}
	for rows.Next() {
		var id, src, into int64
		var name string
		if err := rows.Scan(&id, &src, &name, &into); err != nil {
			return err
		}
		if into != 0 {
			merged[id] = into
			continue
		}
		of := c.sources[src]
		if of == nil {
			continue
		}
		c.routes[id] = &route{
			id: id, source: of, key: spool.RouteKey{Source: of.name, Route: name},
			holds: map[int64]*spool.Hold{}, hint: hint{due: math.MinInt64, until: never, waits: uncounted},
		}
	}
	for id, into := range merged {
		for range len(merged) { // A queue that took one over may have been taken over.
			if next, ok := merged[into]; ok {
				into = next
			}
		}
		c.routes[id] = c.routes[into]
	}
	return rows.Err()
}

func (c *catalog) readNames(rows pgx.Rows) error {
	for rows.Next() {
		var src, id int64
		var name string
		if err := rows.Scan(&src, &name, &id); err != nil {
			return err
		}
		if rt := c.routes[id]; rt != nil {
			k := spool.RouteKey{Source: rt.source.name, Route: name}
			c.names[k] = rt
			rt.names = append(rt.names, k)
		}
	}
	return rows.Err()
}

func (c *catalog) readHolds(rows pgx.Rows) error {
	for rows.Next() {
		var id, member int64
		var text string
		if err := rows.Scan(&id, &member, &text); err != nil {
			return err
		}
		h := &spool.Hold{}
		if err := json.Unmarshal([]byte(text), h); err != nil {
			return err
		}
		rt := c.routes[id]
		switch {
		case rt == nil || rt.id != id: // Of a queue that was taken over.
		case member == 0:
			rt.byHand = h
		default:
			rt.holds[member] = h
		}
	}
	return rows.Err()
}

// replace makes n the catalog, with the hints of the former one, and returns the names
// of the routes whose holds differ: their watchers are told.
func (c *catalog) replace(n *catalog) (changed []spool.RouteKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.change < c.change {
		return nil // Another reading was faster.
	}
	for id, rt := range n.routes {
		old := c.routes[id]
		if old == nil || rt.id != id {
			continue
		}
		if old.id == id {
			rt.hint = old.hint
		}
		if !sameHold(old.byHand, rt.byHand) || !maps.EqualFunc(old.holds, rt.holds, sameHold) {
			changed = append(changed, rt.names...)
		}
	}
	for id, src := range n.sources {
		if old := c.sources[id]; old != nil {
			src.newest = max(src.newest, old.newest)
			src.watermark = max(src.watermark, old.watermark)
		}
	}
	c.change, c.sources, c.byName, c.routes, c.names = n.change, n.sources, n.byName, n.routes, n.names
	return changed
}

func sameHold(a, b *spool.Hold) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Since.Equal(b.Since) && a.NextProbe.Equal(b.NextProbe) && a.Reason == b.Reason && a.Probes == b.Probes && a.ByHand == b.ByHand
}

// source returns a source by its name, nil for an unknown one.
func (c *catalog) source(name string) *source {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byName[name]
}

// route returns the queue that a name leads to, nil for an unknown one.
func (c *catalog) route(k spool.RouteKey) *route {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[k]
}

// key returns the present name of a route by its number.
func (c *catalog) key(id int64) spool.RouteKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rt := c.routes[id]; rt != nil {
		return rt.key
	}
	return spool.RouteKey{}
}

// sourceName returns the name of a source by its number.
func (c *catalog) sourceName(id int64) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if src := c.sources[id]; src != nil {
		return src.name
	}
	return ""
}

// served returns the numbers of the routes that this process serves.
func (s *Store) served() []int64 {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[int64]bool{}
	for _, sources := range c.serving {
		for name, routes := range sources {
			for _, r := range routes {
				if rt := c.names[spool.RouteKey{Source: name, Route: r}]; rt != nil {
					all[rt.id] = true
				}
			}
		}
	}
	return slices.AppendSeq(make([]int64, 0, len(all)), maps.Keys(all))
}

// Watch implements spool.Store.
func (s *Store) Watch(f func(spool.RouteKey)) (stop func()) { return s.watch.Add(f) }
