package sqlite

import (
	"context"
	"hash/maphash"

	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// An id that nobody has seen, as most are, costs a search through the table of
// ids: with millions in it, reading a page that no cache holds. A Bloom filter
// answers nearly all of these from memory. It is made beside the traffic after a
// start, never written, and only ever says that the table lacks an id: what it
// does not rule out is looked up. So every row that comes into the table must be
// in it before.

// filterRooms are the sizes, in ids, that are tried one after the other until all
// ids have room, at less than 3 % of needless searches: by default twice 64 KiB to
// 16 MiB of memory. A table that is larger still goes without.
type filterRooms [4]int

const (
	filterWrong    = 0.03
	filterReadStep = 4096 // ids read at a time
)

// idFilter belongs to the writer, and outlives a reopening: what it knows too
// much does no harm.
type idFilter struct {
	seed     maphash.Seed
	table    *idSet // what the table held, nil until all of it was read
	since    *idSet // what came into it since that reading began
	building *idSet // the same, of a reading that is not at its end
	tooLarge bool   // the table is too large
}

type idSet struct {
	bloom   *z.Bloom
	n, room int
}

func newIDSet(room int) *idSet {
	return &idSet{bloom: z.NewBloomFilter(float64(room), filterWrong), room: room}
}

func (s *idSet) add(hash uint64) {
	s.bloom.Add(hash)
	s.n++
}

func hashID(seed maphash.Seed, k idKey) uint64 {
	return maphash.String(seed, k.id) ^ uint64(k.source)*0x9e3779b97f4a7c15
}

// add must come before the row does.
func (f *idFilter) add(k idKey) {
	if f.since == nil && f.building == nil {
		return
	}
	hash := hashID(f.seed, k)
	if f.since != nil {
		f.since.add(hash)
	}
	if f.building != nil {
		f.building.add(hash)
	}
}

// lacks is certain where it says yes.
func (f *idFilter) lacks(k idKey) bool {
	if f.table == nil {
		return false
	}
	hash := hashID(f.seed, k)
	return !f.since.bloom.Has(hash) && !f.table.bloom.Has(hash)
}

// isWanted: there is none, or it has become so full that it says little.
func (f *idFilter) isWanted() bool {
	return !f.tooLarge && (f.table == nil || f.since.n > f.since.room)
}

// buildFilter makes the filter, if one is wanted. The table is read beside the
// writer, which takes what comes into it meanwhile into a filter of its own. It is
// for a caller that has entered.
func (s *Store) buildFilter(ctx context.Context) error {
	s.filterBuild.Lock()
	defer s.filterBuild.Unlock()
	wanted := false
	if err := s.withFilter(ctx, func(f *idFilter) { wanted = f.isWanted() }); err != nil || !wanted {
		return err
	}
	for _, room := range s.o.limits.rooms {
		if err := s.withFilter(ctx, func(f *idFilter) { f.building = newIDSet(room) }); err != nil {
			return err
		}
		read, err := s.readIDs(ctx, room)
		if err != nil {
			return err
		}
		if read != nil {
			return s.withFilter(ctx, func(f *idFilter) { f.table, f.since, f.building = read, f.building, nil })
		}
	}
	return s.withFilter(ctx, func(f *idFilter) { f.table, f.since, f.building, f.tooLarge = nil, nil, nil, true })
}

// readIDs returns nil if not all ids have room.
func (s *Store) readIDs(ctx context.Context, room int) (*idSet, error) {
	read, after := newIDSet(room), idKey{}
	for page := make([]idKey, 0, filterReadStep); ; {
		var err error
		if page, err = s.idsAfter(ctx, after, page[:0]); err != nil {
			return nil, err
		}
		for _, k := range page {
			read.add(hashID(s.w.filter.seed, k))
		}
		switch {
		case read.n > room:
			return nil, nil
		case len(page) < filterReadStep:
			return read, nil
		}
		after = page[len(page)-1]
	}
}

// withFilter runs f in the writer's turn.
func (s *Store) withFilter(ctx context.Context, f func(*idFilter)) error {
	if s.isClosing() {
		return spool.ErrClosed
	}
	return s.submit(ctx, false, 0, func(w *writer) error {
		f(&w.filter)
		return nil
	})
}

func (s *Store) idsAfter(ctx context.Context, after idKey, page []idKey) ([]idKey, error) {
	if s.isClosing() {
		return nil, spool.ErrClosed
	}
	err := s.logs.read(ctx, func(c *conn) error {
		q := c.prepare(`SELECT source, id FROM ids WHERE (source, id) > (?, ?) ORDER BY source, id LIMIT ?`)
		if c.err != nil {
			return c.err
		}
		defer q.Close()
		return q.int(after.source).text(after.id).int(filterReadStep).each(func() error {
			page = append(page, idKey{q.ColumnInt64(0), q.ColumnText(1)})
			return nil
		})
	})
	return page, err
}
