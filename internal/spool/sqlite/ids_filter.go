package sqlite

import (
	"context"
	"hash/maphash"

	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// An id that is new, as most are, costs a search through the table of ids: with
// millions in it, reading a page that no cache holds (measured: a quarter of an accept's
// CPU at two million). A Bloom filter answers nearly all of these from memory.
//
// It may only ever say that the table lacks an id: what it does not rule out is looked
// up. So an id must be in the filter before its row is in the table. It is never
// stored, and is seeded by each process differently, so that no sender can choose ids
// that all collide. A start builds it from the table beside the traffic; until then,
// and where the table is too large, every id is looked up.

// filterRooms are the sizes, in ids, that are tried one after the other until all ids have
// room, at less than 3 % of needless searches: by default twice 64 KiB to 16 MiB of memory.
// A table that is larger still goes without a filter.
type filterRooms [4]int

const (
	// filterWrong is the share of unknown ids that may be looked up needlessly.
	filterWrong = 0.03
	// filterReadStep is how many ids are read in one transaction: a long one would keep
	// the log from beginning again.
	filterReadStep = 4096
)

// idFilter is the filter of ids. It belongs to the writer, and outlives a reopening:
// what it knows too much does no harm.
type idFilter struct {
	// seed makes its hashes another function in each process.
	seed maphash.Seed
	// table is what the table held, nil until all of it was read.
	table *idSet
	// since is what came into the table since that reading began.
	since *idSet
	// building is the same as since, for a reading that is under way.
	building *idSet
	// tooLarge reports that the table has more ids than the largest room.
	tooLarge bool
}

// idSet is one Bloom filter, with how many ids it has and how many it has room for.
type idSet struct {
	bloom   *z.Bloom
	n, room int
}

// newIDSet returns an empty set with room for so many ids.
func newIDSet(room int) *idSet {
	return &idSet{bloom: z.NewBloomFilter(float64(room), filterWrong), room: room}
}

// add adds the hash of an id.
func (s *idSet) add(hash uint64) {
	s.bloom.Add(hash)
	s.n++
}

// hashID hashes an id with its source, whose number is spread over all bits by a constant
// that is odd and close to the golden ratio of 2^64.
func hashID(seed maphash.Seed, k idKey) uint64 {
	return maphash.String(seed, k.id) ^ uint64(k.source)*0x9e3779b97f4a7c15
}

// add announces an id whose row is about to come into the table. The row must not come
// first. Both sets get it: a reading under way may be past the place where the row lands.
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

// lacks reports whether the table surely lacks an id. False says nothing.
func (f *idFilter) lacks(k idKey) bool {
	if f.table == nil {
		return false
	}
	hash := hashID(f.seed, k)
	return !f.since.bloom.Has(hash) && !f.table.bloom.Has(hash)
}

// isWanted reports whether a filter should be built: there is none, or so many ids came in
// that it rules out too few. A table that was too large stays so for this process.
func (f *idFilter) isWanted() bool {
	return !f.tooLarge && (f.table == nil || f.since.n > f.since.room)
}

// buildFilter builds the filter, if one is wanted, for a caller that has entered. The table
// is read beside the writer. From before the first page is read, the writer puts into
// building what comes into the table, so that the two sets together miss nothing, wherever
// a new row lands. They are put in place in one turn of the writer.
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

// readIDs reads the whole table into a set with room for so many ids. It returns nil if
// they are more.
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

// withFilter runs f in the writer's turn, which the filter belongs to.
func (s *Store) withFilter(ctx context.Context, f func(*idFilter)) error {
	if s.isClosing() {
		return spool.ErrClosed
	}
	return s.submit(ctx, false, 0, func(w *writer) error {
		f(&w.filter)
		return nil
	})
}

// idsAfter appends the next ids of the table, in the order of its key.
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
