package sqlite

import (
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Ids are random, so each id that is inserted alone dirties a page of its own, which is
// written twice: to the log, and to the database. So the most recent ids are held in
// memory, exactly, and are inserted many at a time, in order, several to a page.
//
// What makes a recent id durable is its event: at a start the ids of all events numbered
// above w.merged are read back. Two rules keep that true. An event leaves the store only
// after its id is in the table (mergeOne). And an id is forgotten only after w.merged has
// passed it (forgetIDs): else the next start would read it back from its event.
//
// ids_merge.go inserts them, ids_filter.go spares searches for new ids, and
// ids_forget.go removes what is old.

// idKey is an id as it is looked up: ids are unique in a source.
type idKey struct {
	source int64
	id     string
}

// compare orders ids as the table's key does: neighbours share a page.
func (k idKey) compare(o idKey) int {
	if k.source != o.source {
		return int(k.source - o.source)
	}
	return strings.Compare(k.id, o.id)
}

// knownID is what is remembered of an id: the digest of its body, by which a copy is told
// from another body, and the number of its event.
type knownID struct {
	digest spool.Digest
	seq    int64
}

// generation is a set of recent ids that is merged as a whole. It belongs to the writer.
type generation struct {
	ids map[idKey]knownID
	// runs hold the keys, limits.run of them each, sorted once they are full. In a
	// merge they are a heap by their first keys.
	runs [][]idKey
	// last is the largest number of their events. It becomes w.merged at the end.
	last int64
}

// newGeneration returns an empty generation.
func newGeneration() *generation { return &generation{ids: map[idKey]knownID{}} }

// add adds an id. Each run is sorted when it is full, so that no batch has to wait for
// the sorting of all 65,536.
func (g *generation) add(k idKey, v knownID, run int) {
	n := len(g.runs) - 1
	if n < 0 || len(g.runs[n]) >= run {
		g.runs = append(g.runs, make([]idKey, 0, run))
		n++
	}
	g.runs[n] = append(g.runs[n], k)
	if len(g.runs[n]) == run {
		slices.SortFunc(g.runs[n], idKey.compare)
	}
	g.ids[k], g.last = v, max(g.last, v.seq)
}

// begin makes the runs a heap by their first keys: from then on only next is called.
func (g *generation) begin() {
	if n := len(g.runs); n > 0 {
		slices.SortFunc(g.runs[n-1], idKey.compare)
	}
	for i := len(g.runs)/2 - 1; i >= 0; i-- {
		g.sink(i)
	}
}

// sink moves the run at i down the heap to where it belongs.
func (g *generation) sink(i int) {
	r := g.runs
	for {
		least := i
		for _, c := range []int{2*i + 1, 2*i + 2} {
			if c < len(r) && r[c][0].compare(r[least][0]) < 0 {
				least = c
			}
		}
		if least == i {
			return
		}
		r[i], r[least] = r[least], r[i]
		i = least
	}
}

// next removes and returns the least key that is left. There must be one. Its id stays
// in ids, where it is found until the whole merge is committed.
func (g *generation) next() idKey {
	k := g.runs[0][0]
	if g.runs[0] = g.runs[0][1:]; len(g.runs[0]) == 0 {
		n := len(g.runs) - 1
		g.runs[0] = g.runs[n]
		g.runs = g.runs[:n]
	}
	g.sink(0)
	return k
}
